"""What an upload takes in which state, and what is told about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from google.protobuf.message import Message

from chassis.errors import Failure
from nextplay.upload.v1.upload_events_pb2 import (
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadFailed,
    UploadStarted,
)
from services.upload.domain.errors import UploadExpired as UploadHasExpired
from services.upload.domain.errors import UploadNotActive
from services.upload.domain.upload import Status, Upload, named, original_key
from services.upload.usecases import analytics
from services.upload.usecases.events import completed_meta, latest_fact

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
USER, VIDEO, UPLOAD = UUID(int=1), UUID(int=2), UUID(int=3)
INITIATED = Upload(
    upload_id=UPLOAD,
    video_id=VIDEO,
    user_id=USER,
    generation=1,
    tier="paid",
    filename="video.mp4",
    content_type="video/mp4",
    file_size_bytes=1000,
    fingerprint=None,
    s3_key=original_key(USER, VIDEO, UPLOAD, "video/mp4"),
    s3_upload_id="s3",
    status=Status.INITIATED,
    created_at=NOON,
    expires_at=NOON + timedelta(hours=1),
    read_at=NOON + timedelta(minutes=20),
)
IN_PROGRESS = INITIATED.signed()
COMPLETING = IN_PROGRESS.completing(((1, "etag"),))
COMPLETED = replace(COMPLETING.completed(timedelta(days=7)), completed_event_id=UUID(int=9))
ABORTED = INITIATED.aborted()
EXPIRED = replace(INITIATED, status=Status.EXPIRED, ended_at=NOON + timedelta(hours=1))
LOST = COMPLETING.failed_by_loss()
SHORT = COMPLETING.failed_by_size(999)


@pytest.mark.parametrize("upload", [INITIATED, IN_PROGRESS])
def test_an_active_upload_takes_parts(upload: Upload) -> None:
    upload.must_be_active()
    upload.must_take_parts()


@pytest.mark.parametrize(
    ("upload", "refusal", "told"),
    [
        (COMPLETING, UploadNotActive, "The upload is COMPLETING; it takes this only in INITIATED or IN_PROGRESS."),
        (COMPLETED, UploadNotActive, "The upload is COMPLETED; it takes this only in INITIATED or IN_PROGRESS."),
        (ABORTED, UploadNotActive, "The upload is ABORTED; it takes this only in INITIATED or IN_PROGRESS."),
        (EXPIRED, UploadHasExpired, "The upload expired at 2026-01-02T13:00:00Z; an upload lives 60 minutes."),
        (
            LOST,
            UploadNotActive,
            "The upload failed (MULTIPART_LOST): The parts of the upload are not stored any more.",
        ),
        (
            SHORT,
            UploadNotActive,
            "The upload failed (SIZE_MISMATCH): The stored file has 999 bytes, declared were 1,000 bytes.",
        ),
    ],
)
def test_any_other_upload_says_why_it_takes_none(upload: Upload, refusal: type[Failure], told: str) -> None:
    with pytest.raises(refusal) as raised:
        upload.must_be_active()
    assert str(raised.value) == told


def test_a_part_is_refused_by_age_and_everything_else_by_status_only() -> None:
    overdue = replace(IN_PROGRESS, read_at=IN_PROGRESS.expires_at)
    overdue.must_be_active()
    with pytest.raises(UploadHasExpired):
        overdue.must_take_parts()


def test_an_original_has_a_place_of_its_own() -> None:
    assert original_key(USER, VIDEO, UPLOAD, "video/quicktime") == f"uploads/{USER}/{VIDEO}/{UPLOAD}/original.mov"
    assert INITIATED.prefix == f"uploads/{USER}/{VIDEO}/{UPLOAD}/"


@pytest.mark.parametrize(
    ("upload", "event", "time"),
    [
        (INITIATED, UploadStarted, NOON),
        (COMPLETING, UploadStarted, NOON),
        (COMPLETED, UploadCompleted, NOON + timedelta(minutes=20)),
        (ABORTED, UploadAborted, NOON + timedelta(minutes=20)),
        (EXPIRED, UploadExpired, NOON + timedelta(hours=1)),
        (LOST, UploadFailed, NOON + timedelta(minutes=20)),
    ],
)
def test_the_latest_fact_is_the_event_of_the_state(upload: Upload, event: type[Message], time: datetime) -> None:
    fact, since = latest_fact(upload)
    assert isinstance(fact, event)
    assert since == time


def test_a_completed_upload_is_told_with_what_its_transcode_needs() -> None:
    fact, _ = latest_fact(COMPLETED)
    assert isinstance(fact, UploadCompleted)
    assert fact.input_s3_key == INITIATED.s3_key
    assert (fact.tier, fact.generation, fact.size_bytes, fact.content_type) == ("paid", 1, 1000, "video/mp4")
    assert fact.original_expires_at.ToDatetime(UTC) == NOON + timedelta(days=7, minutes=20)
    assert completed_meta(COMPLETED).id == UUID(int=9)
    assert analytics.completed(COMPLETED).duration_ms == 20 * 60 * 1000
    waited = replace(INITIATED, read_at=INITIATED.created_at - timedelta(seconds=1))
    assert analytics.aborted(waited).duration_ms == 0, "of a transaction that began before the upload"


def test_parts_are_named_as_a_sentence_does() -> None:
    assert [named([2]), named([1, 3]), named([1, 3, 4])] == ["part 2", "parts 1 and 3", "parts 1, 3 and 4"]
