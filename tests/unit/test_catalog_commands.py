"""What may be asked of a video in which state."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.catalog.domain import commands
from services.catalog.domain.commands import Action, Publication
from services.catalog.domain.errors import (
    AlreadyPublished,
    AssetsMissing,
    RetryNotAllowed,
    UploadNotAllowed,
    VideoNotFound,
    VideoNotReady,
)
from services.catalog.domain.states import Cause, Fact, apply
from services.catalog.domain.video import (
    RETRY_FIRST,
    Measured,
    Original,
    Reason,
    Status,
    Video,
    Visibility,
    next_action,
)

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TOLD = commands.Description("A clip", "", "sports", Visibility.PUBLIC)
UPLOAD = uuid4()
KINDS = frozenset({"MP4_720", "THUMB"})
CLAIMABLE = {Status.DRAFT, Status.REJECTED_TOO_LONG, Status.REJECTED_FORMAT, Status.PROCESSING_FAILED}
ON_ITS_WAY = {Status.DRAFT, Status.UPLOADING, Status.UPLOADED, Status.PROCESSING}


def video(status: Status) -> Video:
    """A video of 15 s in the given state, its original kept for a week; a draft is held by an upload."""
    return replace(
        commands.draft(uuid4(), uuid4(), UPLOAD, TOLD, NOW).video,
        status=status,
        sequence=7,
        generation=3,
        original=Original("key", 1000, "free", NOW + timedelta(days=7), UPLOAD),
        measured=Measured(15_000, 1920, 1080, 30.0),
        reason=Reason("TRANSCODER_ERROR", "It broke.", "transcode"),
        publish_when_ready=True,
        published_at=NOW - timedelta(hours=1) if status is Status.PUBLISHED else None,
    )


def let_go(video: Video) -> Video:
    """The same; a draft's upload has ended."""
    return replace(video, upload_id=None) if video.status is Status.DRAFT else video


@pytest.mark.parametrize("status", sorted(CLAIMABLE))
def test_a_claim_takes_the_video_back_to_draft_and_forgets_the_generation_before(status: Status) -> None:
    before, upload_id = let_go(video(status)), uuid4()
    outcome = commands.claim(before, upload_id, replace(TOLD, title="Again"), NOW)
    after = outcome.video
    assert (after.status, after.generation, after.upload_id, after.title) == (Status.DRAFT, 4, upload_id, "Again")
    assert (after.measured, after.reason, after.publish_when_ready) == (None, None, False)
    is_rejected = status in (Status.REJECTED_FORMAT, Status.REJECTED_TOO_LONG)
    assert after.original == (None if is_rejected else before.original)
    assert after.sequence == (7 if status is Status.DRAFT else 8)
    assert len(outcome.transitions) == after.sequence - 7


@pytest.mark.parametrize("status", sorted(set(Status) - CLAIMABLE - {Status.DELETED}))
def test_a_claim_of_any_other_video_is_refused_with_its_status(status: Status) -> None:
    with pytest.raises(UploadNotAllowed, match=status.value):
        commands.claim(video(status), uuid4(), TOLD, NOW)


def test_a_draft_that_an_upload_holds_is_not_given_to_another() -> None:
    with pytest.raises(UploadNotAllowed, match="another upload"):
        commands.claim(video(Status.DRAFT), uuid4(), TOLD, NOW)


def test_a_failed_video_can_be_retried_after_a_claim_that_came_to_nothing() -> None:
    claimed = commands.claim(video(Status.PROCESSING_FAILED), uuid4(), TOLD, NOW).video
    with pytest.raises(RetryNotAllowed, match="DRAFT"):
        commands.retry(claimed, NOW)
    given_back = apply(claimed, Fact(Cause.UPLOAD_FAILED, claimed.generation, NOW), NOW).video
    assert given_back.status is Status.DRAFT
    assert Action.RETRY in commands.allowed_actions(given_back, NOW)
    outcome = commands.retry(given_back, NOW)
    assert [change.to_status for change in outcome.transitions] == [Status.UPLOADING, Status.UPLOADED]
    assert (outcome.video.generation, outcome.video.upload_id) == (5, UPLOAD)
    assert outcome.video.original == video(Status.PROCESSING_FAILED).original


def test_the_original_of_an_earlier_generation_is_forgotten_when_the_new_one_is_stored() -> None:
    claimed = commands.claim(video(Status.PROCESSING_FAILED), uuid4(), TOLD, NOW).video
    assert apply(claimed, Fact(Cause.TRANSCODE_STARTED, claimed.generation, NOW), NOW).video.original is None


