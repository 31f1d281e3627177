"""Server-sent events that go on after the connection was lost."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx

from nextplay_client.errors import ApiError
from nextplay_client.gateway import Gateway, passing

PAUSE_SECONDS = (0.5, 3.0)


async def resumed(gateway: Gateway, path: str, after: int | None) -> AsyncIterator[Any]:
    """The data of a stream, each event once: connects again after the last one, as often as needed.

    Raises ApiError for a refusal that does not pass.
    """
    while True:
        try:
            async with gateway.events(path, after) as events:
                if events is None:
                    return
                async for event in events:
                    if event.event != "error" and event.data:
                        told = json.loads(event.data)
                        after = int(told["sequence"])
                        yield told
        except (httpx.TransportError, ApiError) as error:
            if not passing(error):
                raise
        # Spread, because all who were cut off by the same cause come back together.
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - a jitter
