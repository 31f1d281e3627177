"""The rules by which protobuf's own JSON mapping is the API's, and those that every RPC and event obeys."""

import re
from collections.abc import Iterator

import pytest
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from chassis.errors import Kind
from gateway.contract import DESCRIPTORS, HTTP_BODY, Endpoint, read_contract
from nextplay.api.v1 import options_pb2

TIMESTAMP = "google.protobuf.Timestamp"
WIDE = {
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
}
NUMBERS_OF_REPLIES = {FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_DOUBLE}


def our_files() -> list[FileDescriptor]:
    pool = DescriptorPool()
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    for file in files:
        pool.Add(file)
    return [pool.FindFileByName(file.name) for file in files if file.package.startswith("nextplay.")]


FILES = our_files()
CONTRACT = read_contract(DESCRIPTORS.read_bytes())
METHODS = [method for file in FILES for service in file.services_by_name.values() for method in service.methods]
PUBLIC = [endpoint.method for endpoint in CONTRACT.endpoints]


def nested(message: Descriptor) -> Iterator[Descriptor]:
    yield message
    for inner in message.nested_types:
        yield from nested(inner)


MESSAGES = [inner for file in FILES for message in file.message_types_by_name.values() for inner in nested(message)]
EVENTS = [message for message in MESSAGES if message.GetOptions().HasExtension(options_pb2.event)]


def reached(message: Descriptor, above: tuple[str, ...] = ()) -> Iterator[FieldDescriptor]:
    """The fields of a message and of all messages within it."""
    assert message.full_name not in above, f"{message.full_name} holds itself"
    for field in message.fields:
        yield field
        if field.message_type is not None and field.message_type.full_name != TIMESTAMP:
            yield from reached(field.message_type, (*above, message.full_name))


def replies() -> Iterator[FieldDescriptor]:
    for method in PUBLIC:
        if method.output_type.full_name != HTTP_BODY:
            yield from reached(method.output_type)


def requests() -> Iterator[FieldDescriptor]:
    for method in PUBLIC:
        yield from reached(method.input_type)


def enums() -> Iterator[EnumDescriptor]:
    for field in (*replies(), *requests()):
        if field.enum_type is not None:
            yield field.enum_type


def test_replies_have_no_64_bit_integers_and_only_numbers_that_json_prints_as_numbers() -> None:
    numbers = [field for field in replies() if field.cpp_type not in (field.CPPTYPE_STRING, field.CPPTYPE_MESSAGE)]
    wrong = [
        field.full_name
        for field in numbers
        if field.cpp_type not in (field.CPPTYPE_BOOL, field.CPPTYPE_ENUM) and field.type not in NUMBERS_OF_REPLIES
    ]
    assert not wrong
    assert any(field.type in WIDE for field in requests()), "requests may have them, so this test must tell them apart"


def test_no_public_message_has_a_oneof_a_map_bytes_or_an_unknown_message() -> None:
    for field in (*replies(), *requests()):
        one_of = field.containing_oneof
        assert one_of is None or one_of.name == f"_{field.name}", f"{field.full_name} is in a oneof"
        assert field.type != field.TYPE_BYTES, field.full_name
        message = field.message_type
        if message is not None:
            assert not message.GetOptions().map_entry, f"{field.full_name} is a map"
            assert message.full_name == TIMESTAMP or message.full_name.startswith("nextplay."), field.full_name


def test_names_are_snake_case() -> None:
    wrong = [field.full_name for message in MESSAGES for field in message.fields if not is_snake(field.name)]
    assert not wrong


def is_snake(name: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) is not None


