"""How deliveries are getting on."""

from collections.abc import Mapping, Sequence

from chassis import queries
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.notify.queries", "deliveries.sql")

COUNTED = 10_000
"""What waits for a host is counted up to this."""


async def oldest_pending(pool: Pool) -> Mapping[str, float]:
    """For how many seconds the oldest delivery of each channel has been waiting; 0 where none is."""
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["oldest_pending"])
    return {row["channel"]: row["seconds"] for row in rows}


async def count_waiting(pool: Pool, hosts: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """How many deliveries are pending for each channel and host, 10,000 where there are more."""
    asked = [channel for channel, _ in hosts], [host for _, host in hosts]
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["count_waiting"], *asked, COUNTED)
    return {(row["channel"], row["host"]): row["number"] for row in rows}
