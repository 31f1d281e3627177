"""Replies are printed as protobuf's own mapping prints them."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from gateway.contract import DESCRIPTORS, HTTP_BODY, read_contract
from gateway.printing import printed

REPLIES = {
    endpoint.reply.DESCRIPTOR.name: endpoint.reply
    for endpoint in read_contract(DESCRIPTORS.read_bytes()).endpoints
    if endpoint.reply.DESCRIPTOR.full_name != HTTP_BODY
}
SAMPLES = {FieldDescriptor.CPPTYPE_STRING: "é\u202e", FieldDescriptor.CPPTYPE_DOUBLE: 29.97}


def fill(message: Message) -> None:
    """Give every field a value other than its default, and lists two."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            value = getattr(message, field.name)
            for one in [value.add(), value.add()] if field.is_repeated else [value]:
                fill(one)
                one.SetInParent()
        else:
            sample = SAMPLES.get(field.cpp_type, 1)
            if field.is_repeated:
                getattr(message, field.name).extend([sample, sample])
            else:
                setattr(message, field.name, sample)


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_a_reply_is_printed_in_protobufs_mapping(name: str, filled: bool) -> None:
    message = REPLIES[name]()
    if filled:
        fill(message)
    expected = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert printed(message) == expected


def test_an_enum_value_of_a_newer_service_is_printed_as_its_number() -> None:
    message = REPLIES["GetVideoStatusResponse"](status=99)
    assert printed(message)["status"] == 99
