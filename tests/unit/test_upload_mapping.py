"""What reaches the use cases of a request, and what is refused before."""

from uuid import uuid4

import pytest

from chassis.errors import InvalidArgument
from nextplay.catalog.v1.video_pb2 import Video
from nextplay.upload.v1 import upload_service_pb2 as pb
from services.upload.characters import count_characters
from services.upload.domain.announcement import Rules
from services.upload.domain.parts import NamedPart, PartToSign
from services.upload.mapping import (
    announcement,
    named_parts,
    parts_to_sign,
    upload_state,
    uploads_asked,
)

RULES = Rules(("sports",), count_characters)
KEY = b"a key of at least thirty-two bytes"


def request(**changes: object) -> pb.InitiateUploadRequest:
    asked = pb.InitiateUploadRequest(
        title="Goal", category="sports", filename="a.mov", content_type="video/quicktime", file_size_bytes=1
    )
    for name, value in changes.items():
        setattr(asked, name, value)
    return asked


def fields_of(raised: pytest.ExceptionInfo[InvalidArgument]) -> list[str]:
    return [violation.field for violation in raised.value.fields]


def test_visibility_is_public_unless_told() -> None:
    assert announcement(request(), RULES).visibility == "public"
    assert announcement(request(visibility=Video.Visibility.private), RULES).visibility == "private"


def test_parts_come_without_checksums_unless_told() -> None:
    assert not announcement(request(), RULES).part_checksums
    assert not announcement(request(part_checksums=False), RULES).part_checksums
    assert announcement(request(part_checksums=True), RULES).part_checksums


@pytest.mark.parametrize("number", [0, 17])
def test_an_unknown_visibility_is_refused(number: int) -> None:
    with pytest.raises(InvalidArgument) as raised:
        announcement(request(visibility=number), RULES)
    assert fields_of(raised) == ["visibility"]


def test_a_malformed_video_id_is_told_with_everything_else() -> None:
    with pytest.raises(InvalidArgument) as raised:
        announcement(request(video_id="7", title=""), RULES)
    assert fields_of(raised) == ["video_id", "title"]


def test_the_parts_of_a_batch_are_known_by_their_place() -> None:
    part = pb.PartToSign(part_number=1, content_length=5, checksum_sha256="x")
    assert parts_to_sign(pb.PresignPartsRequest(parts=[part])) == [PartToSign(1, 5, "x", "parts[0].")]


def test_etags_are_taken_with_and_without_quotes() -> None:
    parts = [pb.CompletedPart(part_number=1, etag='"abc"'), pb.CompletedPart(part_number=2, etag=" abc ")]
    assert named_parts(pb.CompleteUploadRequest(parts=parts)) == [NamedPart(1, "abc"), NamedPart(2, "abc")]


def test_no_parts_means_those_that_s3_holds() -> None:
    assert named_parts(pb.CompleteUploadRequest()) is None


def test_a_page_token_is_of_one_user_and_one_fingerprint() -> None:
    user_id = uuid4()
    asked, fingerprint = uploads_asked(pb.ListUploadsRequest(fingerprint="f"), user_id, KEY)
    assert (asked.size, fingerprint) == (20, "f")
    with pytest.raises(InvalidArgument) as raised:
        uploads_asked(pb.ListUploadsRequest(page_token="forged"), user_id, KEY)
    assert fields_of(raised) == ["page_token"]


def test_nothing_is_told_of_an_unknown_generation() -> None:
    assert upload_state(None) == pb.GetUploadStateResponse()
    assert not upload_state(None).HasField("fact")
