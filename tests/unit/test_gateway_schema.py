"""JSON Schemas of messages."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.contract import DESCRIPTORS, Contract, Endpoint, read_contract
from gateway.schema import Schema, publish_reply, request_schema


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(DESCRIPTORS.read_bytes())


def endpoint(contract: Contract, name: str) -> Endpoint:
    return next(endpoint for endpoint in contract.endpoints if endpoint.method.name == name)


def test_a_request_is_strict(contract: Contract) -> None:
    schema = request_schema(endpoint(contract, "CompleteUpload").other_fields, contract.comments)
    assert schema["additionalProperties"] is False
    assert schema["required"] == []
    parts = schema["properties"]["parts"]
    assert parts["minItems"] == 1
    assert parts["items"]["required"] == ["part_number", "etag"]
    assert parts["items"]["additionalProperties"] is False


def test_the_unspecified_word_of_an_enum_is_not_among_those_that_may_be_sent(contract: Contract) -> None:
    schema = request_schema(endpoint(contract, "PublishVideo").other_fields, contract.comments)
    assert schema["properties"]["visibility"]["enum"] == ["public", "unlisted", "private"]
    assert "- `unlisted`: Everybody who has the link" in schema["properties"]["visibility"]["description"]


def test_numbers_have_their_bounds(contract: Contract) -> None:
    properties = request_schema(endpoint(contract, "PresignPart").other_fields, contract.comments)["properties"]
    assert (properties["part_number"]["minimum"], properties["part_number"]["maximum"]) == (1, 30)
    assert properties["content_length"]["maximum"] == 157_286_400
    without = request_schema(endpoint(contract, "GetVideoStatus").other_fields, contract.comments)["properties"]
    assert (without["min_sequence"]["minimum"], without["min_sequence"]["maximum"]) == (0, 2**32 - 1)


def test_texts_and_lists_have_their_bounds(contract: Contract) -> None:
    properties = request_schema(endpoint(contract, "InitiateUpload").other_fields, contract.comments)["properties"]
    title, content_type = properties["title"], properties["content_type"]
    assert (title["minLength"], title["maxLength"], title["x-max-characters"]) == (1, 80 * 12, 80)
    assert content_type["enum"] == ["video/mp4", "video/quicktime"]
    assert properties["video_id"]["format"] == "uuid"
    batch = request_schema(endpoint(contract, "PresignParts").other_fields, contract.comments)["properties"]["parts"]
    assert (batch["minItems"], batch["maxItems"]) == (1, 30)
    assert batch["items"]["properties"]["checksum_sha256"]["pattern"]
    read = request_schema(endpoint(contract, "MarkRead").other_fields, contract.comments)["properties"]
    assert read["notification_ids"]["items"]["format"] == "uuid"


def test_what_is_not_optional_in_a_reply_is_required(contract: Contract) -> None:
    published: dict[str, Schema] = {}
    message = endpoint(contract, "GetVideo").method.output_type
    assert publish_reply(message, contract.comments, published) == {"$ref": "#/components/schemas/GetVideoResponse"}
    assert set(published) == {"GetVideoResponse", "VideoAsset", "Reason"}
    reply = published["GetVideoResponse"]
    assert {"created_at", "assets", "sequence"} <= set(reply["required"])
    assert not {"published_at", "reason", "fps"} & set(reply["required"])
    assert reply["properties"]["assets"]["items"] == {"$ref": "#/components/schemas/VideoAsset"}
    assert reply["properties"]["created_at"]["format"] == "date-time"


def test_a_type_without_a_json_rule_is_named() -> None:
    file = FileDescriptorProto(name="odd.proto", package="odd", syntax="proto3")
    file.message_type.add(name="Odd").field.add(name="raw", number=1, type=12, label=1)
    pool = DescriptorPool()
    pool.Add(file)
    with pytest.raises(ValueError, match=r"odd\.Odd\.raw"):
        request_schema(pool.FindMessageTypeByName("odd.Odd").fields, {})
