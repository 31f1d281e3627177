"""The commands that every context has: about dead letters, the outbox, and what operators did."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict

from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from chassis import queries
from chassis.errors import Failure, Kind
from chassis.events import header_text
from chassis.postgres import acquire
from chassis.settings import ObjectStoreSettings
from operating.desk import Arguments, Change, Desk, Group, Look, Row, Rows
from operating.letters import Decision

QUERIES = queries.load("operating")

PRIVATE = {"title"}
"""Fields of events that people wrote; nobody needs them to decide."""


class NotThere(Failure, kind=Kind.NOT_FOUND, code="NOT_THERE", next_action="List them, and name one of these."):
    """There is no such thing in this context."""


def matching(parser: ArgumentParser) -> None:
    parser.add_argument("--matching", default="", metavar="TEXT", help="only those whose reason contains this")


def lately(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=60.0, help="how far back (%(default)g)")


async def list_letters(desk: Desk, asked: Namespace) -> Rows:
    rows = [asdict(letter) for letter, _ in await desk.letters.read() if asked.matching in letter.reason]
    ids = getattr(asked, "ids", None)
    return [row for row in rows if not ids or row["id"] in ids][: asked.limit + 1]


async def list_whole_letters(desk: Desk, asked: Namespace) -> Rows:
    """Without those whose value was too large to be kept: there is nothing to publish."""
    return [row for row in await list_letters(desk, asked) if not row["left_out"]]


async def show_letter(desk: Desk, asked: Namespace) -> Row:
    for letter, record in await desk.letters.read():
        if letter.id == asked.id:
            return asdict(letter) | {
                "headers": header_text(record.headers),
                "event": _readable(letter.event_type, record.value or b""),
            }
    raise NotThere(f"There is no open dead letter {asked.id}.")


async def replay(desk: Desk, row: Row, reason: str) -> bool:
    return await _decide(desk, row, "retried")


async def drop(desk: Desk, row: Row, reason: str) -> bool:
    return await _decide(desk, row, "dropped")


async def _decide(desk: Desk, row: Row, decision: Decision) -> bool:
    """Kafka has no way to decide only if nobody else has, so operators take turns at a letter by PostgreSQL."""
    async with acquire(desk.pool) as connection:
        if not await connection.fetchval(QUERIES["take_letter"], row["id"]):
            return False
        try:
            return await desk.letters.close(row["id"], decision)
        finally:
            await connection.execute(QUERIES["give_letter_back"], row["id"])


async def lag(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["outbox_lag"])


async def list_set_aside(desk: Desk, asked: Namespace) -> Rows:
    ids = getattr(asked, "ids", None) or None
    return await desk.fetch(QUERIES["list_set_aside"], ids, asked.matching, asked.limit + 1)


async def show_event(desk: Desk, asked: Namespace) -> Row:
    rows = await desk.fetch(QUERIES["find_outbox_row"], asked.id)
    if not rows:
        raise NotThere(f"The outbox has no row {asked.id}: it was sent, or never was.")
    data = rows[0].pop("data")
    return {**rows[0], "event": _readable(rows[0]["headers"]["ce_type"], data), "bytes": len(data)}


async def send_again(desk: Desk, row: Row, reason: str) -> bool:
    return bool(await desk.fetch(QUERIES["retry_set_aside"], row["id"]))


async def drop_event(desk: Desk, row: Row, reason: str) -> bool:
    return bool(await desk.fetch(QUERIES["drop_set_aside"], row["id"]))


async def list_actions(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["list_operator_actions"], asked.limit + 1)


def _readable(event_type: str, data: bytes) -> Row:
    """An event as JSON says it, without what people wrote; of an unknown or undecodable one why it is not told."""
    try:
        event = GetMessageClass(Default().FindMessageTypeByName(event_type)).FromString(data)
    except (KeyError, DecodeError) as error:
        return {"not_decoded": f"{type(error).__name__}: {error}"}
    fields = MessageToDict(event, preserving_proto_field_name=True)
    return {name: "(left out)" if name in PRIVATE else value for name, value in fields.items()}


def one(kind: Callable[[str], object], what: str) -> Arguments:
    """The argument of a command that is about one thing."""
    return lambda parser: parser.add_argument("id", type=kind, metavar="ID", help=what)


def known(desk: Desk, what: str, **found: Rows) -> dict[str, Rows]:
    """What was found of it, unless all of that is empty. Raises NotThere."""
    if not any(found.values()):
        raise NotThere(f"{desk.context.capitalize()} knows nothing of {what}.")
    return found


async def events_waiting(desk: Desk, key: object, limit: int) -> Rows:
    """The first events about something that are committed and not in Kafka yet."""
    return await desk.fetch(QUERIES["list_outbox_of_key"], str(key), limit)


async def objects_below(settings: ObjectStoreSettings, prefix: str, limit: int) -> Rows:
    """The first objects below a prefix. Raises Unavailable."""
    # Here, because the client of S3 is 17 MB that a service without a bucket need not have.
    from chassis.object_store import call, open_object_store

    async with open_object_store(settings) as store, call():
        reply = await store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, MaxKeys=limit)
    return [
        {"key": one["Key"], "size_bytes": one["Size"], "stored_at": one["LastModified"]}
        for one in reply.get("Contents", [])
    ]


SHARED = {
    "dead-letters": Group(
        "events that could not be applied",
        {
            "list": Look("list the open ones, the oldest first", list_letters, matching),
            "show": Look("show one: why, its headers, the event; titles left out", show_letter, one(str, "the letter")),
            "replay": Change(
                "publish them to their topic again; who applied them before knows them by their ids",
                list_whole_letters,
                replay,
                matching,
            ),
            "drop": Change("close them without applying, for good", list_letters, drop, matching),
        },
    ),
    "outbox": Group(
        "events that have not reached Kafka",
        {
            "lag": Look("show how many wait by topic (of 100,000), for how long, how many set aside", lag),
            "list": Look("list those that Kafka refused and that were set aside", list_set_aside, matching),
            "show": Look("show one, set aside or not; titles left out", show_event, one(int, "the row")),
            "retry": Change("let the relay send them again now", list_set_aside, send_again, matching),
            "drop": Change("delete them: nobody will ever hear of them", list_set_aside, drop_event, matching),
        },
    ),
    "actions": Group(
        "what operators did by these commands", {"list": Look("list them, the latest first", list_actions)}
    ),
}
