"""A `Failure` as `google.rpc.Status`, and back: what travels in `grpc-status-details-bin`.

The code, kind and next action travel in ErrorInfo (`domain` is "nextplay"), wrong fields in BadRequest, waiting in
RetryInfo. A failure that came from another service keeps all of these, so it may be raised on as it is.
"""

import functools
import math
import types
from datetime import timedelta

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.errors import (
    DeadlineExceeded,
    Failure,
    FieldViolation,
    Internal,
    Kind,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "nextplay"
DETAILS_KEY = "grpc-status-details-bin"


def status_from(failure: Failure, trace_id: str | None = None) -> status_pb2.Status:
    """The status that a failure travels as; `trace_id` tells the caller what to report."""
    metadata = {"kind": failure.kind.name, "next_action": failure.next_action}
    if trace_id:
        metadata["trace_id"] = trace_id
    info = error_details_pb2.ErrorInfo(reason=failure.code, domain=DOMAIN, metadata=metadata)
    details = [_packed(info)]
    if failure.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=wrong.field, description=wrong.message)
            for wrong in failure.fields
        ]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if failure.retry_after is not None:
        wait = error_details_pb2.RetryInfo()
        wait.retry_delay.FromTimedelta(timedelta(seconds=math.ceil(failure.retry_after)))
        details.append(_packed(wait))
    return status_pb2.Status(code=code_pb2.Code.Value(failure.kind.grpc_code), message=str(failure), details=details)


def failure_from(error: grpc.aio.AioRpcError) -> Failure:
    """The failure that a call ended with: the callee's own one, or what the transport's status means."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return failure_from_status(status_pb2.Status.FromString(value))
    match error.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED | grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Unavailable(retry_after=1)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded()
        case grpc.StatusCode.UNAUTHENTICATED:
            return Unauthenticated()
        case grpc.StatusCode.PERMISSION_DENIED:
            return PermissionDenied()
        case _:
            return Internal()


def trace_id_from(error: grpc.aio.AioRpcError) -> str | None:
    """The trace id that the callee reported with its failure, if it did."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return _info(status_pb2.Status.FromString(value)).metadata.get("trace_id")
    return None


def failure_from_status(status: status_pb2.Status) -> Failure:
    """The failure of a status; `Internal` if the status is not one of ours."""
    info = _info(status)
    if info.domain != DOMAIN or info.metadata["kind"] not in Kind.__members__:
        return Internal()
    declared = _declared(Kind[info.metadata["kind"]], info.reason, info.metadata["next_action"])
    fields: list[FieldViolation] = []
    retry_after: float | None = None
    for detail in status.details:
        bad, wait = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(bad):
            fields = [FieldViolation(wrong.field, wrong.description) for wrong in bad.field_violations]
        elif detail.Unpack(wait):
            retry_after = wait.retry_delay.ToTimedelta().total_seconds()
    return declared(status.message, fields=fields, retry_after=retry_after)


def _info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


@functools.lru_cache(maxsize=256)
def _declared(kind: Kind, code: str, next_action: str) -> type[Failure]:
    """A class for another service's error, whose own class this process does not have."""
    return types.new_class("RemoteFailure", (Failure,), {"kind": kind, "code": code, "next_action": next_action})
