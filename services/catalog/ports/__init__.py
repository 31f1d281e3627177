"""What the use cases need from outside, as Protocols; the adapters are `repository` and `peers`."""

from dataclasses import dataclass
from typing import TypeAlias

from chassis import transaction
from services.catalog.ports.feeds import FeedStore
from services.catalog.ports.follows import FollowStore
from services.catalog.ports.videos import VideoStore


@dataclass(frozen=True)
class Store:
    """The tables of the catalog, by subject, bound to one connection."""

    videos: VideoStore
    follows: FollowStore
    feeds: FeedStore


Tx: TypeAlias = transaction.Tx[Store]
Begin: TypeAlias = transaction.Begin[Store]
