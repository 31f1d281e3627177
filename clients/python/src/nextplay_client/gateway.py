"""Requests to the gateway: deadlines, repeats, and problems as exceptions."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx_sse
import stamina

from nextplay_client.errors import ApiError, NextPlayError, Unreachable

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
CALL_SECONDS = 20.0
ATTEMPTS = 10
LONGEST_PAUSE_SECONDS = 30.0
QUIET_SECONDS = 35.0
"""A stream says something every 15 s; one that is silent for longer does not get through."""
WORTH_ANOTHER_TRY = frozenset({408, 429, 502, 503, 504})
IN_FLIGHT = "REQUEST_IN_FLIGHT"
"""The first attempt at this command still runs."""

Scalar = str | int | bool


def passing(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ApiError):
        return error.status in WORTH_ANOTHER_TRY or error.code == IN_FLIGHT
    return isinstance(error, httpx.TransportError | TimeoutError)


def _wait_or_give_up(error: Exception) -> bool | float:
    """Repeat after what passes; wait as long as the server says, where that is not long."""
    if isinstance(error, ApiError) and passing(error) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_PAUSE_SECONDS else False
    return passing(error)


@dataclass(frozen=True)
class Gateway:
    """One user's way to the REST API; `http` has the address and the token.

    Every request has a deadline and is repeated after passing failures with exponential backoff and jitter, for a
    minute at most. Raises ApiError for a refusal and Unreachable when there was no answer to any attempt.
    """

    http: httpx.AsyncClient

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.http.base_url)

    async def get(self, path: str, **query: Scalar | None) -> Any:
        """The JSON of a reply. Query parameters that are None are left out."""
        return await self._request("GET", path, params=_given(query))

    async def post(self, path: str, **body: object) -> Any:
        """Post a command under an Idempotency-Key, so that its repeats do it once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return await self._request("POST", path, json=_given(body), headers=headers)

    async def put(self, path: str, **body: object) -> Any:
        """Replace; fields that are None are left out."""
        return await self._request("PUT", path, json=_given(body) or None)

    async def patch(self, path: str, **body: object) -> Any:
        """Change what is given; fields that are None stay."""
        return await self._request("PATCH", path, json=_given(body))

    async def delete(self, path: str) -> None:
        """Delete; also what is deleted already."""
        await self._request("DELETE", path)

    async def entries(self, path: str, field: str, limit: int | None, **query: Scalar | None) -> AsyncIterator[Any]:
        """The entries of a list, page after page as they are wanted; at most `limit`."""
        left = limit
        page_token: str | None = None
        while left is None or left > 0:
            size = 100 if left is None else min(100, left)
            page = await self.get(path, **query, page_size=size, page_token=page_token)
            for entry in page[field]:
                yield entry
            page_token = page["next_page_token"]
            if not page_token:
                return
            left = None if left is None else left - len(page[field])

    @asynccontextmanager
    async def events(
        self, path: str, after: int | None
    ) -> AsyncIterator[AsyncIterator[httpx_sse.ServerSentEvent] | None]:
        """Open a stream of server-sent events, of those after a sequence; None where it is over and all of it was seen.

        Raises ApiError, and while it is read httpx.TransportError; is not repeated.
        """
        _leads_where_it_says(path)
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        timeout = httpx.Timeout(15.0, connect=5.0, read=QUIET_SECONDS)
        async with httpx_sse.aconnect_sse(self.http, "GET", path, headers=headers, timeout=timeout) as source:
            if source.response.status_code >= 400:
                await source.response.aread()
                raise ApiError.of(source.response)
            yield None if source.response.status_code == 204 else source.aiter_sse()

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        _leads_where_it_says(path)
        try:
            async for attempt in stamina.retry_context(
                on=_wait_or_give_up, attempts=ATTEMPTS, timeout=60.0, wait_initial=0.2, wait_max=5.0
            ):
                with attempt:
                    async with asyncio.timeout(CALL_SECONDS):
                        response = await self.http.request(method, path, **options)
                    if response.status_code >= 300:
                        raise ApiError.of(response)
        except (httpx.TransportError, TimeoutError) as error:
            why = type(error).__name__
            raise Unreachable(f"No answer from {self.address} ({why}). Is the address right?") from error
        try:
            return response.json() if response.content else None
        except ValueError:
            raise ApiError.of(response) from None


def _leads_where_it_says(path: str) -> None:
    """Raises NextPlayError where an id in a path would make it another one, as `../uploads` would."""
    if set("?#%\\") & set(path) or {"", ".", ".."} & set(path.split("/")[1:]):
        raise NextPlayError(f"There is no {path}: an id is a word without dots, slashes and the like.")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
