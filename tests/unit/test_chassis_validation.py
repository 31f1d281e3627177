from uuid import UUID

import pytest

from chassis.errors import InvalidArgument
from chassis.validation import parse_uuid

TEXT = "550e8400-e29b-41d4-a716-44665544aaaa"


@pytest.mark.parametrize("text", [TEXT, TEXT.upper()])
def test_a_uuid_is_taken_in_either_case(text: str) -> None:
    assert parse_uuid("video_id", text) == UUID(TEXT)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", TEXT[:-1], TEXT + "0", TEXT.replace("-", ""), f"{{{TEXT}}}", f"urn:uuid:{TEXT}", " " + TEXT],
)
def test_anything_else_is_refused_under_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_uuid("parts[2].upload_id", text)
    assert refused.value.fields[0].field == "parts[2].upload_id"
