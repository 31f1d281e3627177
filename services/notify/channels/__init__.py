"""The vendors that bring messages to devices, one file each; `asking` is what their answers have in common."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from services.notify.channels.apns import Apns, ProviderKey
from services.notify.channels.asking import ANSWER_SECONDS
from services.notify.channels.fcm import Fcm, ServiceAccount
from services.notify.channels.web_push import Vapid, WebPush
from services.notify.domain.device import Vendor
from services.notify.ports.deliveries import Channel


@asynccontextmanager
async def open_channels(
    checked: httpx.AsyncClient,
    vapid: Vapid | None,
    account: ServiceAccount | None,
    fcm: str,
    key: ProviderKey | None,
    apns: str,
) -> AsyncIterator[Mapping[Vendor, Channel]]:
    """A channel for every vendor that has its key; the others are off. `checked` connects to checked addresses only,
    and is for those that users gave us; `fcm` and `apns` are the URLs of the two others."""
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as to_google,
        # Apple speaks nothing but HTTP/2.
        httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, http1=False, http2=True) as to_apple,
    ):
        channels: dict[Vendor, Channel] = {}
        if vapid:
            channels[Vendor.WEB_PUSH] = WebPush(checked, vapid)
        if account:
            channels[Vendor.FCM] = Fcm(to_google, account, fcm)
        if key:
            channels[Vendor.APNS] = Apns(to_apple, key, apns)
        yield channels
