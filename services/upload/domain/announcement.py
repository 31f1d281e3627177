"""What a client announces about its file, and the rules for it."""

import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument
from services.upload.domain.errors import FileTooLarge, UnsupportedContentType

MAX_FILE_BYTES = 157_286_400
CONTENT_TYPES = {"video/mp4": "mp4", "video/quicktime": "mov"}
"""The accepted types and the extension of their originals."""

Visibility: TypeAlias = Literal["public", "unlisted", "private"]
VISIBILITIES = ("public", "unlisted", "private")

# One character may be made of many code points (a family of emoji has eleven); this bounds what is stored and drawn.
_CODE_POINTS_PER_CHARACTER = 12
# Characters that turn the direction of the text around them and so make a name look like another one.
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Rules:
    """What depends on the deployment: the categories, and how characters are counted (as a person does)."""

    categories: Collection[str]
    count_characters: Callable[[str], int]


@dataclass(frozen=True)
class Announcement:
    """A file that may be uploaded. Texts are trimmed and in Unicode's composed form; `video_id` is None for a new
    video."""

    title: str
    description: str
    category: str
    visibility: Visibility
    filename: str
    content_type: str
    file_size_bytes: int
    fingerprint: str | None
    video_id: UUID | None
    part_checksums: bool = False


def announce(
    rules: Rules,
    *,
    title: str,
    description: str,
    category: str,
    visibility: str,
    filename: str,
    content_type: str,
    file_size_bytes: int,
    fingerprint: str | None,
    video_id: UUID | None,
    part_checksums: bool = False,
    found: Sequence[FieldViolation] = (),
) -> Announcement:
    """Check everything and say everything that is wrong at once, with what the caller `found` before.

    Raises InvalidArgument; where type or size alone are wrong, UnsupportedContentType or FileTooLarge.
    """
    wrong = list(found)
    count = rules.count_characters
    title = _text("title", title, 1, 80, count, wrong)
    description = _text("description", description, 0, 2000, count, wrong, lines=True)
    filename = _text("filename", filename, 1, 255, count, wrong)
    if fingerprint is not None:
        fingerprint = _text("fingerprint", fingerprint, 1, 200, count, wrong)
    if category not in rules.categories:
        wrong.append(FieldViolation("category", f"must be one of {', '.join(rules.categories)}, {_is(category)}"))
    if visibility not in VISIBILITIES:
        wrong.append(FieldViolation("visibility", f"must be one of {', '.join(VISIBILITIES)}, {_is(visibility)}"))
    of_type = _wrong_type(content_type)
    of_size = _wrong_size(file_size_bytes)
    if wrong:
        raise InvalidArgument(fields=[*wrong, *of_type, *of_size])
    if of_type:
        raise UnsupportedContentType(f"The content type {of_type[0].message}.", fields=[*of_type, *of_size])
    if of_size:
        raise FileTooLarge(f"The file {of_size[0].message}.", fields=of_size)
    return Announcement(
        title=title,
        description=description,
        category=category,
        visibility=cast(Visibility, visibility),
        filename=filename,
        content_type=content_type,
        file_size_bytes=file_size_bytes,
        fingerprint=fingerprint,
        video_id=video_id,
        part_checksums=part_checksums,
    )


def _wrong_type(content_type: str) -> list[FieldViolation]:
    if content_type in CONTENT_TYPES:
        return []
    return [FieldViolation("content_type", f"must be one of {', '.join(CONTENT_TYPES)}, {_is(content_type)}")]


def _wrong_size(file_size_bytes: int) -> list[FieldViolation]:
    if file_size_bytes <= MAX_FILE_BYTES:
        return []
    rule = f"has {file_size_bytes:,} bytes; the limit is {MAX_FILE_BYTES:,} bytes (150 MB)"
    return [FieldViolation("file_size_bytes", rule)]


def _text(
    field: str,
    value: str,
    least: int,
    most: int,
    count: Callable[[str], int],
    wrong: list[FieldViolation],
    *,
    lines: bool = False,
) -> str:
    """The text trimmed and composed; what is wrong with it is added to `wrong`."""
    text = unicodedata.normalize("NFC", value.strip())
    rule = f"must have {least} to {most:,} characters"
    if len(text) > most * _CODE_POINTS_PER_CHARACTER:
        wrong.append(FieldViolation(field, f"{rule}, has {len(text):,} code points"))
    elif (characters := count(text)) > most:
        wrong.append(FieldViolation(field, f"{rule}, has {characters:,} characters"))
    elif (forbidden := _forbidden(text, lines)) is not None:
        wrong.append(FieldViolation(field, f"must not have control characters, has U+{ord(forbidden):04X}"))
    elif least and not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        wrong.append(FieldViolation(field, f"{rule}, has no visible one"))
    return text


def _forbidden(text: str, lines: bool) -> str | None:
    """The first control character; `lines` allows tabs and line ends."""
    for character in text:
        is_control = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and not (
            lines and character in "\t\r\n"
        )
        if is_control or character in _DIRECTION_OVERRIDES:
            return character
    return None


def _is(value: str) -> str:
    return f"is {value[:64]!r}" if value else "is missing"
