"""What S3 holds and nobody knows, and what the tables say S3 holds and is gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID


class FindingKind(StrEnum):
    """What is wrong between S3 and the tables."""

    UNKNOWN_OBJECT = "unknown_object"
    UNKNOWN_MULTIPART = "unknown_multipart"
    LOST_ORIGINAL = "lost_original"
    LOST_MULTIPART = "lost_multipart"


@dataclass(frozen=True)
class Held:
    """An object in S3, or an open multipart upload (which has an id); how old it is by S3's own clock."""

    s3_key: str
    s3_upload_id: str
    age: timedelta


@dataclass(frozen=True)
class Wanted:
    """What an upload wants of S3: its multipart upload while it is unfinished, its object until that is given up."""

    s3_key: str
    s3_upload_id: str
    is_unfinished: bool
    has_original: bool


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. Of an object, `s3_upload_id` is empty."""

    kind: FindingKind
    s3_key: str
    s3_upload_id: str = ""


def upload_id_in(s3_key: str) -> UUID | None:
    """The upload to which a key belongs by its shape; None for a key that no upload has."""
    match s3_key.split("/"):
        case ["uploads", _, _, upload_id, _]:
            try:
                return UUID(upload_id)
            except ValueError:
                return None
    return None


def unknown(held: Iterable[Held], wanted: Mapping[UUID, Wanted], min_age: timedelta) -> list[Finding]:
    """What no upload wants of what S3 holds, and is old enough that none will."""
    return [
        Finding(
            FindingKind.UNKNOWN_MULTIPART if one.s3_upload_id else FindingKind.UNKNOWN_OBJECT,
            one.s3_key,
            one.s3_upload_id,
        )
        for one in held
        if one.age >= min_age and not _is_wanted(one, wanted)
    ]


def _is_wanted(held: Held, wanted: Mapping[UUID, Wanted]) -> bool:
    upload_id = upload_id_in(held.s3_key)
    by = wanted.get(upload_id) if upload_id else None
    if by is None or by.s3_key != held.s3_key:
        return False
    if held.s3_upload_id:
        return by.is_unfinished and by.s3_upload_id == held.s3_upload_id
    return by.is_unfinished or by.has_original
