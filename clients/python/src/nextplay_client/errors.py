"""What a call of the client may raise."""

from collections.abc import Mapping
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
    """The server answered with a problem (RFC 9457). Which subclass it is says the HTTP status.

    `code` is stable and for programs, `detail` a sentence with value, limit and unit, `next_action` says what to do,
    `trace_id` finds the request in the server's traces, `retry_after` is in seconds where the server named a time.
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

    @staticmethod
    def of(response: httpx.Response) -> "ApiError":
        """The problem that a reply tells; also for replies that are not the platform's, as those of a proxy."""
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        if not (isinstance(problem, dict) and isinstance(problem.get("code"), str)):
            problem = {}
        status = response.status_code
        foreign = "" if status >= 400 else ", which is no answer of a NextPlay gateway"
        retry_after = response.headers.get("retry-after", "")
        kind = BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
        return kind(
            status=status,
            code=problem.get("code", f"HTTP_{status}"),
            detail=problem.get("detail", f"The server answered {status} {response.reason_phrase}{foreign}."),
            next_action=problem.get("next_action", ""),
            trace_id=problem.get("trace_id") or "",
            fields=tuple(FieldError(error["field"], error["message"]) for error in problem.get("errors", [])),
            retry_after=float(retry_after) if retry_after.isdigit() else None,
        )


class InvalidRequest(ApiError):
    """400: a field is missing or wrong; `fields` names it."""


class Unauthenticated(ApiError):
    """401: the token is missing, wrong or over."""


class PermissionDenied(ApiError):
    """403: this user may not do that."""


class NotFound(ApiError):
    """404: there is no such thing, or it belongs to somebody else."""


class Conflict(ApiError):
    """409: the thing is not in the state for that; `code` says why."""


class Gone(ApiError):
    """410: the upload's 60 minutes are over."""


class TooLarge(ApiError):
    """413: the file or the request is larger than allowed."""


class UnsupportedType(ApiError):
    """415: neither MP4 nor QuickTime."""


class Unprocessable(ApiError):
    """422: an Idempotency-Key was used before, for another request."""


class RateLimited(ApiError):
    """429: too many requests; `retry_after` says when the next one is taken."""


class ServerFault(ApiError):
    """408, 500 and above: the platform could not answer, also not after repeats where the failure was a passing one."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    408: ServerFault,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: UnsupportedType,
    422: Unprocessable,
    429: RateLimited,
    500: ServerFault,
    503: ServerFault,
    504: ServerFault,
}
"""The exceptions of the statuses that `/openapi.json` declares."""


class Unreachable(NextPlayError):
    """There was no usable answer after all retries. An upload that ended so is resumed by the next `upload()`."""


class PreflightRefused(NextPlayError):
    """The file's head or name says that the platform would not take it; nothing was sent.

    `code` is the reason that the platform would give: FILE_TOO_LARGE, DURATION_TOO_LONG, CODEC_UNSUPPORTED,
    CORRUPT, NOT_A_VIDEO, NO_VIDEO_TRACK, UNSUPPORTED_CONTENT_TYPE. `measured` and `limit` carry their unit: "42.3 s",
    "at most 30 s". `next_action` says what to do.
    """

    def __init__(self, code: str, measured: str, limit: str, next_action: str) -> None:
        super().__init__(f"{measured}, {limit}. {next_action}")
        self.code = code
        self.measured = measured
        self.limit = limit
        self.next_action = next_action


class VideoNotReady(NextPlayError):
    """The video ended in a state other than READY or PUBLISHED; `status` has the reason."""

    def __init__(self, status: "Status") -> None:
        reason = status.get("reason")
        said = f" {reason['message']} {reason['next_action']}" if reason else ""
        super().__init__(f"The video is {status['status']}.{said}")
        self.status = status


class StillWaiting(NextPlayError):
    """The time to wait is over, and the video is on its way; it goes on without us."""


class InvalidSignature(NextPlayError):
    """A request to a webhook was not signed with its secret, or more than five minutes ago."""
