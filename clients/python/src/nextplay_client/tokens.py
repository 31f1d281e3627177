"""The token of a user: given once, or fetched anew whenever it ends."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import httpx

from nextplay_client.errors import NextPlayError

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that gives a fresh one. The function is called before the first request and again when the
server says that the token is over; it may be async, and one that is not runs in a thread of its own."""


class Bearer(httpx.Auth):
    """Adds the token to requests; where it is refused, fetches another one and asks once more."""

    def __init__(self, token: Token) -> None:
        self._source = token
        self._token: str | None = None
        self._fetching = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth."""
        token = await self._fresh(None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401 and callable(self._source):
            request.headers["Authorization"] = f"Bearer {await self._fresh(token)}"
            yield request

    async def _fresh(self, refused: str | None) -> str:
        """A token other than the refused one; requests that are refused together fetch one together."""
        async with self._fetching:
            if self._token is None or self._token == refused:
                self._token = await _fetched(self._source)
            return self._token


async def _fetched(source: Token) -> str:
    token = (await _given(source)).strip()
    if not (token and token.isascii() and token.isprintable()):
        raise NextPlayError("What was given as the token is none: it is empty, or has characters that no token has.")
    return token


async def _given(source: Token) -> str:
    if isinstance(source, str):
        return source
    if inspect.iscoroutinefunction(source):
        return str(await source())
    given = await asyncio.to_thread(source)
    return given if isinstance(given, str) else await cast(Awaitable[str], given)