def test_enums_of_the_api_are_nested_and_begin_with_a_word_that_is_never_sent() -> None:
    for enum in enums():
        assert enum.containing_type is not None, f"{enum.full_name} is not nested"
        assert enum.values[0].number == 0
        assert enum.values[0].name.endswith("_UNSPECIFIED"), enum.full_name
        assert not [value.name for value in enum.values[1:] if "UNSPECIFIED" in value.name]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_an_rpc_says_who_may_call_it_and_what_it_fails_with(method: MethodDescriptor) -> None:
    rule = method.GetOptions().Extensions[options_pb2.rpc]
    assert rule.access != options_pb2.ACCESS_UNSPECIFIED
    assert (rule.access != options_pb2.SERVICE) or rule.callers, "a SERVICE method names its callers"
    assert options_pb2.ERROR_KIND_UNSPECIFIED not in rule.fails
    assert len(set(rule.fails)) == len(rule.fails)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_only_what_users_or_anybody_may_call_is_public(method: MethodDescriptor) -> None:
    public = method.GetOptions().HasExtension(annotations_pb2.http)
    internal = method.GetOptions().Extensions[options_pb2.rpc].access == options_pb2.SERVICE
    assert public != internal


@pytest.mark.parametrize("endpoint", CONTRACT.endpoints, ids=lambda endpoint: endpoint.method.name)
def test_parameters_can_be_written_in_a_url(endpoint: Endpoint) -> None:
    for field in endpoint.path_fields:
        assert field.type == field.TYPE_STRING, f"{field.full_name} is in the path"
        required = field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        assert required, f"{field.full_name} is in the path and not REQUIRED"
    if not endpoint.has_body:
        for field in endpoint.other_fields:
            assert field.message_type is None or field.message_type.full_name == TIMESTAMP, field.full_name


@pytest.mark.parametrize("method", PUBLIC, ids=lambda method: method.full_name)
def test_a_field_of_a_public_request_is_required_optional_or_repeated(method: MethodDescriptor) -> None:
    for field in reached(method.input_type):
        required = field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        optional = field.containing_oneof is not None
        assert required + optional + field.is_repeated >= 1, f"{field.full_name} could not be told from absent"
        assert not (required and optional), field.full_name


@pytest.mark.parametrize("method", [method for method in PUBLIC if method.server_streaming], ids=lambda m: m.name)
def test_a_stream_can_be_resumed(method: MethodDescriptor) -> None:
    sequence = method.output_type.fields_by_name["sequence"]
    after = method.input_type.fields_by_name["after_sequence"]
    assert sequence.type == after.type == FieldDescriptor.TYPE_UINT32
    assert after.containing_oneof is not None


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.full_name)
def test_an_event_names_its_topic_and_a_text_as_its_key(event: Descriptor) -> None:
    option = event.GetOptions().Extensions[options_pb2.event]
    assert re.fullmatch(r"nextplay\.[a-z]+(\.[a-z]+)?\.v1", option.topic)
    assert event.fields_by_name[option.key].type == FieldDescriptor.TYPE_STRING
    assert not event.fields_by_name[option.key].is_repeated


def test_every_message_of_an_events_file_is_an_event_or_a_part_of_one() -> None:
    files = [file for file in FILES if file.name.endswith(("_events.proto", "_signals.proto"))]
    parts = {field.message_type.full_name for event in EVENTS for field in reached(event) if field.message_type}
    named = {event.full_name for event in EVENTS}
    assert named
    for file in files:
        for message in file.message_types_by_name.values():
            assert message.full_name in named | parts, message.full_name


def test_everything_has_a_comment() -> None:
    names = [
        *(message.full_name for message in MESSAGES),
        *(field.full_name for message in MESSAGES for field in message.fields),
        *(method.full_name for method in METHODS),
        *(method.containing_service.full_name for method in METHODS),
        *(f"{enum.full_name}.{value.name}" for enum in enums() for value in enum.values),
    ]
    assert not [name for name in names if not CONTRACT.comments.get(name)]


def test_messages_of_the_api_have_names_of_their_own() -> None:
    found: dict[str, str] = {}
    for field in (*replies(), *requests()):
        message = field.message_type or field.containing_type
        assert found.setdefault(message.name, message.full_name) == message.full_name
    names = [method.name for method in PUBLIC]
    assert len(set(names)) == len(names)


def test_the_kinds_of_failure_are_those_of_the_chassis() -> None:
    assert set(options_pb2.ErrorKind.keys()) - {"ERROR_KIND_UNSPECIFIED"} == set(Kind.__members__)
    for kind in Kind:
        comment = CONTRACT.comments[f"nextplay.api.v1.ErrorKind.{kind.name}"]
        assert comment.startswith(f"{kind.http_status}: "), kind
