"""What a call may fail with: one table of kinds, and the one way to declare an error.

A service declares each of its errors once, as a class in its domain:

    class UploadExpired(Failure, kind=Kind.GONE, code="UPLOAD_EXPIRED", next_action="Start a new upload."):
        '''The upload expired before it was completed.'''

    raise UploadExpired(f"The upload expired at {expires_at:%H:%M:%S} UTC; an upload lives 60 minutes.")

The class says the kind (which fixes the gRPC code and the HTTP status), the stable code that programs compare, the
sentence (its docstring, unless the raiser has a better one with the value, the limit and the unit) and what the
caller can do next. Standard library only, because domains import this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """The kinds of failure: the name of the gRPC status and the HTTP status each travels as.

    Names equal the values of `nextplay.api.v1.ErrorKind`. Several kinds share a gRPC status, so the kind itself
    travels in `google.rpc.ErrorInfo`.
    """

    INVALID_ARGUMENT = ("INVALID_ARGUMENT", 400)
    UNAUTHENTICATED = ("UNAUTHENTICATED", 401)
    PERMISSION_DENIED = ("PERMISSION_DENIED", 403)
    NOT_FOUND = ("NOT_FOUND", 404)
    CONFLICT = ("FAILED_PRECONDITION", 409)
    GONE = ("FAILED_PRECONDITION", 410)
    TOO_LARGE = ("INVALID_ARGUMENT", 413)
    UNSUPPORTED_TYPE = ("INVALID_ARGUMENT", 415)
    UNPROCESSABLE = ("FAILED_PRECONDITION", 422)
    RATE_LIMITED = ("RESOURCE_EXHAUSTED", 429)
    INTERNAL = ("INTERNAL", 500)
    UNAVAILABLE = ("UNAVAILABLE", 503)
    DEADLINE_EXCEEDED = ("DEADLINE_EXCEEDED", 504)

    @property
    def grpc_code(self) -> str:
        """The name of the `grpc.StatusCode`."""
        return self.value[0]

    @property
    def http_status(self) -> int:
        return self.value[1]


@dataclass(frozen=True)
class FieldViolation:
    """One field that was wrong: its snake_case path (`parts[2].etag`), and the rest of a sentence that begins with it:
    what is allowed, what it is, and the unit of both (`must be 1 to 30 bytes, is 31 bytes`)."""

    field: str
    message: str


class Failure(Exception):
    """An outcome that the caller is told about. Declare subclasses; never raise this class itself.

    `str(failure)` is shown to the caller, so it never holds a token, a key, SQL or a vendor's text.
    `retry_after` is in seconds and tells when the same call may succeed.
    """

    kind: ClassVar[Kind]
    code: ClassVar[str]
    next_action: ClassVar[str]

    def __init_subclass__(cls, *, kind: Kind, code: str, next_action: str) -> None:
        cls.kind, cls.code, cls.next_action = kind, code, next_action

    def __init__(
        self, detail: str | None = None, *, fields: Sequence[FieldViolation] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(detail or (type(self).__doc__ or type(self).code).strip())
        self.fields = tuple(fields)
        self.retry_after = retry_after


class InvalidArgument(
    Failure, kind=Kind.INVALID_ARGUMENT, code="INVALID_ARGUMENT", next_action="Correct the named fields and send again."
):
    """The request has fields that are missing, unknown or outside their limits."""

    def __init__(self, *, fields: Sequence[FieldViolation]) -> None:
        """The sentences are those of the first three fields."""
        told = " ".join(f"{wrong.field or 'body'} {wrong.message}." for wrong in fields[:3])
        super().__init__(f"{told} …" if len(fields) > 3 else told, fields=fields)


class Unauthenticated(
    Failure, kind=Kind.UNAUTHENTICATED, code="UNAUTHENTICATED", next_action="Sign in again and send a fresh token."
):
    """The request has no valid token."""


class PermissionDenied(
    Failure,
    kind=Kind.PERMISSION_DENIED,
    code="PERMISSION_DENIED",
    next_action="Call with an identity that is allowed to do this.",
):
    """The caller may not do this."""


class Unavailable(
    Failure, kind=Kind.UNAVAILABLE, code="UNAVAILABLE", next_action="Send the same request again after Retry-After."
):
    """A part of the system that this call needs is not reachable at the moment."""


class DeadlineExceeded(
    Failure,
    kind=Kind.DEADLINE_EXCEEDED,
    code="DEADLINE_EXCEEDED",
    next_action="Read the present state, then send the same request again.",
):
    """The call did not finish in time; it may still take effect."""


class Internal(
    Failure,
    kind=Kind.INTERNAL,
    code="INTERNAL",
    next_action="Send the same request again; if it fails again, report the trace id.",
):
    """Something went wrong on our side."""
