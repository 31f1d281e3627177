"""Uses of allowances in PostgreSQL."""

from uuid import UUID

from chassis import queries
from chassis.postgres import Connection
from services.notify.domain.allowances import Allowance

QUERIES = queries.load("services.notify.queries", "allowances.sql")


class Allowances:
    """Implements `ports.allowances.AllowanceStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def use(self, subject_id: UUID, allowance: Allowance) -> float | None:
        values = subject_id, allowance.name, allowance.every_seconds, allowance.ahead_seconds
        wait_seconds: float | None = await self._connection.fetchval(QUERIES["use_allowance"], *values)
        return wait_seconds

    async def forget(self, limit: int) -> int:
        return int((await self._connection.execute(QUERIES["forget_uses"], limit)).split()[-1])
