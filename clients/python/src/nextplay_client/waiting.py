"""Waiting for a video: server-sent events, and polling where they do not get through."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from nextplay_client.errors import ApiError, StillWaiting, VideoNotReady
from nextplay_client.gateway import Gateway, passing
from nextplay_client.types import Status

GOOD_ENDS = frozenset({"READY", "PUBLISHED"})
BAD_ENDS = frozenset({"REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED", "DELETED"})
POLL_SECONDS = 2.0


async def statuses(gateway: Gateway, video_id: str, after: int | None) -> AsyncIterator[Status]:
    """The status as it changes, until it changes no more without the owner. Raises ApiError and Unreachable."""
    seen = after
    told: Status | None = None
    while True:
        over = False
        try:
            async with gateway.events(f"/v1/videos/{video_id}/events", seen) as events:
                over = True
                async for event in events:
                    over = False
                    if event.event == "error" or not event.data:
                        continue
                    told = cast(Status, json.loads(event.data))
                    seen = told["sequence"]
                    yield told
        except (httpx.TransportError, ApiError) as error:
            if not passing(error):
                raise
            status = cast(Status, await gateway.get(f"/v1/videos/{video_id}/status", min_sequence=seen))
            if status != told:
                told, seen = status, status["sequence"]
                yield status
        if over or (told is not None and told["status"] in BAD_ENDS | {"PUBLISHED"}):
            return
        await asyncio.sleep(POLL_SECONDS)


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
