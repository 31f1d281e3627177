"""The tables of notify behind the ports; SQL in `queries`."""

from chassis.postgres import Connection
from services.notify.ports import Store
from services.notify.repository.allowances import Allowances
from services.notify.repository.deliveries import Deliveries
from services.notify.repository.devices import Devices
from services.notify.repository.fanouts import Fanouts
from services.notify.repository.inbox import Inbox
from services.notify.repository.ledger import Ledger
from services.notify.repository.preferences import PreferencesOfUsers
from services.notify.repository.webhooks import Webhooks
from services.notify.repository.withdrawals import Withdrawals


def open_store(connection: Connection) -> Store:
    """The repositories of one connection."""
    return Store(
        ledger=Ledger(connection),
        inbox=Inbox(connection),
        fanouts=Fanouts(connection),
        preferences=PreferencesOfUsers(connection),
        withdrawals=Withdrawals(connection),
        devices=Devices(connection),
        deliveries=Deliveries(connection),
        webhooks=Webhooks(connection),
        allowances=Allowances(connection),
    )
