"""Failures as problem details."""

import json

import pytest

from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind, Unauthenticated, Unavailable
from chassis.idempotency import RequestInFlight
from gateway.problems import problem, problem_response


class Slow(Failure, kind=Kind.RATE_LIMITED, code="RATE_LIMITED", next_action="Wait."):
    """At most 10 initiates are accepted in an hour."""


def test_a_problem_has_every_member_that_is_promised() -> None:
    failure = InvalidArgument(fields=[FieldViolation("parts[2].etag", "is required")])
    assert problem(failure) == {
        "type": "urn:nextplay:problem:INVALID_ARGUMENT",
        "title": "Invalid argument",
        "status": 400,
        "code": "INVALID_ARGUMENT",
        "detail": "parts[2].etag is required.",
        "next_action": "Correct the named fields and send again.",
        "trace_id": None,
        "errors": [{"field": "parts[2].etag", "message": "is required"}],
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_the_status_is_that_of_the_kind(kind: Kind) -> None:
    class Some(Failure, kind=kind, code="SOME_CODE", next_action="Act."):
        """Something."""

    response = problem_response(Some())
    assert response.status_code == kind.http_status == json.loads(response.body)["status"]
    assert response.headers["content-type"] == "application/problem+json"


def test_waiting_is_told_in_whole_seconds_rounded_up() -> None:
    response = problem_response(Slow(retry_after=1800.2))
    assert response.headers["retry-after"] == "1801"
    assert response.headers["ratelimit"] == '"rate_limited";r=0;t=1801'


def test_unavailable_always_tells_when_to_come_back() -> None:
    assert problem_response(Unavailable()).headers["retry-after"] == "1"
    assert problem_response(Unavailable(retry_after=7)).headers["retry-after"] == "7"


def test_any_failure_that_knows_when_to_come_back_tells_it() -> None:
    assert problem_response(RequestInFlight(retry_after=2.5)).headers["retry-after"] == "3"


def test_a_missing_token_is_asked_for() -> None:
    assert problem_response(Unauthenticated()).headers["www-authenticate"] == "Bearer"


def test_other_failures_do_not_tell_to_wait() -> None:
    assert "retry-after" not in problem_response(Unauthenticated()).headers
