"""What the tests of notify's ledger, preferences and stream do over and over."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from google.protobuf.message import Message

from chassis.consumer import apply_once
from chassis.events import describe
from chassis.paging import START
from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished, VideoStatusChanged
from nextplay.catalog.v1.video_pb2 import Reason, Video
from services.notify.consumers import HANDLERS
from services.notify.domain.fanout import Fanout
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.reads.inbox import InboxEntry, list_notifications
from services.notify.usecases import fanouts

OWNER = uuid4()


async def apply(begin: Begin, *events: Message, shift: timedelta = timedelta()) -> None:
    """Apply the events in this order, as if they had been made `shift` from now."""
    for event in events:
        meta = describe(event)
        meta = type(meta)(meta.id, meta.type, meta.source, meta.time + shift)
        await apply_once(begin, "notify", meta, event, HANDLERS[type(event)])


def came_to(
    status: str, *, generation: int = 1, video_id: UUID | None = None, owner: UUID = OWNER
) -> VideoStatusChanged:
    reason = Reason(code="CODEC_UNSUPPORTED", message="The codec is vp9.", stage="probe", next_action="Convert it.")
    return VideoStatusChanged(
        video_id=str(video_id or uuid4()),
        user_id=str(owner),
        to_status=Video.Status.Value(status),
        generation=generation,
        reason=None if status == "READY" else reason,
        title="My dog",
    )


def published(
    video_id: UUID, *, visibility: str = "public", notify_followers: bool = True, author: UUID = OWNER
) -> VideoPublished:
    return VideoPublished(
        video_id=str(video_id),
        user_id=str(author),
        visibility=Video.Visibility.Value(visibility),
        notify_followers=notify_followers,
        title="My dog",
    )


async def inbox(pool: Pool, user_id: UUID) -> Sequence[InboxEntry]:
    entries, *_ = await list_notifications(pool, user_id, START, 100, unread_only=False)
    return entries


async def told(pool: Pool, users: Sequence[UUID]) -> list[int]:
    """How many notifications each user has."""
    return [len(await inbox(pool, user)) for user in users]


async def claimed(begin: Begin) -> Fanout:
    (fanout,) = await fanouts.claim_fanouts(begin, "test")
    return fanout


async def finish(begin: Begin, followers: FakeFollowers) -> None:
    """Do the pages that are due, one after the other, until none is left."""
    while due := await fanouts.claim_fanouts(begin, "test"):
        for fanout in due:
            await fanouts.tell_followers(begin, followers, fanout)


async def end_leases(pool: Pool) -> None:
    """Let time pass until the leases of killed workers have ended."""
    await pool.execute("UPDATE fanouts SET lease_until = now(), next_at = now()")


async def add_device(pool: Pool, user_id: UUID, vendor: str) -> UUID:
    """A device that the user has registered."""
    device_id = uuid4()
    await pool.execute(
        "INSERT INTO devices (device_id, user_id, vendor, address, host) VALUES ($1, $2, $3, $4, 'push.example.com')",
        device_id,
        user_id,
        vendor,
        f"https://push.example.com/{device_id}",
    )
    return device_id


async def deliveries(pool: Pool, user_id: UUID) -> Sequence[tuple[str, str, int, str]]:
    """Kind, vendor, priority and status of all that was to be delivered to the user."""
    rows = await pool.fetch(
        "SELECT kind, vendor, priority, status FROM deliveries WHERE user_id = $1 ORDER BY kind, vendor", user_id
    )
    return [(row["kind"], row["vendor"], row["priority"], row["status"]) for row in rows]
