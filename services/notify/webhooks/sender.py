"""One signed request to an endpoint, by the specification Standard Webhooks, and what came of it."""

import asyncio
import contextlib
import time
from datetime import datetime

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from chassis import telemetry
from chassis.clock import Clock
from services.notify.addresses import CONNECT_SECONDS, AddressRefused
from services.notify.answers import http_span, is_of_tls, retry_after, tell_answer
from services.notify.domain.webhooks import Attempt, Dispatch, Error
from services.notify.ports.webhooks import Send, Unseal

TOTAL_SECONDS = 15.0
TIMEOUTS = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS).as_dict()
REPLY_SECONDS = 3.0
"""How long the body of a reply is waited for, whose status is known."""
REPLY_BYTES = 1_024
USER_AGENT = "NextPlay-Webhooks/1.0"

log = telemetry.logger(__name__)


def sender(transport: httpx.AsyncBaseTransport, unseal: Unseal, clock: Clock) -> Send:
    """Implements `ports.webhooks.Send`; `transport` decides what may be called (`services.notify.addresses`).

    Without a client around it: redirects, cookies and the like are nothing that a webhook may have.
    """

    async def send(dispatch: Dispatch) -> Attempt:
        with http_span("POST") as asked:
            attempt = await post(dispatch)
            tell_answer(asked, attempt.http_status, attempt.error)
        return attempt

    async def post(dispatch: Dispatch) -> Attempt:
        sent_at, started = clock(), time.monotonic()
        if dispatch.is_too_late:
            return Attempt(sent_at, 0, error=Error.NOT_SENT)
        http_status: int | None = None
        error: Error | None = None
        wait_seconds: float | None = None
        reply = bytearray()
        try:
            headers = _headers(dispatch, unseal, sent_at)
            request = httpx.Request(
                "POST", dispatch.url, headers=headers, content=dispatch.payload, extensions={"timeout": TIMEOUTS}
            )
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                contextlib.aclosing(await transport.handle_async_request(request)) as response,
            ):
                http_status = response.status_code
                error = _error_of(http_status)
                if http_status in (429, 503):
                    wait_seconds = retry_after(response.headers.get("retry-after"), sent_at)
                await _read(response, reply)
        except (httpx.HTTPError, httpx.InvalidURL, AddressRefused, TimeoutError) as failure:
            if http_status is None:
                error = _error_in(failure)
                log.info("webhook_unanswered", webhook_id=dispatch.webhook_id, reason=type(failure).__name__)
        except Exception as failure:
            # Raised further it would be recorded nowhere, and tried again for ever.
            if http_status is None:
                error = Error.NOT_SENT
            log.error("webhook_not_sent", webhook_id=dispatch.webhook_id, error=type(failure).__name__)
        latency_ms = round((time.monotonic() - started) * 1000)
        return Attempt(sent_at, latency_ms, http_status, error, _printable(bytes(reply)), wait_seconds)

    return send


def _headers(dispatch: Dispatch, unseal: Unseal, sent_at: datetime) -> dict[str, str]:
    stored = [dispatch.secret, *([dispatch.old_secret] if dispatch.old_secret else [])]
    signers = [Signer(unseal(dispatch.webhook_id, secret)) for secret in stored]
    message_id = str(dispatch.delivery_id)
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        # What is packed may unpack to any size.
        "accept-encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signer.sign(message_id, sent_at, dispatch.payload) for signer in signers),
    }


async def _read(response: httpx.Response, reply: bytearray) -> None:
    """The reply's first KB, or what comes of it in 3 s. Who leaves before its end closes the connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REPLY_SECONDS):
            async for chunk in response.aiter_raw():
                reply += chunk[: REPLY_BYTES - len(reply)]
                if len(reply) == REPLY_BYTES:
                    return


def _error_of(status: int) -> Error | None:
    if 200 <= status < 300:
        return None
    if status == httpx.codes.GONE:
        return Error.GONE
    return Error.REDIRECT if 300 <= status < 400 else Error.HTTP_ERROR


def _error_in(failure: Exception) -> Error:
    match failure:
        case AddressRefused() | httpx.InvalidURL():
            return Error.NO_PUBLIC_ADDRESS
        case TimeoutError() | httpx.TimeoutException():
            return Error.TIMEOUT
        case httpx.ConnectError() if is_of_tls(failure):
            return Error.TLS_FAILED
        case httpx.NetworkError():
            return Error.CONNECTION_FAILED
    return Error.PROTOCOL_ERROR


def _printable(reply: bytes) -> str:
    """As text that may be stored and shown: what is neither printable nor a line end or tab becomes U+FFFD."""
    text = reply.decode("utf-8", errors="replace")
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
