"""What the tests of deliveries to devices do over and over."""

from uuid import UUID

from push_receivers import Vendored

from chassis.clock import new_id
from chassis.postgres import Pool
from services.notify.delivering import claiming, deliver_one
from services.notify.domain.delivery import Delivered, Delivery, Outcome, Push
from services.notify.domain.device import Address, Device, PushKeys, Vendor
from services.notify.domain.turns import Turns
from services.notify.ports import Begin
from services.notify.ports.deliveries import Channel
from services.notify.usecases import devices
from services.notify.usecases.deliveries import way_to_devices

WEB_PUSH = "web_push"


class Scripted:
    """A channel that answers by the host, and notes what it was asked."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.pushes: list[Push] = []

    async def deliver(self, push: Push) -> Outcome:
        self.pushes.append(push)
        return self.outcomes.get(push.address.host, Delivered())


def turns_for(most: int, *, per_host: int | None = None, per_user: int | None = None) -> Turns:
    """Room for so many, which one host and one user may take unless told otherwise."""
    return Turns(in_all=most, per_host=per_host or most, per_user=per_user or most)


async def register(begin: Begin, host: str, address: Address | None = None, user_id: UUID | None = None) -> Device:
    device = Device(new_id(), user_id or new_id(), address or an_address(host))
    await devices.register_device(begin, device)
    return device


def an_address(host: str) -> Address:
    return Address(Vendor.WEB_PUSH, f"https://{host}/{new_id()}", host, PushKeys("", ""))


def an_endpoint(world: Vendored) -> Address:
    """Another subscription of the same browser."""
    address = world.address
    return Address(address.vendor, f"{address.value}?{new_id()}", address.host, address.keys)


async def send_to(pool: Pool, device: Device, count: int = 1, priority: int = 0) -> list[UUID]:
    """Notifications to the device's user, each with a delivery that is due; the ids of the deliveries."""
    ids = []
    for _ in range(count):
        delivery_id, notification_id, video_id = new_id(), new_id(), new_id()
        await pool.execute(
            """
            INSERT INTO notifications (
                notification_id, user_id, kind, subject, title, body, video_id, actor_user_id
            ) VALUES ($1, $2, 'video_ready', $3::uuid::text, 'Title', 'Body', $3, $2)
            """,
            notification_id,
            device.user_id,
            video_id,
        )
        await pool.execute(
            """
            INSERT INTO deliveries (
                delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host, priority
            ) VALUES ($1, $2, $3, 'video_ready', $4, $3, $5, $6, $7, $8)
            """,
            delivery_id,
            notification_id,
            device.user_id,
            video_id,
            device.device_id,
            device.address.vendor,
            device.address.host,
            priority,
        )
        ids.append(delivery_id)
    return ids


async def claim(begin: Begin, turns: Turns, vendor: str = WEB_PUSH) -> list[Delivery]:
    """What there is room for now."""
    return list(await claiming(way_to_devices(begin, vendor, "test", Scripted()), turns)())


async def deliver(begin: Begin, turns: Turns, channel: Channel, delivery: Delivery) -> None:
    """One attempt at a claimed delivery."""
    await deliver_one(way_to_devices(begin, delivery.vendor, "test", channel), turns, delivery)


async def attempt(begin: Begin, turns: Turns, channel: Channel) -> int:
    """One attempt at all that may be sent now; how many they were."""
    claimed = await claim(begin, turns)
    for delivery in claimed:
        await deliver(begin, turns, channel, delivery)
    return len(claimed)


async def state(pool: Pool, delivery_id: UUID) -> tuple[str, str | None, int]:
    """Status, last error and attempts."""
    row = await pool.fetchrow("SELECT status, last_error, attempts FROM deliveries WHERE delivery_id = $1", delivery_id)
    assert row
    return row["status"], row["last_error"], row["attempts"]


async def make_due(pool: Pool) -> None:
    """Let time pass until everything may be tried again."""
    await pool.execute("UPDATE deliveries SET next_at = now(), lease_until = least(lease_until, now())")
    await pool.execute("UPDATE devices SET next_push_at = now()")
