"""Devices in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.postgres import Connection
from services.notify.domain.device import Device

QUERIES = queries.load("services.notify.queries", "devices.sql")


class Devices:
    """Implements `ports.devices.DeviceStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, device: Device) -> None:
        address = device.address
        await self._connection.execute(
            QUERIES["lock_registrations"], str(device.user_id), f"{address.vendor} {address.value}"
        )

    async def remove_other(self, device: Device) -> UUID | None:
        address = device.address
        values = device.device_id, address.vendor, address.value
        removed: UUID | None = await self._connection.fetchval(QUERIES["remove_other"], *values)
        return removed

    async def put(self, device: Device) -> datetime | None:
        address, keys = device.address, device.address.keys
        registered_at: datetime | None = await self._connection.fetchval(
            QUERIES["put_device"],
            device.device_id,
            device.user_id,
            address.vendor,
            address.value,
            address.host,
            {"p256dh": keys.p256dh, "auth": keys.auth} if keys else {},
        )
        if registered_at:
            await self._connection.execute(
                QUERIES["redirect_deliveries"], device.device_id, address.vendor, address.host
            )
        return registered_at

    async def count(self, user_id: UUID) -> int:
        number: int = await self._connection.fetchval(QUERIES["count_devices"], user_id)
        return number

    async def remove(self, device_id: UUID, user_id: UUID) -> bool:
        return await self._connection.fetchval(QUERIES["remove_device"], device_id, user_id) is not None
