"""Where the caller is reached beside the app."""

from dataclasses import dataclass
from typing import Any

from chassis.auth import current_user
from chassis.postgres import Pool
from chassis.validation import parse_uuid
from nextplay.notify.v1.devices_service_pb2 import (
    GetWebPushKeyRequest,
    GetWebPushKeyResponse,
    ListDevicesRequest,
    ListDevicesResponse,
    RegisterDeviceRequest,
    RegisterDeviceResponse,
    RemoveDeviceRequest,
    RemoveDeviceResponse,
)
from nextplay.notify.v1.devices_service_pb2_grpc import DeviceServiceServicer
from services.notify.domain.allowances import DEVICE_REGISTRATIONS
from services.notify.domain.device import WebPushOff
from services.notify.mapping import devices as mapping
from services.notify.ports import Begin
from services.notify.ports.hosts import HostOf
from services.notify.reads import devices as reads
from services.notify.usecases import allowances
from services.notify.usecases import devices as usecases


@dataclass(frozen=True)
class Devices(DeviceServiceServicer):
    """Registers, lists and removes the caller's devices; `web_push_key` is empty where Web Push is off."""

    pool: Pool
    begin: Begin
    host_of: HostOf
    web_push_key: str

    async def RegisterDevice(self, request: RegisterDeviceRequest, context: Any) -> RegisterDeviceResponse:
        user_id = current_user().user_id
        async with self.begin() as tx:
            # Before the DNS is asked, and whatever comes of it.
            await allowances.use(tx, user_id, DEVICE_REGISTRATIONS)
        device = await mapping.device(request, user_id, self.host_of)
        return mapping.registered(device, await usecases.register_device(self.begin, device))

    async def ListDevices(self, request: ListDevicesRequest, context: Any) -> ListDevicesResponse:
        return mapping.listed(await reads.list_devices(self.pool, current_user().user_id))

    async def RemoveDevice(self, request: RemoveDeviceRequest, context: Any) -> RemoveDeviceResponse:
        device_id = parse_uuid("device_id", request.device_id)
        await usecases.remove_device(self.begin, device_id, current_user().user_id)
        return RemoveDeviceResponse()

    async def GetWebPushKey(self, request: GetWebPushKeyRequest, context: Any) -> GetWebPushKeyResponse:
        if not self.web_push_key:
            raise WebPushOff
        return GetWebPushKeyResponse(public_key=self.web_push_key)
