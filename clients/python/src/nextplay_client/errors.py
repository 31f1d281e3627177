"""What a call of the client may raise."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from nextplay_client.types import Status


class NextPlayError(Exception):
    """Any failure of this library; `str(error)` is a sentence for a person."""


@dataclass(frozen=True)
class FieldError:
    """One field of the request that the server refused, and why."""

    field: str
    message: str


class ApiError(NextPlayError):
    """The server answered with a problem (RFC 9457).

    `code` is stable and for programs, `next_action` says what to do, `trace_id` finds the request in the server's
    traces, `retry_after` is in seconds where the server named a time.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        next_action: str,
        trace_id: str,
        fields: tuple[FieldError, ...],
        retry_after: float | None,
    ) -> None:
        named = [f"{field.field} {field.message}." for field in fields if field.message not in detail]
        super().__init__(" ".join(part for part in (detail, *named, next_action) if part))
        self.status = status
        self.code = code
        self.detail = detail
        self.next_action = next_action
        self.trace_id = trace_id
        self.fields = fields
        self.retry_after = retry_after

    @classmethod
    def of(cls, response: httpx.Response) -> "ApiError":
        """The problem that a reply with status 400 or above tells; also for replies that are no problem document."""
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        if not isinstance(problem, dict):
            problem = {}
        retry_after = response.headers.get("retry-after", "")
        return cls(
            status=response.status_code,
            code=problem.get("code", f"HTTP_{response.status_code}"),
            detail=problem.get("detail", f"The server answered {response.status_code} {response.reason_phrase}."),
            next_action=problem.get("next_action", ""),
            trace_id=problem.get("trace_id", ""),
            fields=tuple(FieldError(error["field"], error["message"]) for error in problem.get("errors", [])),
            retry_after=float(retry_after) if retry_after.isdigit() else None,
        )


class Unreachable(NextPlayError):
    """There was no usable answer after all retries."""


class VideoNotReady(NextPlayError):
    """The video ended in a state other than READY or PUBLISHED; `status` has the reason."""

    def __init__(self, status: "Status") -> None:
        reason = status.get("reason")
        said = f" {reason['message']} {reason['next_action']}" if reason else ""
        super().__init__(f"The video is {status['status']}.{said}")
        self.status = status
