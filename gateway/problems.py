"""Failures as HTTP answers: RFC 9457 problem details, and the failures that the gateway itself declares."""

import json
import math
from typing import Any

from starlette.responses import Response

from chassis.errors import Failure, Kind
from chassis.tracing import current_trace_id

PROBLEM_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499  # what logs and metrics say of a request whose caller did not wait for the answer


class PathNotFound(Failure, kind=Kind.NOT_FOUND, code="PATH_NOT_FOUND", next_action="See /openapi.json for paths."):
    """There is nothing at this path."""


class MethodNotAllowed(Failure, kind=Kind.NOT_FOUND, code="METHOD_NOT_ALLOWED", next_action="See the Allow header."):
    """The path does not take this verb."""

    status = 405  # which is no kind, because no service ends with it


class Unreadable(
    Failure, kind=Kind.INVALID_ARGUMENT, code="INVALID_ARGUMENT", next_action="Mend what the detail names; send again."
):
    """The request cannot be read, so that no field of it can be named."""


class BodyTooLarge(Failure, kind=Kind.TOO_LARGE, code="BODY_TOO_LARGE", next_action="Send a smaller body."):
    """The request body is larger than the limit."""


class BodyTooSlow(Failure, kind=Kind.INVALID_ARGUMENT, code="REQUEST_TIMEOUT", next_action="Send the body at once."):
    """The request body did not arrive in time."""

    status = 408  # no kind either


class UnsupportedContentType(
    Failure, kind=Kind.UNSUPPORTED_TYPE, code="UNSUPPORTED_CONTENT_TYPE", next_action="Send UTF-8 application/json."
):
    """The request body is not JSON."""


def problem(failure: Failure) -> dict[str, Any]:
    """The problem details of a failure, with the trace id of the present request."""
    return {
        "type": f"urn:nextplay:problem:{failure.code}",
        "title": failure.code.replace("_", " ").capitalize(),
        "status": getattr(failure, "status", failure.kind.http_status),
        "code": failure.code,
        "detail": str(failure),
        "next_action": failure.next_action,
        "trace_id": current_trace_id(),
        "errors": [{"field": wrong.field, "message": wrong.message} for wrong in failure.fields],
    }


def problem_response(failure: Failure, **headers: str) -> Response:
    """The answer for a failure, with the header fields that belong to its kind and those that are given."""
    headers |= {"WWW-Authenticate": "Bearer"} if failure.kind is Kind.UNAUTHENTICATED else {}
    wait = math.ceil(failure.retry_after or 1)
    if failure.retry_after or failure.kind in (Kind.RATE_LIMITED, Kind.UNAVAILABLE):
        headers["Retry-After"] = str(wait)
    if failure.kind is Kind.RATE_LIMITED:
        headers["RateLimit"] = f'"{failure.code.lower()}";r=0;t={wait}'
    details = problem(failure)
    return Response(json.dumps(details, ensure_ascii=False), details["status"], headers, PROBLEM_TYPE)