def test_a_deleted_video_takes_no_command_and_deleting_it_again_changes_nothing() -> None:
    deleted = video(Status.DELETED)
    with pytest.raises(VideoNotFound):
        commands.claim(deleted, uuid4(), TOLD, NOW)
    for when_ready in (True, False):
        with pytest.raises(VideoNotReady, match="DELETED") as refused:
            commands.publish(deleted, Publication(when_ready=when_ready), KINDS, NOW)
        assert (refused.value.code, "READY" in refused.value.next_action) == ("VIDEO_NOT_READY", False)
    with pytest.raises(RetryNotAllowed, match="DELETED"):
        commands.retry(deleted, NOW)
    with pytest.raises(VideoNotFound):
        commands.update(deleted, commands.Change(title="x"), NOW)
    assert commands.delete(deleted, NOW) is None
    assert commands.archive(deleted, NOW) is None


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DELETED}))
def test_every_other_video_can_be_deleted(status: Status) -> None:
    outcome = commands.delete(video(status), NOW)
    assert outcome
    assert (outcome.video.status, outcome.video.sequence, outcome.assets) == (Status.DELETED, 8, ())


def test_the_archive_takes_what_was_never_finished_and_nothing_else() -> None:
    taken = {status for status in Status if commands.archive(video(status), NOW)}
    assert taken == {Status.DRAFT, Status.REJECTED_TOO_LONG, Status.REJECTED_FORMAT}


def test_a_ready_video_is_published_with_the_visibility_that_was_asked() -> None:
    outcome = commands.publish(video(Status.READY), Publication(Visibility.PRIVATE, notify_followers=False), KINDS, NOW)
    assert outcome
    assert (outcome.video.status, outcome.video.published_at) == (Status.PUBLISHED, NOW)
    assert (outcome.video.visibility, outcome.video.notify_followers) == (Visibility.PRIVATE, False)


def test_publishing_without_a_visibility_keeps_the_one_of_initiate() -> None:
    ready = replace(video(Status.READY), visibility=Visibility.UNLISTED)
    outcome = commands.publish(ready, Publication(), KINDS, NOW)
    assert outcome
    assert outcome.video.visibility is Visibility.UNLISTED


@pytest.mark.parametrize("visibility", [None, Visibility.PUBLIC])
def test_publishing_again_as_it_is_changes_nothing(visibility: Visibility | None) -> None:
    again = Publication(visibility, notify_followers=False, when_ready=True)
    assert commands.publish(video(Status.PUBLISHED), again, KINDS, NOW) is None


@pytest.mark.parametrize("when_ready", [True, False])
def test_publishing_again_with_another_visibility_is_refused_with_the_present_one(when_ready: bool) -> None:
    with pytest.raises(AlreadyPublished, match="PUBLISHED as public, not as private") as refused:
        commands.publish(video(Status.PUBLISHED), Publication(Visibility.PRIVATE, when_ready=when_ready), KINDS, NOW)
    assert "PATCH" in refused.value.next_action


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.READY, Status.PUBLISHED, Status.DELETED}))
def test_publishing_anything_else_is_refused_with_its_status(status: Status) -> None:
    with pytest.raises(VideoNotReady, match=status.value):
        commands.publish(video(status), Publication(), KINDS, NOW)


@pytest.mark.parametrize("status", sorted(ON_ITS_WAY))
def test_a_wish_to_publish_is_noted_once_for_a_video_on_its_way(status: Status) -> None:
    waiting = replace(video(status), publish_when_ready=False)
    outcome = commands.publish(waiting, Publication(when_ready=True), KINDS, NOW)
    assert outcome
    assert (outcome.video.publish_when_ready, outcome.video.status, outcome.transitions) == (True, status, ())
    assert commands.publish(outcome.video, Publication(when_ready=True), KINDS, NOW + timedelta(seconds=1)) is None


@pytest.mark.parametrize("status", [Status.PROCESSING_FAILED, Status.REJECTED_TOO_LONG, Status.REJECTED_FORMAT])
def test_a_wish_to_publish_what_was_stopped_is_refused(status: Status) -> None:
    with pytest.raises(VideoNotReady):
        commands.publish(video(status), Publication(when_ready=True), KINDS, NOW)


def test_a_wish_to_publish_a_draft_without_upload_is_refused() -> None:
    with pytest.raises(VideoNotReady):
        commands.publish(replace(video(Status.DRAFT), upload_id=None), Publication(when_ready=True), KINDS, NOW)


def test_a_video_without_its_outputs_is_not_published_and_the_error_names_them() -> None:
    with pytest.raises(AssetsMissing, match="no MP4_720 and no THUMB"):
        commands.publish(video(Status.READY), Publication(), frozenset({"HLS"}), NOW)


