"""How deliveries are getting on."""

from collections.abc import Mapping

from chassis import queries
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.notify.queries", "deliveries.sql")


async def oldest_pending(pool: Pool) -> Mapping[str, float]:
    """For how many seconds the oldest delivery of each vendor has been waiting; 0 where none is."""
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["oldest_pending"])
    return {row["vendor"]: row["seconds"] for row in rows}
