"""What a client may announce, and what it is told when it may not."""

from typing import Any
from uuid import UUID

import pytest

from chassis.errors import Failure, FieldViolation, InvalidArgument
from services.upload.characters import count_characters
from services.upload.domain.announcement import Announcement, Rules, announce
from services.upload.domain.errors import FileTooLarge, UnsupportedContentType

RULES = Rules(categories=("sports", "music"), count_characters=count_characters)
FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🏴󠁧󠁢󠁥󠁮󠁧󠁿"


def announced(**changes: Any) -> Announcement:
    told: dict[str, Any] = {
        "title": "My Video",
        "description": "",
        "category": "sports",
        "visibility": "public",
        "filename": "video.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": 45_678_901,
        "fingerprint": None,
        "video_id": None,
    }
    return announce(RULES, **{**told, **changes})


def refusal(**changes: Any) -> Failure:
    with pytest.raises(Failure) as raised:
        announced(**changes)
    return raised.value


def wrong_fields(failure: Failure) -> list[str]:
    return [violation.field for violation in failure.fields]


def test_what_the_specification_sends_is_accepted() -> None:
    file = announced()
    assert (file.title, file.category, file.visibility, file.file_size_bytes) == (
        "My Video",
        "sports",
        "public",
        45_678_901,
    )


@pytest.mark.parametrize(
    "title",
    [
        "x",
        "x" * 80,
        "é" * 80,
        "e\u0301" * 80,
        FAMILY * 80,
        FLAG * 80,
        "नमस्ते दुनिया",
        "שלום \u200fעולם",
        "50 % off!",
        "\u00a1Hola!",
    ],
)
def test_titles_of_80_characters_as_a_person_counts_them_are_accepted(title: str) -> None:
    assert count_characters(announced(title=title).title) <= 80


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("", "must have 1 to 80 characters, has no visible one"),
        ("   ", "must have 1 to 80 characters, has no visible one"),
        ("\u200d\u200f", "must have 1 to 80 characters, has no visible one"),
        ("\u0301", "must have 1 to 80 characters, has no visible one"),
        ("x" * 81, "must have 1 to 80 characters, has 81 characters"),
        (FAMILY * 81, "must have 1 to 80 characters, has 81 characters"),
        ("x" * 10_000, "must have 1 to 80 characters, has 10,000 code points"),
        ("e" + "\u0301" * 5_000, "must have 1 to 80 characters, has 5,000 code points"),
        ("a\x00b", "must not have control characters, has U+0000"),
        ("a\x1bb", "must not have control characters, has U+001B"),
        ("a\nb", "must not have control characters, has U+000A"),
        ("a\u2028b", "must not have control characters, has U+2028"),
        ("fdp.\u202ecod", "must not have control characters, has U+202E"),
    ],
)
def test_a_wrong_title_is_told_with_its_length_and_the_limit(title: str, told: str) -> None:
    failure = refusal(title=title)
    assert isinstance(failure, InvalidArgument)
    assert failure.fields == (FieldViolation("title", told),)


def test_texts_are_trimmed_and_composed() -> None:
    file = announced(title="  Cafe\u0301 \u3000", filename=" a.mp4 ")
    assert (file.title, file.filename) == ("Café", "a.mp4")


def test_a_description_may_have_lines_and_no_other_control_characters() -> None:
    assert announced(description="One.\n\tTwo.\r\n").description == "One.\n\tTwo."
    assert wrong_fields(refusal(description="One.\x07")) == ["description"]
    assert wrong_fields(refusal(description="x" * 2001)) == ["description"]


@pytest.mark.parametrize(
    ("size", "accepted"),
    [(1, True), (157_286_400, True), (157_286_401, False), (2**63, False), (2**64 - 1, False)],
)
def test_a_file_has_at_most_150_mb(size: int, accepted: bool) -> None:
    if accepted:
        assert announced(file_size_bytes=size).file_size_bytes == size
    else:
        assert wrong_fields(refusal(file_size_bytes=size)) == ["file_size_bytes"]


def test_a_file_that_is_too_large_is_told_with_both_sizes() -> None:
    failure = refusal(file_size_bytes=157_286_401)
    assert isinstance(failure, FileTooLarge)
    assert str(failure) == "The file has 157,286,401 bytes; the limit is 157,286,400 bytes (150 MB)."


def test_an_unsupported_type_is_told_with_those_that_are() -> None:
    failure = refusal(content_type="video/webm")
    assert isinstance(failure, UnsupportedContentType)
    assert str(failure) == "The content type must be one of video/mp4, video/quicktime, is 'video/webm'."


def test_everything_that_is_wrong_is_told_at_once() -> None:
    failure = refusal(
        title="",
        category="cats",
        visibility="7",
        filename="",
        content_type="text/plain",
        file_size_bytes=2**40,
        fingerprint="",
        description="\x00",
        found=[FieldViolation("video_id", "is no UUID")],
    )
    assert isinstance(failure, InvalidArgument)
    assert sorted(wrong_fields(failure)) == [
        "category",
        "content_type",
        "description",
        "file_size_bytes",
        "filename",
        "fingerprint",
        "title",
        "video_id",
        "visibility",
    ]


def test_a_wrong_type_and_size_are_told_together() -> None:
    failure = refusal(content_type="", file_size_bytes=2**40)
    assert isinstance(failure, UnsupportedContentType)
    assert wrong_fields(failure) == ["content_type", "file_size_bytes"]


def test_a_long_wrong_value_is_not_repeated_whole() -> None:
    failure = refusal(category="c" * 10_000)
    assert len(failure.fields[0].message) < 200


def test_the_announced_video_is_kept() -> None:
    assert announced(video_id=UUID(int=7)).video_id == UUID(int=7)
