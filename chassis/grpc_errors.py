"""A `Failure` as `google.rpc.Status`, and back: what travels in `grpc-status-details-bin`.

Code, kind, next action and trace id travel in ErrorInfo (`domain` is "nextplay"), wrong fields in BadRequest, waiting
in RetryInfo. A failure that came from another service keeps all of these, so it may be raised on as it is.
"""

import functools
import math
import types

import grpc
from google.rpc import code_pb2, status_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from chassis import errors
from chassis.errors import Failure, FieldViolation, Kind

DOMAIN = "nextplay"
DETAILS_KEY = "grpc-status-details-bin"

_TRANSPORT_FAILURES: dict[grpc.StatusCode, type[Failure]] = {
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
}


def status_from(failure: Failure, trace_id: str | None) -> status_pb2.Status:
    """The status that a failure travels as; waiting is rounded up to whole seconds, as Retry-After is."""
    metadata = {"kind": failure.kind.name, "next_action": failure.next_action, "trace_id": trace_id or ""}
    status = status_pb2.Status(code=code_pb2.Code.Value(failure.kind.grpc_code), message=str(failure))
    status.details.add().Pack(ErrorInfo(reason=failure.code, domain=DOMAIN, metadata=metadata))
    if failure.fields:
        wrong = [BadRequest.FieldViolation(field=one.field, description=one.message) for one in failure.fields]
        status.details.add().Pack(BadRequest(field_violations=wrong))
    if failure.retry_after is not None:
        status.details.add().Pack(RetryInfo(retry_delay={"seconds": math.ceil(failure.retry_after)}))
    return status


def failure_from(error: grpc.aio.AioRpcError) -> Failure:
    """The failure that a call ended with: the callee's own one, or what the transport's status means."""
    info, bad, wait = _details(error)
    if info.domain != DOMAIN or info.metadata["kind"] not in Kind.__members__:
        meant = _TRANSPORT_FAILURES.get(error.code(), errors.Internal)
        return meant(retry_after=1 if meant is errors.Unavailable else None)
    declared = _declared(Kind[info.metadata["kind"]], info.reason, info.metadata["next_action"])
    fields = [FieldViolation(wrong.field, wrong.description) for wrong in bad.field_violations]
    return declared(error.details(), fields=fields, retry_after=wait.retry_delay.seconds or None)


def peer_failure_from(error: grpc.aio.AioRpcError) -> Failure:
    """The failure of a call that a service makes by its own token while it serves somebody else: what the callee has
    against that token or that request is no mistake of whom the service serves."""
    failure = failure_from(error)
    match failure.kind:
        case Kind.UNAUTHENTICATED | Kind.PERMISSION_DENIED:
            return errors.Unavailable(retry_after=1)  # tokens and rights are replaced while services run
        case Kind.INVALID_ARGUMENT:
            return errors.Internal()
        case _:
            return failure


def _details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo, BadRequest, RetryInfo]:
    """What the status says beside its message; empty messages for what it does not say."""
    found = ErrorInfo(), BadRequest(), RetryInfo()
    packed = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if isinstance(packed, bytes):
        for detail in status_pb2.Status.FromString(packed).details:
            for message in found:
                detail.Unpack(message)
    return found


@functools.lru_cache(maxsize=256)
def _declared(kind: Kind, code: str, next_action: str) -> type[Failure]:
    """A class for another service's error, whose own class this process does not have."""
    return types.new_class("RemoteFailure", (Failure,), {"kind": kind, "code": code, "next_action": next_action})