def test_a_video_of_30_001_ms_is_not_published_and_the_error_says_value_and_limit() -> None:
    long = replace(video(Status.READY), measured=Measured(30_001, 1, 1, 1))
    with pytest.raises(VideoNotReady, match="30001 ms; at most 30000 ms"):
        commands.publish(long, Publication(), KINDS, NOW)
    assert commands.publish(replace(long, measured=Measured(30_000, 1, 1, 1)), Publication(), KINDS, NOW)


def test_a_failed_video_is_retried_as_the_next_generation_and_keeps_the_wish_to_publish() -> None:
    outcome = commands.retry(video(Status.PROCESSING_FAILED), NOW)
    retried = outcome.video
    assert (retried.status, retried.generation, retried.sequence) == (Status.UPLOADED, 4, 8)
    assert (retried.reason, retried.publish_when_ready) == (None, True)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PROCESSING_FAILED, Status.DELETED}))
def test_only_a_failed_video_is_retried(status: Status) -> None:
    with pytest.raises(RetryNotAllowed, match=status.value):
        commands.retry(video(status), NOW)


def test_a_failed_video_whose_original_is_gone_is_not_retried() -> None:
    failed = video(Status.PROCESSING_FAILED)
    with pytest.raises(RetryNotAllowed, match="2026-01-08 12:00 UTC"):
        commands.retry(failed, NOW + timedelta(days=7))
    with pytest.raises(RetryNotAllowed, match="not known"):
        commands.retry(replace(failed, original=None), NOW)
    with pytest.raises(RetryNotAllowed, match="not stored any more"):
        commands.retry(replace(failed, original_gone=True), NOW)


@pytest.mark.parametrize("code", sorted(RETRY_FIRST))
def test_a_retry_is_advised_exactly_while_the_original_may_be_there(code: str) -> None:
    failed, reason = video(Status.PROCESSING_FAILED), Reason(code, "It broke.", "transcode")
    over, gone = NOW + timedelta(days=7), replace(failed, original_gone=True)
    assert Action.RETRY in commands.allowed_actions(failed, NOW)
    assert next_action(failed, reason, NOW).startswith("Retry")
    for without, at in ((failed, over), (gone, NOW), (replace(gone, original=None), NOW)):
        assert Action.RETRY not in commands.allowed_actions(without, at)
        advice = next_action(without, reason, at)
        assert "upload" in advice.lower()
        assert "retry" not in advice.lower()
    assert next_action(replace(failed, original=None), reason, NOW).startswith("Retry"), "its upload is told later"


def test_an_update_tells_what_changed_and_nothing_else() -> None:
    before = video(Status.READY)
    outcome = commands.update(before, commands.Change(title="New", category=before.category), NOW)
    assert outcome
    assert outcome.entry.facts == (("title", "New"),)
    assert commands.update(before, commands.Change(title=before.title), NOW) is None


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("status", sorted(Status))
def test_what_is_allowed_is_what_the_commands_accept(status: Status, held: bool) -> None:
    asked = replace(video(status) if held else let_go(video(status)), publish_when_ready=False)
    tried: dict[Action, Callable[[], object]] = {
        Action.UPLOAD: lambda: commands.claim(asked, uuid4(), TOLD, NOW),
        Action.PUBLISH: lambda: commands.publish(asked, Publication(), KINDS, NOW),
        Action.PUBLISH_WHEN_READY: lambda: (
            status is not Status.READY and commands.publish(asked, Publication(when_ready=True), KINDS, NOW)
        ),
        Action.RETRY: lambda: commands.retry(asked, NOW),
        Action.UPDATE: lambda: commands.update(asked, commands.Change(title="New"), NOW),
        Action.DELETE: lambda: commands.delete(asked, NOW),
    }
    accepted = set()
    for action, attempt in tried.items():
        try:
            if attempt():
                accepted.add(action)
        except (UploadNotAllowed, VideoNotReady, RetryNotAllowed, VideoNotFound):
            pass
    assert set(commands.allowed_actions(asked, NOW)) == accepted


def test_a_status_is_final_unless_the_platform_still_works_on_it() -> None:
    assert {status for status in Status if commands.is_final(replace(video(status), publish_when_ready=False))} == {
        Status.READY,
        Status.PUBLISHED,
        Status.PROCESSING_FAILED,
        Status.REJECTED_TOO_LONG,
        Status.REJECTED_FORMAT,
        Status.DELETED,
    }
    assert commands.is_final(replace(video(Status.DRAFT), upload_id=None))
    assert not commands.is_final(video(Status.READY))
