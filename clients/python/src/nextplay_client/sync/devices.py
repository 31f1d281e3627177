"""Browsers and phones that pushes are sent to.

Made of aio/devices.py by generate/make_sync.py, not by hand.
"""

import builtins

from nextplay_client.aio.devices import AsyncDevices
from nextplay_client.loop_thread import LoopThread
from nextplay_client.types import Device


class Devices:
    """`client.devices`."""

    def __init__(self, thread: LoopThread, served: AsyncDevices) -> None:
        self._thread = thread
        self._served = served

    def list(self) -> builtins.list[Device]:
        """Own devices, latest first; at most 20."""
        return self._thread.run(self._served.list())

    def register_browser(self, device_id: str, *, endpoint: str, p256dh: str, auth: str) -> Device:
        """Register a browser's subscription, as `PushSubscription.toJSON()` gives it, or replace what has this id."""
        return self._thread.run(self._served.register_browser(device_id, endpoint=endpoint, p256dh=p256dh, auth=auth))

    def register_fcm(self, device_id: str, *, token: str) -> Device:
        """Register an app that Firebase Cloud Messaging reaches, or replace what has this id."""
        return self._thread.run(self._served.register_fcm(device_id, token=token))

    def register_apns(self, device_id: str, *, token: str) -> Device:
        """Register an app that Apple's push service reaches, or replace what has this id."""
        return self._thread.run(self._served.register_apns(device_id, token=token))

    def remove(self, device_id: str) -> None:
        """Remove a device; what was on its way to it is cancelled. Safe to repeat."""
        self._thread.run(self._served.remove(device_id))

    def web_push_key(self) -> str:
        """The key that a browser subscribes with: `applicationServerKey`."""
        return self._thread.run(self._served.web_push_key())
