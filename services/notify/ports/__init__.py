"""What the use cases need from outside, as Protocols; the adapters are `repository` and `followers`."""

from dataclasses import dataclass
from typing import TypeAlias

from chassis import transaction
from services.notify.ports.allowances import AllowanceStore
from services.notify.ports.deliveries import DeliveryStore
from services.notify.ports.devices import DeviceStore
from services.notify.ports.fanouts import FanoutStore
from services.notify.ports.inbox import InboxStore
from services.notify.ports.ledger import LedgerStore
from services.notify.ports.preferences import PreferenceStore
from services.notify.ports.webhooks import WebhookStore
from services.notify.ports.withdrawals import WithdrawalStore


@dataclass(frozen=True)
class Store:
    """The tables of notify, by subject, bound to one connection."""

    ledger: LedgerStore
    inbox: InboxStore
    fanouts: FanoutStore
    preferences: PreferenceStore
    withdrawals: WithdrawalStore
    devices: DeviceStore
    deliveries: DeliveryStore
    webhooks: WebhookStore
    allowances: AllowanceStore


Tx: TypeAlias = transaction.Tx[Store]
Begin: TypeAlias = transaction.Begin[Store]
