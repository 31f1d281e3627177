"""One transaction of a use case: the state and the events about it commit together or not at all.

    async with begin() as tx:
        upload = await tx.store.lock_upload(upload_id, user_id)
        await tx.store.save(upload.complete(...))
        tx.emit(UploadCompleted(...))

No S3, gRPC or other I/O inside: the transaction holds row locks and one of 20 connections.
Lock the aggregate's row before emitting about it: that, and nothing else, makes the outbox order of one key the order
of its changes.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from chassis import events, queries, tracing
from chassis.events import EventMeta
from chassis.postgres import Connection, Pool, acquire

QUERIES = queries.load("chassis")

S_co = TypeVar("S_co", covariant=True)


class Tx(Generic[S_co]):
    """An open transaction: its connection, the service's repository bound to it, and the events emitted so far."""

    def __init__(self, connection: Connection, store: S_co) -> None:
        self.connection = connection
        self.store = store
        self._emitted: list[tuple[str, str, dict[str, str], bytes]] = []

    def emit(self, event: Message) -> EventMeta:
        """Write the event with this transaction; it is delivered at least once, after commit, in order per key.

        Returns its meta, for who hands the same event over on a second way (`DeliverEvent`).
        """
        meta = events.describe(event)
        tracing.about(event)
        self._emitted.append(events.encode(event, meta))
        return meta

    async def write_outbox(self) -> bool:
        """Insert what was emitted, in order; True if there was something. `transactions` calls it before commit."""
        if not self._emitted:
            return False
        await self.connection.execute(QUERIES["insert_outbox"], *zip(*self._emitted, strict=True))
        return True


Begin: TypeAlias = Callable[[], AbstractAsyncContextManager[Tx[S_co]]]


def transactions(pool: Pool, store: Callable[[Connection], S_co], wake: Callable[[], None]) -> Begin[S_co]:
    """The `begin` of a service: READ COMMITTED, committed when the block ends, rolled back when it raises.

    `store` makes the repository of a connection; `wake` is called after a commit that wrote events (the relay's
    `asyncio.Event.set`). Entering and leaving raise Unavailable when the database is away; when that happens at commit
    the outcome is unknown, so commands are written to be repeatable.
    """

    @asynccontextmanager
    async def begin() -> AsyncIterator[Tx[S_co]]:
        async with acquire(pool) as connection:
            async with connection.transaction():
                tx = Tx(connection, store(connection))
                yield tx
                emitted = await tx.write_outbox()
            if emitted:
                wake()

    return begin
