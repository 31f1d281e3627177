"""Browsers and phones that pushes are sent to."""

import builtins
from typing import cast

from nextplay_client.gateway import Gateway
from nextplay_client.types import Device


class AsyncDevices:
    """`client.devices`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self) -> builtins.list[Device]:
        """Own devices, latest first; at most 20."""
        return cast(builtins.list[Device], (await self._gateway.get("/v1/devices"))["devices"])

    async def register_browser(self, device_id: str, *, endpoint: str, p256dh: str, auth: str) -> Device:
        """Register a browser's subscription, as `PushSubscription.toJSON()` gives it, or replace what has this id."""
        return await self._register(device_id, web_push={"endpoint": endpoint, "p256dh": p256dh, "auth": auth})

    async def register_fcm(self, device_id: str, *, token: str) -> Device:
        """Register an app that Firebase Cloud Messaging reaches, or replace what has this id."""
        return await self._register(device_id, fcm={"token": token})

    async def register_apns(self, device_id: str, *, token: str) -> Device:
        """Register an app that Apple's push service reaches, or replace what has this id."""
        return await self._register(device_id, apns={"token": token})

    async def remove(self, device_id: str) -> None:
        """Remove a device; what was on its way to it is cancelled. Safe to repeat."""
        await self._gateway.delete(f"/v1/devices/{device_id}")

    async def web_push_key(self) -> str:
        """The key that a browser subscribes with: `applicationServerKey`."""
        return cast(str, (await self._gateway.get("/v1/devices/web-push-key"))["public_key"])

    async def _register(self, device_id: str, **address: object) -> Device:
        return cast(Device, (await self._gateway.put(f"/v1/devices/{device_id}", **address))["device"])
