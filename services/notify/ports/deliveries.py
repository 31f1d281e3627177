"""What is on its way to devices, and the vendors that bring it there."""

from collections.abc import Collection, Sequence
from typing import Protocol

from services.notify.domain.delivery import Delivery, Outcome, Push, Wait
from services.notify.domain.device import Address
from services.notify.domain.turns import Rooms


class DeliveryStore(Protocol):
    """The deliveries, read and written inside one transaction."""

    async def claim(
        self, vendor: str, owner: str, seconds: float, rooms: Rooms, place: str
    ) -> tuple[Sequence[Delivery], str]:
        """Lease what is due for the vendor, the most urgent first, and no more than there is room for. Looks at 200
        hosts from `place` on, "" for the first, and tells the host with which to go on: "" where it has seen the last
        one."""

    async def prepare(self, delivery: Delivery) -> Push | Wait | None:
        """What to send, which takes the device's turn; Wait where it has none now, which puts off what else is due for
        it, or is another vendor's by now. None where nothing is to be sent any more: the delivery was cancelled or is
        not ours; or its device or notification was removed or its user switched its kind off there, and it ends."""

    async def hold(self, delivery: Delivery) -> bool:
        """Whether the claim is still good; locks the row, so that it stays so until the transaction ends."""

    async def end(self, delivery: Delivery, status: str, code: str | None) -> None:
        """Write down how it ended: DELIVERED or FAILED, and why it failed."""

    async def postpone(self, delivery: Delivery, seconds: float, code: str | None) -> None:
        """Give the claim back after a failure, due again in `seconds`."""

    async def give_back(self, delivery: Delivery, seconds: float) -> None:
        """Give the claim back without an attempt, due again in `seconds`."""

    async def remove_device(self, delivery: Delivery, address: Address) -> bool:
        """Remove the delivery's device if it still has this address; False where it has another one by now, or was
        removed before."""

    async def waited_for(self, vendors: Collection[str]) -> Sequence[str]:
        """Those of the vendors for which something is pending."""

    async def refuse(self, vendor: str, code: str, limit: int) -> int:
        """Fail up to `limit` of what is pending for the vendor, whoever has claimed it; how many they were."""

    async def expire(self, limit: int) -> int:
        """Fail up to `limit` that have waited for more than a day; how many they were."""

    async def delete_ended_before(self, days: int, limit: int) -> int:
        """Delete up to `limit` that ended and were written more than `days` days ago; how many they were."""


class Channel(Protocol):
    """A vendor that brings messages to devices."""

    async def deliver(self, push: Push) -> Outcome:
        """Hand the message over and say how it went. Ends within 25 s, whatever the vendor does, and raises nothing
        that the vendor could cause. A copy of the same message replaces the earlier one on the device."""
