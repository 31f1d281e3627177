"""What the answers of strangers' servers say, and why there is none: of push services and of webhooks alike."""

import ssl
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from opentelemetry.trace import Span, SpanKind

from chassis import tracing

MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds until a `Retry-After`, 0 to 24 hours, of a number or a date; None for what is neither, or a date that no
    clock can show (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(int(value)) if value.strip().isdecimal() else _until(value, now)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def http_span(method: str) -> AbstractContextManager[Span]:
    """A span around a request to a stranger's server. It does not tell whose: that may be the user's own."""
    return tracing.span(method, SpanKind.CLIENT, {"http.request.method": method}, marks_errors=False)


def tell_answer(asked: Span, status: int | None, error: str | None = None) -> None:
    """Tell a request's span the status that came, or why none did."""
    if status is not None:
        asked.set_attribute("http.response.status_code", status)
    if error or (status or 0) >= 400:
        tracing.failed(asked, error or str(status))


def is_of_tls(failure: BaseException | None) -> bool:
    """Whether TLS is the cause; httpx and httpcore have wrapped it."""
    while failure is not None and not isinstance(failure, ssl.SSLError):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def _until(value: str, now: datetime) -> float:
    date = parsedate_to_datetime(value)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
