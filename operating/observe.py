"""Tells how much waits in an outbox, for the alarm on it."""

import asyncio

from chassis import queries, telemetry
from chassis.errors import Unavailable
from chassis.metrics import OUTBOX_AGE, OUTBOX_EVENTS
from chassis.postgres import Pool, acquire

QUERIES = queries.load("operating")

log = telemetry.logger(__name__)


async def observe_outbox(pool: Pool, schema: str, *, seconds: float = 5.0) -> None:
    """Look into the outbox of `schema` until cancelled, in every instance: who relays may hang, and who relayed once
    must not tell what it saw then."""
    while True:
        try:
            async with acquire(pool) as connection:
                (seen,) = await connection.fetch(QUERIES["observe_outbox"])
            OUTBOX_AGE.set(seen["age"], {"schema": schema})
            for state in ("unsent", "set_aside"):
                OUTBOX_EVENTS.set(seen[state], {"schema": schema, "state": state})
        except Unavailable as error:
            log.warning("outbox_not_observed", schema=schema, reason=str(error))
        await asyncio.sleep(seconds)
