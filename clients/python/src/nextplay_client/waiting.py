"""Waiting for a video: server-sent events, and polling where they do not get through."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import cast

import httpx
from httpx_sse import ServerSentEvent

from nextplay_client.errors import ApiError, StillWaiting, VideoNotReady
from nextplay_client.gateway import Gateway, passing
from nextplay_client.types import Status

GOOD_ENDS = frozenset({"READY", "PUBLISHED"})
BAD_ENDS = frozenset({"REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED", "DELETED"})
POLL_SECONDS = 2.0
FIRST_SILENCE_SECONDS, SILENCE_SECONDS = 4.0, 30.0
"""A stream begins with the present status; later it may have nothing to tell for long."""


async def statuses(gateway: Gateway, video_id: str, after: int | None) -> AsyncIterator[Status]:
    """The status as it changes, until it changes no more without the owner. Raises ApiError and Unreachable."""
    told: Status | None = None
    while True:
        seen = told["sequence"] if told else after
        try:
            async with AsyncExitStack() as opened:
                # What holds a stream back may hold back its beginning, too.
                async with asyncio.timeout(FIRST_SILENCE_SECONDS):
                    stream = gateway.events(f"/v1/videos/{video_id}/events", seen)
                    events = await opened.enter_async_context(stream)
                if events is None:
                    return
                async for status in _told(gateway, video_id, events, is_new=told is None):
                    if status != told:
                        told = status
                        yield status
        except (httpx.TransportError, TimeoutError, ApiError) as error:
            if not passing(error):
                raise
            status = await _polled(gateway, video_id)
            if status != told:
                told = status
                yield status
        if told is not None and told["status"] in BAD_ENDS | {"PUBLISHED"}:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _told(
    gateway: Gateway, video_id: str, events: AsyncIterator[ServerSentEvent], *, is_new: bool
) -> AsyncIterator[Status]:
    """What a stream tells; while it is silent for long, as where something holds it back, what a poll tells."""
    silence = FIRST_SILENCE_SECONDS if is_new else SILENCE_SECONDS
    coming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait([coming], timeout=silence)
            if not coming.done():
                yield await _polled(gateway, video_id)
                continue
            event = coming.result()
            if event is None:
                return
            if event.event != "error" and event.data:
                yield cast(Status, json.loads(event.data))
                silence = SILENCE_SECONDS
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        coming.cancel()


async def _polled(gateway: Gateway, video_id: str) -> Status:
    return cast(Status, await gateway.get(f"/v1/videos/{video_id}/status"))


async def until_ready(
    gateway: Gateway, video_id: str, timeout_seconds: float, on_status: Callable[[Status], None] | None
) -> Status:
    """The status with which a video is READY or PUBLISHED. Raises VideoNotReady and StillWaiting."""
    deadline = time.monotonic() + timeout_seconds
    try:
        async with asyncio.timeout(timeout_seconds):
            async for status in statuses(gateway, video_id, None):
                if on_status:
                    on_status(status)
                if status["status"] in GOOD_ENDS:
                    return status
                if status["status"] in BAD_ENDS or (status["status"] == "DRAFT" and "reason" in status):
                    raise VideoNotReady(status)
    except TimeoutError:
        if time.monotonic() < deadline:
            raise
    raise StillWaiting(f"The video {video_id} was not ready within {timeout_seconds:.0f} s; it goes on without us.")
