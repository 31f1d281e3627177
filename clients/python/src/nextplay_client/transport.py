"""Requests to the gateway: deadlines, retries, and problems as exceptions."""

from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from nextplay_client.errors import ApiError, Unreachable

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
ATTEMPTS = 5
WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})


class _Transient(Exception):
    """A reply that says: later."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _wait_or_give_up(error: Exception) -> bool | float:
    """Retry lost connections and passing refusals; wait as long as the server says, where that is at most 30 s."""
    if isinstance(error, httpx.TransportError):
        return True
    if isinstance(error, _Transient):
        retry_after = ApiError.of(error.response).retry_after
        if retry_after is None:
            return True
        return retry_after if retry_after <= 30 else False
    return False


def request(
    http: httpx.Client,
    method: str,
    path: str,
    *,
    json: Mapping[str, object] | None = None,
    query: Mapping[str, str | int] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Send one request, again after passing failures, and return the JSON of the reply (None for 204).

    Only for requests that are safe to repeat: reads, idempotent commands, and POSTs with an Idempotency-Key. Raises
    ApiError for a refusal and Unreachable when there was no answer to any attempt.
    """
    try:
        for attempt in stamina.retry_context(
            on=_wait_or_give_up, attempts=ATTEMPTS, timeout=60.0, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                response = http.request(method, path, json=json, params=query, headers=headers)
                if response.status_code in WORTH_ANOTHER_TRY:
                    raise _Transient(response)
    except httpx.TransportError as error:
        raise Unreachable(f"No answer from {http.base_url} ({type(error).__name__}). Is the address right?") from error
    except _Transient as error:
        raise ApiError.of(error.response) from None
    if response.status_code >= 400:
        raise ApiError.of(response)
    return response.json() if response.content else None
