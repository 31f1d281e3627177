"""The tables of the catalog behind the ports; SQL in `queries`."""

from chassis.postgres import Connection
from services.catalog.ports import Store
from services.catalog.repository.feeds import Feeds
from services.catalog.repository.follows import Follows
from services.catalog.repository.videos import Videos


def open_store(connection: Connection) -> Store:
    """The repositories of one connection."""
    return Store(videos=Videos(connection), follows=Follows(connection), feeds=Feeds(connection))
