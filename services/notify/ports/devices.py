"""Where users are reached beside the app."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notify.domain.device import Device


class DeviceStore(Protocol):
    """The devices, written inside one transaction."""

    async def lock(self, device: Device) -> None:
        """Wait for other registrations of the same user, and of the same address; keep them waiting until the end."""

    async def remove_other(self, device: Device) -> UUID | None:
        """Remove the device that has the address under another id; its id. None where there is none."""

    async def put(self, device: Device) -> datetime | None:
        """Register it, or replace what is registered under its id and lead there what is on its way; since when it is
        registered. None where the id is another user's."""

    async def count(self, user_id: UUID) -> int:
        """How many the user has."""

    async def remove(self, device_id: UUID, user_id: UUID) -> bool:
        """Remove it; False where the user has none of this id."""
