"""Where users are reached beside the app."""

from datetime import datetime
from uuid import UUID

from chassis import telemetry
from services.notify.domain.device import MAX_DEVICES, Device, DeviceNotFound, TooManyDevices
from services.notify.domain.withdrawal import of_device
from services.notify.ports import Begin
from services.notify.usecases.withdrawals import withdraw

log = telemetry.logger(__name__)


async def register_device(begin: Begin, device: Device) -> datetime:
    """Register or replace the device; since when it is registered.

    Whoever had the address under another id has it no more. Raises DeviceNotFound where the id is another user's, and
    TooManyDevices.
    """
    async with begin() as tx:
        await tx.store.devices.lock(device)
        other = await tx.store.devices.remove_other(device)
        if other:
            await withdraw(tx, of_device(other, "removed"))
        registered_at = await tx.store.devices.put(device)
        if registered_at is None:
            raise DeviceNotFound
        if await tx.store.devices.count(device.user_id) > MAX_DEVICES:
            raise TooManyDevices
    address = device.address
    log.info(
        "device_registered",
        user_id=device.user_id,
        device_id=device.device_id,
        vendor=address.vendor,
        host=address.host,
        moved=other is not None,
    )
    return registered_at


async def remove_device(begin: Begin, device_id: UUID, user_id: UUID) -> None:
    """Remove the user's device, if there is one of this id, and cancel what is on its way there."""
    async with begin() as tx:
        removed = await tx.store.devices.remove(device_id, user_id)
        if removed:
            await withdraw(tx, of_device(device_id, "removed"))
    if removed:
        log.info("device_removed", user_id=user_id, device_id=device_id)
