from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.notify.domain.notification import (
    Kind,
    Notification,
    Outcome,
    Publication,
    Reason,
    of_disabled_webhook,
    to_followers,
    to_owner,
)

VIDEO = UUID("11111111-1111-4111-8111-111111111111")
OWNER = UUID("22222222-2222-4222-8222-222222222222")
WEBHOOK = UUID("33333333-3333-4333-8333-333333333333")
READY = Outcome(VIDEO, OWNER, "My dog", generation=2, status="READY", reason=None)
TOO_LONG = Reason("DURATION_TOO_LONG", "The clip lasts 31,200 ms; 30,000 ms are allowed.", "Trim the clip.")


def told(outcome: Outcome) -> Notification:
    notification = to_owner(outcome)
    assert notification is not None
    return notification


def test_a_ready_video_is_told_in_the_words_of_the_specification() -> None:
    notification = told(READY)
    assert notification.kind is Kind.VIDEO_READY
    assert notification.actor_user_id == OWNER
    assert notification.title == "Video ready!"
    assert notification.body == "Your video has been processed and is ready to publish."
    assert notification.reason is None


def test_a_video_that_became_ready_tells_no_reason_even_if_one_was_sent() -> None:
    assert told(replace(READY, reason=TOO_LONG)).reason is None


def test_each_generation_is_a_subject_of_its_own() -> None:
    assert told(READY).subject == f"{VIDEO}/2"
    assert told(replace(READY, generation=3)).subject == f"{VIDEO}/3"


@pytest.mark.parametrize("status", ["REJECTED_TOO_LONG", "REJECTED_FORMAT"])
def test_a_rejection_says_why_and_what_to_do(status: str) -> None:
    notification = told(replace(READY, status=status, reason=TOO_LONG))
    assert notification.kind is Kind.VIDEO_REJECTED
    assert notification.body == (
        "“My dog” was not accepted. The clip lasts 31,200 ms; 30,000 ms are allowed. Trim the clip."
    )
    assert notification.reason == TOO_LONG


def test_a_failure_says_why_and_what_to_do() -> None:
    reason = Reason("TRANSCODE_TIMEOUT", "Transcoding took longer than 180 s.", "Try again.")
    notification = told(replace(READY, status="PROCESSING_FAILED", reason=reason))
    assert notification.kind is Kind.VIDEO_FAILED
    assert notification.body == "“My dog” could not be processed. Transcoding took longer than 180 s. Try again."


def test_a_failure_without_a_reason_still_says_what_to_do() -> None:
    notification = told(replace(READY, status="PROCESSING_FAILED"))
    assert notification.reason is not None
    assert notification.reason.code is None
    assert notification.body.endswith("Upload the clip again.")


@pytest.mark.parametrize("status", ["DRAFT", "UPLOADING", "UPLOADED", "PROCESSING", "PUBLISHED", "DELETED"])
def test_other_states_are_told_to_nobody(status: str) -> None:
    assert to_owner(replace(READY, status=status)) is None


def test_a_publication_is_one_subject_whatever_its_generation() -> None:
    notification = to_followers(Publication(VIDEO, OWNER, "My dog"))
    assert notification.actor_user_id == OWNER
    assert notification.kind is Kind.VIDEO_PUBLISHED
    assert notification.subject == str(VIDEO)
    assert notification.body == "Someone you follow published “My dog”."


def test_a_disabled_webhook_is_told_by_its_host_and_is_about_no_video() -> None:
    notification = of_disabled_webhook(
        OWNER, WEBHOOK, "hooks.example.com", datetime(2026, 1, 2, tzinfo=UTC), gone=False
    )
    assert notification.kind is Kind.WEBHOOK_DISABLED
    assert (notification.video_id, notification.actor_user_id) == (None, OWNER)
    assert "hooks.example.com" in notification.body


def test_a_webhook_that_is_disabled_again_is_told_again_and_why() -> None:
    first, second = (datetime(2026, 1, day, tzinfo=UTC) for day in (2, 3))
    failing = of_disabled_webhook(OWNER, WEBHOOK, "hooks.example.com", first, gone=False)
    gone = of_disabled_webhook(OWNER, WEBHOOK, "hooks.example.com", second, gone=True)
    assert failing.subject != gone.subject
    assert "failed for too long" in failing.body
    assert "410" in gone.body


def test_what_an_owner_waits_for_goes_before_what_followers_are_told() -> None:
    assert told(READY).priority > to_followers(Publication(VIDEO, OWNER, "My dog")).priority
