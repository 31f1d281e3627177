"""The parts of a file: how it is cut, what may be signed, what is missing, and what S3 may assemble."""

import base64
import binascii
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chassis.errors import FieldViolation, InvalidArgument
from services.upload.domain.errors import PartMismatch, PartsMissing, PartTooSmall
from services.upload.domain.upload import PartList, named

MIB = 1024 * 1024
MIN_PART_BYTES = 5 * MIB
SUGGESTED_PART_BYTES = 10 * MIB


@dataclass(frozen=True)
class PartToSign:
    """A part whose URL is asked for; `field` is the path of its fields in the request ("" or "parts[2].")."""

    number: int
    content_length: int
    checksum_sha256: str | None
    field: str = ""


@dataclass(frozen=True)
class NamedPart:
    """A part as the client names it at complete; the ETag without quotes."""

    number: int
    etag: str


class ReceivedPart(Protocol):
    """A part that S3 holds; the ETag without quotes, the SHA-256 in base64 where S3 tells it."""

    @property
    def number(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def checksum_sha256(self) -> str | None: ...


Received = TypeVar("Received", bound=ReceivedPart)


def suggested_count(file_size_bytes: int) -> int:
    """How many parts the file has when it is cut as we suggest."""
    return _ceil(file_size_bytes, SUGGESTED_PART_BYTES)


def check_parts(file_size_bytes: int, parts: Sequence[PartToSign], *, part_checksums: bool = False) -> None:
    """Whether each of these may be a part of the file; with `part_checksums` none may be without its SHA-256. Raises
    InvalidArgument with all that is wrong."""
    wrong: list[FieldViolation] = []
    size = f"{file_size_bytes:,} bytes, the size of the file"
    seen: set[int] = set()
    for part in parts:
        wrong += _wrong_number(file_size_bytes, part.number, seen, part.field)
        seen.add(part.number)
        if not 1 <= part.content_length <= file_size_bytes:
            rule = f"must be 1 to {size}, is {part.content_length:,} bytes"
            wrong.append(FieldViolation(f"{part.field}content_length", rule))
        elif _highest_number(file_size_bytes) == 1 and part.content_length != file_size_bytes:
            rule = f"must be {size}, in its only part; is {part.content_length:,} bytes"
            wrong.append(FieldViolation(f"{part.field}content_length", rule))
        if part.checksum_sha256 is not None and not _is_sha256(part.checksum_sha256):
            rule = f"must be a SHA-256 in base64 (44 characters), has {len(part.checksum_sha256):,} characters"
            wrong.append(FieldViolation(f"{part.field}checksum_sha256", rule))
        elif part_checksums and part.checksum_sha256 is None:
            rule = "is missing; the upload was announced with part_checksums, so each part is signed with its SHA-256"
            wrong.append(FieldViolation(f"{part.field}checksum_sha256", rule))
    if wrong:
        raise InvalidArgument(fields=wrong)


def check_sum(file_size_bytes: int, before: Mapping[int, int], parts: Sequence[PartToSign]) -> None:
    """Whether these parts may be signed beside those that were signed before, whose lengths are given by number. A part
    that is signed again is replaced. Raises InvalidArgument."""
    total = sum({**before, **{part.number: part.content_length for part in parts}}.values())
    if total > file_size_bytes:
        rule = f"makes all signed parts {total:,} bytes together; declared were {file_size_bytes:,} bytes"
        raise InvalidArgument(fields=[FieldViolation(f"{parts[-1].field}content_length", rule)])


def present(received: Iterable[Received], signed: Mapping[int, int]) -> list[Received]:
    """One part for each number, ascending. Of a part that is listed more than once the last counts; but one of the
    length that was signed comes before any other, because a clock of seconds can't tell which was sent last."""
    as_signed_last = sorted(received, key=lambda part: part.size_bytes == signed.get(part.number))
    chosen = {part.number: part for part in as_signed_last}
    return [chosen[number] for number in sorted(chosen)]


def missing_parts(file_size_bytes: int, signed: Mapping[int, int], received: Iterable[ReceivedPart]) -> list[int]:
    """The numbers still to be sent, ascending, for a client that cuts as suggested, or as it was signed.

    Those are the signed ones that have not arrived, and as many of the lowest free numbers as the rest of the file
    takes when it is cut like the parts that are known.
    """
    arrived = {part.number: part.size_bytes for part in received}
    known = {**signed, **arrived}
    rest = file_size_bytes - sum(known.values())
    unknown: list[int] = []
    if rest > 0:
        free = (number for number in itertools.count(1) if number not in known)
        unknown = list(itertools.islice(free, _ceil(rest, _cut(file_size_bytes, known))))
    return sorted([*(number for number in signed if number not in arrived), *unknown])


def parts_to_assemble(
    file_size_bytes: int,
    signed: Mapping[int, int],
    received: Sequence[Received],
    client: Sequence[NamedPart] | None,
    checksums: Mapping[int, str] | None = None,
) -> PartList:
    """The parts of which S3 makes the original: those that the client names, or (None) all that S3 holds.

    In an upload with `part_checksums` those with which the parts were signed last count: a part that was signed with
    none, or that came with another one by S3's word, is not the part that the client means.

    Raises PartsMissing, PartMismatch and PartTooSmall, naming the parts; InvalidArgument for a part that is named twice
    or that the file cannot have.
    """
    chosen = present(received, signed) if client is None else _agreed(file_size_bytes, received, client)
    total = sum(part.size_bytes for part in chosen)
    if total < file_size_bytes:
        _raise_missing(file_size_bytes, total, missing_parts(file_size_bytes, signed, chosen))
    if small := [part for part in chosen[:-1] if part.size_bytes < MIN_PART_BYTES]:
        sizes = ", ".join(f"part {part.number} has {part.size_bytes:,} bytes" for part in small)
        raise PartTooSmall(
            f"All parts but the last have at least {MIN_PART_BYTES:,} bytes (5 MiB): {sizes}.",
            fields=[FieldViolation("parts", f"part {part.number} is too small") for part in small],
        )
    if total > file_size_bytes:
        numbers = named([part.number for part in chosen]).capitalize()
        raise PartMismatch(
            f"{numbers} add up to {total:,} bytes; declared were {file_size_bytes:,} bytes.",
            fields=[FieldViolation("parts", f"{total:,} bytes instead of {file_size_bytes:,} bytes")],
        )
    if checksums is not None:
        _must_be_as_signed(chosen, checksums)
    return tuple((part.number, part.etag) for part in chosen)


def _wrong_number(file_size_bytes: int, number: int, seen: Collection[int], field: str) -> list[FieldViolation]:
    """What is wrong with the number of a part that comes after those `seen`."""
    wrong: list[FieldViolation] = []
    highest = _highest_number(file_size_bytes)
    if not 1 <= number <= highest:
        rule = f"must be 1 to {highest} for a file of {file_size_bytes:,} bytes, is {number:,}"
        wrong.append(FieldViolation(f"{field}part_number", rule))
    if number in seen:
        wrong.append(FieldViolation(f"{field}part_number", f"names part {number:,} a second time"))
    return wrong


def _agreed(file_size_bytes: int, received: Sequence[Received], client: Sequence[NamedPart]) -> list[Received]:
    """The parts that the client names, ascending, where S3 holds all of them with the same ETags."""
    etags: dict[int, str] = {}
    wrong: list[FieldViolation] = []
    for index, part in enumerate(client):
        wrong += _wrong_number(file_size_bytes, part.number, etags, f"parts[{index}].")
        etags[part.number] = part.etag
    if wrong:
        raise InvalidArgument(fields=wrong)
    numbers = {part.number for part in received}
    if absent := sorted(etags.keys() - numbers):
        raise PartsMissing(
            f"{named(absent).capitalize()} did not arrive.",
            fields=[FieldViolation("parts", f"part {number} is missing") for number in absent],
        )
    held = {(part.number, part.etag): part for part in received}
    if other := sorted(number for number, etag in etags.items() if (number, etag) not in held):
        raise PartMismatch(
            f"The ETag of {named(other)} is not the one that S3 answered.",
            fields=[FieldViolation("parts", f"part {number} has another ETag") for number in other],
        )
    return [held[named_part] for named_part in sorted(etags.items())]


def _must_be_as_signed(chosen: Sequence[ReceivedPart], checksums: Mapping[int, str]) -> None:
    if other := [part.number for part in chosen if not _is_as_signed(part, checksums.get(part.number))]:
        raise PartMismatch(
            f"The SHA-256 of {named(other)} is not the one that was signed last.",
            fields=[FieldViolation("parts", f"part {number} has another SHA-256") for number in other],
        )


def _is_as_signed(part: ReceivedPart, signed: str | None) -> bool:
    return signed is not None and part.checksum_sha256 in (None, signed)


def _raise_missing(file_size_bytes: int, total: int, numbers: Sequence[int]) -> None:
    raise PartsMissing(
        f"{named(numbers).capitalize()} {'are' if len(numbers) > 1 else 'is'} missing: "
        f"{total:,} of {file_size_bytes:,} bytes are there.",
        fields=[FieldViolation("parts", f"part {number} is missing") for number in numbers],
    )


def _highest_number(file_size_bytes: int) -> int:
    return _ceil(file_size_bytes, MIN_PART_BYTES)


def _cut(file_size_bytes: int, known: Mapping[int, int]) -> int:
    """The length in which a client cuts, as far as the known parts tell."""
    as_suggested = all(length == _suggested_length(file_size_bytes, number) for number, length in known.items())
    longest = max(known.values(), default=0)
    return SUGGESTED_PART_BYTES if as_suggested or longest < MIN_PART_BYTES else longest


def _suggested_length(file_size_bytes: int, number: int) -> int:
    return min(SUGGESTED_PART_BYTES, file_size_bytes - (number - 1) * SUGGESTED_PART_BYTES)


def _is_sha256(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32 and len(text) == 44
    except (binascii.Error, ValueError):
        return False


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
