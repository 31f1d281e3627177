"""Whatever is sent to the gateway, right, wrong or hostile, the answer is one that /openapi.json describes.

schemathesis makes the requests from that document: at and just beyond every limit, with every part missing or of
another type, at random, and with what earlier answers told. They are the same in every run.
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import schemathesis
from hypothesis import Phase, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from tests.e2e.people import Person
from tests.openapi import published

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
UUID_TEXT = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def document(examples: int, **told: Any) -> Any:
    """The operations, each with so many random requests at most, beside those that always belong to it. Without the
    stream of the inbox, which goes on for ever whatever was asked."""
    generation = {"mode": "all", "max-examples": examples, "deterministic": True, "database": "none"}
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": generation, **told})
    return schemathesis.openapi.from_dict(published(), config=config).exclude(operation_id="WatchNotifications")


@dataclass(frozen=True)
class Known:
    """A signed-in user, and the ids of what is hers: an upload that has begun, and its video."""

    token: str
    ids: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture(scope="module")
def make_known(platform: Stack) -> Callable[[], Known]:
    def make() -> Known:
        name = f"anybody-{uuid4().hex[:8]}"
        known = Known(platform.issuer.user_token(name), {"user_id": str(user_id(name))})
        with httpx.Client(base_url=platform.gateway, headers=known.headers, timeout=20) as http:
            upload = Person(known.ids["user_id"], http).initiate(11 * 1024 * 1024)
        known.ids.update({name: upload[name] for name in ("upload_id", "video_id")})
        return known

    return make


@pytest.fixture(scope="module")
def known(make_known: Callable[[], Known]) -> Known:
    return make_known()


def send(case: schemathesis.Case, platform: Stack, known: Known) -> None:
    """Send the request in the user's name, every second one about what is hers: not to delete it, and not to watch what
    goes on for ever."""
    lasting = case.method != "DELETE" and not case.path.endswith("/events")
    for name, value in case.path_parameters.items():
        if lasting and name in known.ids and UUID_TEXT.fullmatch(str(value)) and UUID(value).int % 2:
            case.path_parameters[name] = known.ids[name]
    case.call_and_validate(base_url=platform.gateway, headers=known.headers, checks=CHECKS, timeout=20)


@document(examples=5).parametrize()
def test_a_request_is_answered_as_described(case: schemathesis.Case, platform: Stack, known: Known) -> None:
    send(case, platform, known)


@pytest.mark.long
@document(examples=250).parametrize()
def test_hundreds_of_requests_are_answered_as_described(case: schemathesis.Case, platform: Stack, known: Known) -> None:
    send(case, platform, known)


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_what_answers_tell_is_asked_about_and_answered_as_described(
    platform: Stack, make_known: Callable[[], Known], rounds: int
) -> None:
    known, wrong, answered = make_known(), list[str](), Counter[str]()
    operations = document(1, **{"base-url": platform.gateway}).exclude(operation_id="WatchVideo")

    class Walk(operations.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": known.headers, "timeout": 20}

        def validate_response(self, response: Any, case: schemathesis.Case, **_: Any) -> None:
            answered[case.path] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as failure:
                wrong.append(f"{case.as_curl_command()}\n{failure}")

    walks = settings(max_examples=5, stateful_step_count=10, deadline=None, database=None, phases=[Phase.generate])
    for number in range(rounds):
        # What is there to be asked about depends on what was asked before, also in an earlier walk.
        with suppress(FlakyStrategyDefinition):
            seed(number)(Walk).run(settings=walks)
    assert not wrong, "\n\n".join(wrong[:3])
    assert len(answered) > 5, "the walks ended before they had asked"
