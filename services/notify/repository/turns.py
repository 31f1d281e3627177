"""Claims in turns between hosts and users, on the tables of deliveries."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Record

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from services.notify.domain.turns import Found, Rooms

QUERIES = queries.load("services.notify.queries", "claims.sql")

HOSTS_LOOKED_AT, USERS_LOOKED_AT = 200, 100
"""In one claim, and at each host."""


@dataclass(frozen=True)
class InTurns:
    """The claims on a table: which of its rows are of the channel ($13), and which as urgent as `urgencies.priority`.
    SQL of ours, never input."""

    leases: Leases
    channel: str
    urgent: str

    @property
    def find_due(self) -> str:
        """The query that finds what there is room for."""
        return QUERIES["find_due"].format(table=self.leases.table, channel=self.channel, urgent=self.urgent)

    async def claim(
        self,
        connection: Connection,
        owner: str,
        seconds: float,
        rooms: Rooms,
        place: str,
        priorities: Sequence[int],
        *channel: str,
    ) -> tuple[Sequence[Record], str]:
        """Lease what there is room for, from the host `place` on, "" for the first; whole rows, and the host with which
        to go on, "" where the last one was reached."""
        of_hosts = rooms.per_host, list(rooms.hosts), list(rooms.hosts.values())
        of_users = rooms.per_user, list(rooms.users), list(rooms.users.values())
        looked_at = place, HOSTS_LOOKED_AT, rooms.in_all
        first_user = random.randrange(-(2**31), 2**31)  # noqa: S311 - for fairness alone
        await connection.execute(QUERIES["go_by_index"])
        rows = await connection.fetch(
            self.find_due, *looked_at, *of_hosts, *of_users, first_user, USERS_LOOKED_AT, list(priorities), *channel
        )
        found = [Found(row["delivery_id"], row["host"], row["user_id"]) for row in rows if row["delivery_id"]]
        fitting = rooms.fit(found)
        claimed = await self.leases.claim_these(connection, owner, seconds, fitting) if fitting else []
        return claimed, found[-1].host if len(found) == rooms.in_all else rows[0]["place"]
