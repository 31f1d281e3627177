"""The state table, fact by fact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.catalog.domain import commands
from services.catalog.domain.states import Cause, Fact, FromTheFuture, Outcome, apply, lose_original
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video, Visibility

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TOLD = commands.Description("A clip", "", "sports", Visibility.PUBLIC)
ORIGINAL = Original("uploads/u/v/x/original.mp4", 1000, "free", NOW + timedelta(days=7), uuid4())
MEASURED = Measured(15_000, 1920, 1080, 30.0)
ASSETS = tuple(Asset(kind, "bucket", f"videos/{kind}", "video/mp4", 10, 1, 1, 1, 1) for kind in ("MP4_720", "THUMB"))


def draft() -> Video:
    return commands.draft(uuid4(), uuid4(), uuid4(), TOLD, NOW).video


def fact(cause: Cause, generation: int = 1, **carried: object) -> Fact:
    return Fact(cause, generation, NOW, **carried)  # type: ignore[arg-type]


def follow(video: Video, *facts: Fact) -> Outcome:
    outcome = None
    for each in facts:
        outcome = apply(video, each, NOW)
        video = outcome.video
    assert outcome
    return outcome


def passed(outcome: Outcome) -> list[tuple[str, int]]:
    return [(transition.to_status.value, transition.sequence) for transition in outcome.transitions]


STARTED = fact(Cause.UPLOAD_STARTED)
COMPLETED = fact(Cause.UPLOAD_COMPLETED, original=ORIGINAL)
PROCESSING = fact(Cause.TRANSCODE_STARTED, measured=MEASURED)
DONE = fact(Cause.TRANSCODE_COMPLETED, measured=MEASURED, assets=ASSETS, run_ms=5000)
FAILED = fact(Cause.TRANSCODE_FAILED, reason=Reason("TRANSCODER_ERROR", "It broke.", "transcode"))
FAILED_GONE = fact(
    Cause.TRANSCODE_FAILED,
    reason=Reason("STORAGE_ERROR", "It is gone.", "transcode"),
    original_gone=True,
)
TOO_LONG = fact(Cause.REJECTED_TOO_LONG, reason=Reason("DURATION_TOO_LONG", "42300 ms; at most 30000 ms.", "probe"))


def test_a_clip_that_nothing_stops_passes_every_status_once() -> None:
    video = draft()
    for each, status, sequence in (
        (STARTED, Status.UPLOADING, 2),
        (COMPLETED, Status.UPLOADED, 3),
        (PROCESSING, Status.PROCESSING, 4),
        (DONE, Status.READY, 5),
    ):
        outcome = apply(video, each, NOW)
        video = outcome.video
        assert (video.status, video.sequence) == (status, sequence)
        assert passed(outcome) == [(status.value, sequence)]
        assert outcome.entry.status is status
    assert video.measured == MEASURED
    assert video.original == ORIGINAL


def test_a_completed_upload_in_draft_makes_two_transitions_and_two_sequences() -> None:
    outcome = apply(draft(), COMPLETED, NOW)
    assert passed(outcome) == [("UPLOADING", 2), ("UPLOADED", 3)]


def test_a_transcode_that_overtakes_the_upload_implies_it_and_the_late_fact_is_a_repeat_that_still_tells() -> None:
    outcome = apply(apply(draft(), STARTED, NOW).video, PROCESSING, NOW)
    assert passed(outcome) == [("UPLOADED", 3), ("PROCESSING", 4)]
    assert ("implied", "UPLOADED") in outcome.entry.facts
    late = apply(outcome.video, COMPLETED, NOW)
    assert late.transitions == ()
    assert late.entry.ignored == "repeat"
    assert late.video.original == ORIGINAL
    assert late.video.status is Status.PROCESSING


@pytest.mark.parametrize(
    ("last", "statuses"),
    [
        (DONE, ["UPLOADING", "UPLOADED", "PROCESSING", "READY"]),
        (FAILED, ["UPLOADING", "UPLOADED", "PROCESSING_FAILED"]),
        (TOO_LONG, ["UPLOADING", "UPLOADED", "REJECTED_TOO_LONG"]),
    ],
)
def test_an_end_that_overtakes_everything_implies_everything(last: Fact, statuses: list[str]) -> None:
    outcome = apply(draft(), last, NOW)
    assert passed(outcome) == list(zip(statuses, range(2, 2 + len(statuses)), strict=True))
    assert [t.reason for t in outcome.transitions[:-1]] == [None] * (len(statuses) - 1)


@pytest.mark.parametrize("cause", [Cause.UPLOAD_ABORTED, Cause.UPLOAD_EXPIRED, Cause.UPLOAD_FAILED])
def test_an_upload_that_ends_without_an_original_falls_back_to_draft_with_its_reason(cause: Cause) -> None:
    reason = Reason("UPLOAD_ABORTED", "Given up.", "upload")
    outcome = follow(draft(), STARTED, fact(cause, reason=reason))
    assert outcome.video.status is Status.DRAFT
    assert outcome.video.reason == reason
    assert outcome.video.upload_id is None


def test_an_abort_told_twice_does_not_bounce_the_draft() -> None:
    aborted = fact(Cause.UPLOAD_ABORTED, reason=Reason("UPLOAD_ABORTED", "Given up.", "upload"))
    first = follow(draft(), aborted)
    assert passed(first) == [("UPLOADING", 2), ("DRAFT", 3)]
    for late in (aborted, STARTED):
        assert apply(first.video, late, NOW).transitions == ()


@pytest.mark.parametrize("again", [STARTED, COMPLETED, PROCESSING, DONE])
def test_a_fact_told_twice_moves_nothing(again: Fact) -> None:
    video = follow(draft(), STARTED, COMPLETED, PROCESSING, DONE).video
    outcome = apply(video, again, NOW)
    assert (outcome.transitions, outcome.entry.ignored) == ((), "repeat")
    assert outcome.video == video


def test_an_older_generation_changes_nothing() -> None:
    first = follow(draft(), STARTED, fact(Cause.UPLOAD_ABORTED)).video
    claimed = commands.claim(first, uuid4(), TOLD, NOW).video
    outcome = apply(claimed, DONE, NOW)
    assert (outcome.video, outcome.assets, outcome.entry.ignored) == (claimed, None, "older generation")
    assert outcome.entry.generation == 1


def test_a_generation_that_is_not_known_yet_is_tried_again() -> None:
    with pytest.raises(FromTheFuture):
        apply(draft(), fact(Cause.UPLOAD_STARTED, generation=2), NOW)


def test_a_deleted_video_stays_deleted() -> None:
    deleted = commands.delete(follow(draft(), STARTED).video, NOW)
    assert deleted
    for late in (COMPLETED, PROCESSING, DONE, TOO_LONG):
        outcome = apply(deleted.video, late, NOW)
        assert (outcome.video, outcome.assets, outcome.entry.ignored) == (deleted.video, None, "deleted")


def test_a_run_that_will_be_tried_again_leaves_the_status_but_implies_the_upload() -> None:
    later = fact(Cause.TRANSCODE_RETRY_SCHEDULED, attempt=1)
    assert apply(follow(draft(), COMPLETED, PROCESSING).video, later, NOW).transitions == ()
    assert passed(apply(draft(), later, NOW)) == [("UPLOADING", 2), ("UPLOADED", 3)]


def test_a_wish_to_publish_is_granted_when_the_video_becomes_ready() -> None:
    wish = commands.Publication(Visibility.UNLISTED, notify_followers=False, when_ready=True)
    wished = commands.publish(follow(draft(), STARTED).video, wish, frozenset(), NOW)
    assert wished
    outcome = follow(wished.video, COMPLETED, DONE)
    assert passed(outcome)[-2:] == [("READY", 5), ("PUBLISHED", 6)]
    assert outcome.video.visibility is Visibility.UNLISTED
    assert not outcome.video.notify_followers
    assert outcome.video.published_at == NOW
    assert not outcome.video.publish_when_ready
    assert (outcome.entry.status, outcome.entry.sequence) == (Status.READY, 5)
    assert outcome.sequel
    assert (outcome.sequel.event, outcome.sequel.status, outcome.sequel.sequence) == (
        "PublishVideo",
        Status.PUBLISHED,
        6,
    )


def test_a_wish_to_publish_a_video_without_thumbnail_leaves_it_ready() -> None:
    wished = replace(follow(draft(), COMPLETED).video, publish_when_ready=True)
    outcome = apply(wished, replace(DONE, assets=ASSETS[:1]), NOW)
    assert outcome.video.status is Status.READY
    assert not outcome.video.publish_when_ready


@pytest.mark.parametrize("last", [TOO_LONG, fact(Cause.REJECTED_FORMAT), fact(Cause.UPLOAD_ABORTED)])
def test_a_wish_to_publish_ends_with_the_upload_that_it_was_for(last: Fact) -> None:
    wished = replace(follow(draft(), STARTED).video, publish_when_ready=True)
    assert not apply(wished, last, NOW).video.publish_when_ready


def test_a_rejected_or_deleted_video_has_no_original_though_its_upload_is_told_late() -> None:
    rejected = follow(draft(), TOO_LONG, COMPLETED).video
    deleted = commands.delete(follow(draft(), COMPLETED).video, NOW)
    assert deleted
    assert (rejected.kept_original, deleted.video.kept_original) == (None, None)
    assert follow(draft(), COMPLETED, FAILED).video.kept_original == ORIGINAL


@pytest.mark.parametrize("told", [(COMPLETED, FAILED_GONE), (FAILED_GONE, COMPLETED), (COMPLETED, FAILED_GONE, FAILED)])
def test_an_original_that_media_found_gone_is_not_kept_whatever_was_told_first(told: tuple[Fact, ...]) -> None:
    failed = follow(draft(), *told).video
    assert (failed.status, failed.kept_original) == (Status.PROCESSING_FAILED, None)
    again = commands.claim(failed, uuid4(), TOLD, NOW).video
    stored = replace(ORIGINAL, upload_id=uuid4())
    assert apply(again, replace(COMPLETED, generation=2, original=stored), NOW).video.kept_original == stored


@pytest.mark.parametrize("lost_during", ["the next upload", "the next transcode"])
def test_a_new_upload_has_its_original_though_the_one_before_was_lost(lost_during: str) -> None:
    failed = follow(draft(), COMPLETED, FAILED).video
    claimed = commands.claim(failed, uuid4(), TOLD, NOW).video
    stored = replace(ORIGINAL, upload_id=uuid4())
    completed = replace(COMPLETED, generation=2, original=stored)
    if lost_during == "the next upload":
        lost = lose_original(claimed, ORIGINAL.upload_id, NOW)
        assert lost
        assert lost.video.kept_original is None
        assert apply(lost.video, completed, NOW).video.kept_original == stored
    else:
        assert lose_original(apply(claimed, completed, NOW).video, ORIGINAL.upload_id, NOW) is None


def test_the_time_of_upload_is_the_one_that_upload_tells_though_it_comes_late() -> None:
    earlier = NOW - timedelta(seconds=3)
    video = follow(draft(), PROCESSING, replace(COMPLETED, occurred_at=earlier)).video
    assert video.uploaded_at == earlier
