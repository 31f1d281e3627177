"""One request to a vendor and its answer, of which nothing takes longer or is larger than it should."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

import httpx

from chassis.clock import utc_now
from services.notify.addresses import AddressRefused, NotResolved
from services.notify.answers import http_span, is_of_tls, retry_after, tell_answer
from services.notify.domain.delivery import Refused, Retry

ANSWER_SECONDS = 10.0
"""For the whole: connecting, sending, and the answer's end."""
MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor said; of a long body only the beginning. `after` is its Retry-After in seconds."""

    status: int
    body: bytes
    after: float | None

    def told(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        with contextlib.suppress(ValueError):
            value = json.loads(self.body)
            if isinstance(value, dict):
                return value
        return {}


async def ask(client: httpx.AsyncClient, request: httpx.Request) -> Answer | Retry | Refused:
    """The answer; Retry where none came within 10 s, and Refused where the host is not one that is called."""
    with http_span(request.method) as asked:
        answer = await _ask(client, request)
        if isinstance(answer, Answer):
            tell_answer(asked, answer.status)
        else:
            tell_answer(asked, None, answer.code)
    return answer


async def _ask(client: httpx.AsyncClient, request: httpx.Request) -> Answer | Retry | Refused:
    # What is packed may unpack to any size, and is read as it comes.
    request.headers["accept-encoding"] = "identity"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            response = await client.send(request, stream=True)
            try:
                body = await _beginning(response)
            finally:
                await response.aclose()
    except NotResolved:
        return Retry("NO_ADDRESS", host_failed=True)
    except AddressRefused:
        return Refused("ADDRESS_REFUSED")
    except (TimeoutError, httpx.TimeoutException):
        return Retry("TIMEOUT", host_failed=True)
    except (httpx.HTTPError, OSError) as error:
        return Retry("TLS_FAILED" if is_of_tls(error) else "CONNECTION_FAILED", host_failed=True)
    return Answer(response.status_code, body, retry_after(response.headers.get("retry-after"), utc_now()))


def failed(answer: Answer) -> Retry | Refused:
    """What an answer means that is no success and has no meaning of its own with its vendor: 408, 425, 429 and all from
    500 on are tried again, everything else, a redirect among it, never goes well."""
    code = f"HTTP_{answer.status}"
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Retry(code, answer.after, host_failed=True)
    return Refused(code)


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= MAX_ANSWER_BYTES:
            break
    return body[:MAX_ANSWER_BYTES]
