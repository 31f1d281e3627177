"""The limits that the protos declare are those by which everybody decides."""

import re
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.errors import Failure, FieldViolation, InvalidArgument
from chassis.limits import CODE_POINTS, limits_of
from gateway.contract import DESCRIPTORS, read_contract
from gateway.schema import request_schema
from nextplay.api.v1 import options_pb2
from nextplay.catalog.v1 import ingest_service_pb2, videos_service_pb2
from nextplay.upload.v1 import upload_service_pb2
from services.catalog.characters import count_characters
from services.catalog.domain import wording
from services.upload.domain import announcement, parts

CONTRACT = read_contract(DESCRIPTORS.read_bytes())
INITIATE = upload_service_pb2.InitiateUploadRequest.DESCRIPTOR
UPDATE = videos_service_pb2.UpdateVideoRequest.DESCRIPTOR
CLAIM = ingest_service_pb2.ClaimVideoForUploadRequest.DESCRIPTOR
TEXTS = [(INITIATE, name) for name in ("title", "description", "filename", "fingerprint")]
TEXTS += [(UPDATE, "title"), (UPDATE, "description")]


def fields(message: Descriptor) -> list[FieldDescriptor]:
    """The fields of a message and of the messages in it."""
    own = list(message.fields)
    return own + [inner for field in own if field.message_type for inner in fields(field.message_type)]


REQUESTED = [field for endpoint in CONTRACT.endpoints for field in fields(endpoint.method.input_type)]


def wrong(message: Descriptor, name: str, text: str) -> tuple[FieldViolation, ...]:
    """What the domain that takes the field has against a text."""
    try:
        if message is UPDATE:
            rules = wording.Rules(("sports",), count_characters)
            told: dict[str, Any] = {"title": None, "description": None, "category": None, "visibility": None}
            wording.change(rules, **told | {name: text})
        else:
            announced = announcement.Rules(("sports",), count_characters)
            announcement.announce(announced, **ANNOUNCED | {name: text})
    except Failure as failure:
        return failure.fields
    return ()


ANNOUNCED: dict[str, Any] = {
    "title": "A clip",
    "description": "",
    "category": "sports",
    "visibility": "public",
    "filename": "clip.mp4",
    "content_type": "video/mp4",
    "file_size_bytes": 1,
    "fingerprint": None,
    "video_id": None,
}


@pytest.mark.parametrize(("message", "name"), TEXTS, ids=lambda one: getattr(one, "name", one))
@pytest.mark.parametrize("character", ["x", "é", "e\u0301\u0302", "\U0001f468\u200d\U0001f469\u200d\U0001f467"])
def test_a_text_has_as_many_characters_as_a_person_counts(message: Descriptor, name: str, character: str) -> None:
    limits = limits_of(message.fields_by_name[name])
    assert not wrong(message, name, character * limits.max_characters)
    [told] = wrong(message, name, character * (limits.max_characters + 1))
    assert told.field == name
    assert re.search(rf"{limits.min_length} to {limits.max_characters:,} characters", told.message)
    assert bool(wrong(message, name, "")) == bool(limits.min_length)


def test_no_domain_takes_a_text_that_the_contract_refuses() -> None:
    for message, name in TEXTS:
        limits = limits_of(message.fields_by_name[name])
        longest = "b" + "\u0301" * (CODE_POINTS * limits.max_characters)
        assert wrong(message, name, longest), f"{message.name}.{name} is longer than what reaches the domain"


def test_a_claim_takes_the_texts_that_upload_was_given() -> None:
    for name in ("title", "description"):
        assert limits_of(CLAIM.fields_by_name[name]) == limits_of(INITIATE.fields_by_name[name])


def test_the_limits_with_failures_of_their_own_are_those_of_the_domain() -> None:
    size, kind = (limits_of(INITIATE.fields_by_name[name]) for name in ("file_size_bytes", "content_type"))
    assert (size.maximum, size.beyond) == (announcement.MAX_FILE_BYTES, options_pb2.TOO_LARGE)
    assert (set(kind.words), kind.beyond) == (set(announcement.CONTENT_TYPES), options_pb2.UNSUPPORTED_TYPE)


def test_a_file_of_any_size_can_be_named_part_by_part() -> None:
    most = -(-announcement.MAX_FILE_BYTES // parts.MIN_PART_BYTES)
    for field in REQUESTED:
        limits = limits_of(field)
        if field.name == "part_number":
            assert (limits.minimum, limits.maximum) == (1, most), field.full_name
        if field.name == "parts":
            assert limits.max_items == most, field.full_name
        if field.name == "content_length":
            assert (limits.minimum, limits.maximum) == (1, announcement.MAX_FILE_BYTES), field.full_name


@pytest.mark.parametrize("text", ["abc", "A" * 43 + "=", "A" * 44, "A" * 42 + "==", "-" * 43 + "=", "A" * 87 + "="])
def test_a_checksum_that_the_contract_takes_is_one_for_the_domain(text: str) -> None:
    field = upload_service_pb2.PartToSign.DESCRIPTOR.fields_by_name["checksum_sha256"]
    pattern = request_schema([field], {})["properties"]["checksum_sha256"]["pattern"]
    try:
        parts.check_parts(5, [parts.PartToSign(1, 5, text)])
        taken = True
    except InvalidArgument:
        taken = False
    assert taken == bool(re.search(pattern, text))


@pytest.mark.parametrize("field", REQUESTED, ids=lambda field: field.full_name)
def test_every_field_of_a_request_that_can_be_long_has_a_limit(field: FieldDescriptor) -> None:
    limits = limits_of(field)
    if field.is_repeated:
        assert limits.max_items, "a list without an end"
    if field.type == field.TYPE_STRING and field.name != "category":  # one of a configured list
        assert limits.format or limits.max_length or limits.max_characters or limits.words, "a text without an end"
    if limits.min_length:
        assert limits.max_length or limits.max_characters, "a shortest text without a longest"
    assert not (limits.max_length and limits.max_characters), "two ways to count one text"
