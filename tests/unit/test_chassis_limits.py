"""What a server lets through to its servicers, by the limits that the contract declares."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import Message

from chassis.auth import Caller, ServiceCaller, User, acting_as
from chassis.errors import FieldViolation, InvalidArgument
from chassis.limits import limited, violation
from nextplay.catalog.v1.feeds_service_pb2 import GetFeedRequest
from nextplay.catalog.v1.follows_service_pb2 import ListFollowersRequest
from nextplay.catalog.v1.videos_service_pb2 import GetVideoStatusRequest, UpdateVideoRequest
from nextplay.notify.v1.notifications_service_pb2 import MarkReadRequest, Preference, ReplacePreferencesRequest
from nextplay.upload.v1 import upload_service_pb2 as pb

ALICE = User(UUID(int=1), "free")
NOTIFY = ServiceCaller("notify")


def serve(request: Any, context: Any) -> tuple[Any, Any]:
    return request, context


def refused(request: Message, caller: Caller = ALICE) -> Sequence[FieldViolation]:
    """What is wrong with the request; nothing where it was served."""
    with acting_as(caller):
        try:
            assert limited(request.DESCRIPTOR, serve)(request, "context") == (request, "context")
        except InvalidArgument as failure:
            return failure.fields
    return ()


def announcement(**changes: Any) -> pb.InitiateUploadRequest:
    told = {"title": "A clip", "category": "sports", "filename": "clip.mp4", "content_type": "video/mp4"}
    return pb.InitiateUploadRequest(**{**told, "file_size_bytes": 1000, **changes})


def test_a_request_without_limits_costs_nothing() -> None:
    assert limited(GetVideoStatusRequest.DESCRIPTOR, serve) is serve


@pytest.mark.parametrize(
    "request_",
    [
        announcement(),
        announcement(title="x" * 80, filename="x" * 255, fingerprint="f" * 200, description="d" * 2000),
        announcement(title="\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 80),
        GetFeedRequest(),
        GetFeedRequest(page_size=1, page_token="x" * 200),
        GetFeedRequest(page_size=100),
        UpdateVideoRequest(),
        UpdateVideoRequest(description=""),
        pb.CompleteUploadRequest(),
        pb.PresignPartsRequest(parts=[pb.PartToSign(part_number=30, content_length=157_286_400)] * 30),
        MarkReadRequest(notification_ids=["x"] * 100),
        ReplacePreferencesRequest(preferences=[Preference()] * 100),
    ],
    ids=lambda request: f"{type(request).__name__} {str(request)[:40]}",
)
def test_what_is_within_its_limits_is_served(request_: Message) -> None:
    assert refused(request_) == ()


@pytest.mark.parametrize(
    ("request_", "field", "told"),
    [
        (announcement(title=""), "title", "must have 1 to 80 characters, has 0 characters"),
        (announcement(title="x" * 10_000), "title", "must have 1 to 80 characters, has 10,000 characters"),
        (announcement(title="\u0301" * 961), "title", "must have 1 to 80 characters, has 961 code points"),
        (
            announcement(description="x" * 24_001),
            "description",
            "must have 0 to 2,000 characters, has 24,001 characters",
        ),
        (announcement(fingerprint=""), "fingerprint", "must have 1 to 200 characters, has 0 characters"),
        (announcement(file_size_bytes=0), "file_size_bytes", "must be 1 to 157,286,400 bytes, is 0 bytes"),
        (GetFeedRequest(page_size=0), "page_size", "must be 1 to 100, is 0"),
        (GetFeedRequest(page_size=101), "page_size", "must be 1 to 100, is 101"),
        (GetFeedRequest(page_token="x" * 201), "page_token", "must have 0 to 200 characters, has 201 characters"),
        (pb.PresignPartsRequest(), "parts", "must have 1 to 30 entries, has 0 entries"),
        (
            MarkReadRequest(notification_ids=["x"] * 101),
            "notification_ids",
            "must have 0 to 100 entries, has 101 entries",
        ),
        (pb.GetUploadStateRequest(), "generation", f"must be 1 to {2**32 - 1:,}, is 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_beyond_a_limit_is_refused_with_limit_value_and_unit(request_: Message, field: str, told: str) -> None:
    assert refused(request_) == (FieldViolation(field, told),)


def test_all_that_is_wrong_is_told_at_once_and_by_its_place() -> None:
    right = pb.PartToSign(part_number=1, content_length=1)
    wrong = pb.PartToSign(part_number=10_001, content_length=2**63)
    found = refused(pb.PresignPartsRequest(parts=[right, wrong]))
    assert [one.field for one in found] == ["parts[1].part_number", "parts[1].content_length"]
    assert found[1].message == f"must be 1 to 157,286,400 bytes, is {2**63:,} bytes"


def test_a_service_may_have_a_limit_of_its_own() -> None:
    assert refused(ListFollowersRequest(page_size=1_000), NOTIFY) == ()
    [beyond] = refused(ListFollowersRequest(page_size=1_001), NOTIFY)
    assert beyond.message == "must be 1 to 1,000, is 1,001"
    assert refused(ListFollowersRequest(page_size=101))
    assert refused(GetFeedRequest(page_size=101), NOTIFY)


def test_what_has_a_failure_of_its_own_is_left_to_the_service() -> None:
    assert refused(announcement(content_type="video/webm", file_size_bytes=2**63)) == ()
    size = pb.InitiateUploadRequest.DESCRIPTOR.fields_by_name["file_size_bytes"]
    assert violation(size, 2**64 - 1) is None
    assert violation(size, 2**64)
