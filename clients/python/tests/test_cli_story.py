"""A video's story, from timelines as the platform tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from nextplay_client.cli.story import Story, story
from nextplay_client.types import Status, TimelineEntry, Upload, Video

VIDEO = "01a20643-e506-7741-94b8-1df5dd3a79d2"
BEGAN = datetime(2026, 11, 23, 2, 37, 22, tzinfo=UTC)
UPLOADED = [("ClaimVideoForUpload", "DRAFT", {}), ("UploadStarted", "UPLOADING", {"size_bytes": "23000000"})]
STORED = [*UPLOADED, ("UploadCompleted", "UPLOADED", {"size_bytes": "23000000", "tier": "free"})]
PROBE = {
    "duration_ms": "3000",
    "width": "640",
    "height": "360",
    "fps": "29.97",
    "video_codec": "hevc",
    "audio_codec": "aac",
    "container": "mov",
    "size_bytes": "23000000",
}
STARTED = [
    *STORED,
    ("TranscodeStarted", "PROCESSING", PROBE | {"queued_at": (BEGAN + timedelta(seconds=20)).isoformat()}),
]


def entries(*told: tuple[str, str | None, dict[str, str]], generation: int = 1, **more: Any) -> list[TimelineEntry]:
    """A timeline with ten seconds between its entries."""
    made = []
    for number, (event, status, facts) in enumerate(told):
        entry = {
            "event": event,
            "time": (BEGAN + timedelta(seconds=10 * number)).isoformat(),
            "generation": generation,
            "since_previous_ms": 10_000 if number else 0,
            "facts": [{"name": name, "value": value} for name, value in facts.items()],
            "trace_id": f"trace-{number // 2}",
            "ignored": "",
        }
        made.append(cast(TimelineEntry, entry | ({"status": status} if status else {}) | more))
    return made


def told(name: str, timeline: list[TimelineEntry], *, later: float = 0, upload: Any = None, **more: Any) -> Story:
    """The story `later` seconds after the last entry."""
    last = datetime.fromisoformat(timeline[-1]["time"])
    status = {
        "video_id": VIDEO,
        "status": name,
        "progress": 40,
        "sequence": 3,
        "generation": 1,
        "final": name not in ("UPLOADING", "UPLOADED", "PROCESSING"),
        "allowed_actions": [],
        "changed_at": last.isoformat(),
    }
    video = {
        "title": "A clip",
        "category": "sports",
        "visibility": "public",
        "original_expires_at": "2026-11-30T02:37:23+00:00",
    }
    now = last + timedelta(seconds=later)
    return story(cast(Status, status | more), cast(Video, video), timeline, cast(Upload | None, upload), now)


def reason(code: str, message: str, next_action: str) -> dict[str, str]:
    return {"code": code, "message": message, "stage": "probe", "next_action": next_action}


def said(of: Story) -> str:
    """All its sentences."""
    happened = [line for happening in of.happenings for line in (happening.said, *happening.details)]
    advised = [line for advice in of.advice for line in (advice.said, *advice.commands)]
    return "\n".join([of.verdict, *happened, *advised])


def test_a_ready_video_was_measured_made_and_can_be_published() -> None:
    made = {"run_ms": "1167", "encode_ms": "861", "MP4_720 size_bytes": "417364", "THUMB size_bytes": "18863"}
    ready = told("READY", entries(*STARTED, ("TranscodeCompleted", "READY", made)), allowed_actions=["publish"])
    assert (ready.good, ready.stuck) == (True, False)
    assert "Processing began after 10.0 s in the queue." in said(ready)
    assert "Measured: 3.0 s, 640×360, 29.97 fps, H.265 and AAC in QuickTime, 23.0 MB." in said(ready)
    assert "It took 1.2 s of work, 0.9 s of it encoding." in said(ready)
    assert "Made: MP4_720 0.42 MB, THUMB 18.9 kB." in said(ready)
    assert f"nextplay publish {VIDEO}" in said(ready)
    assert [(phase.name, phase.ms) for phase in ready.phases] == [
        ("announced", 10_000),
        ("uploading", 10_000),
        ("waiting for its turn", 10_000),
        ("processing", 10_000),
        ("waiting to be published", 0),
    ]
    assert ready.trace_ids == ["trace-0", "trace-1", "trace-2"]


def test_a_published_video_says_who_sees_it() -> None:
    published = told("PUBLISHED", entries(*STARTED, ("PublishVideo", "PUBLISHED", {"visibility": "public"})))
    assert published.verdict == "It is published; everybody can see it."
    assert published.advice == []


def test_a_rejected_video_says_what_was_found_and_which_file_to_send_instead() -> None:
    found = {
        "code": "DURATION_TOO_LONG",
        "message": "The video lasts 42300 ms; the limit is 30000 ms.",
        "measured": "42300 ms",
        "limit": "30000 ms",
        "duration_ms": "42300",
    }
    rejected = told(
        "REJECTED_TOO_LONG",
        entries(*STORED, ("VideoRejected", "REJECTED_TOO_LONG", found)),
        reason=reason("DURATION_TOO_LONG", found["message"], "Trim the clip to 30 seconds and upload it again."),
        allowed_actions=["upload", "update", "delete"],
    )
    assert rejected.good is False
    assert rejected.verdict == f"The clip was rejected. {found['message']}"
    assert "Found 42300 ms, allowed is 30000 ms (DURATION_TOO_LONG)." in said(rejected)
    assert rejected.advice[0].commands == (f"nextplay upload FILE --video {VIDEO}",)
    assert rejected.happenings[-1].bad


def test_a_failed_video_tells_every_attempt_and_until_when_it_can_be_tried_again() -> None:
    timeline = entries(
        *STARTED,
        ("TranscodeRetryScheduled", None, {"code": "TRANSCODER_ERROR", "next_at": BEGAN.isoformat()}),
        ("TranscodeStarted", None, {}),
        ("TranscodeFailed", "PROCESSING_FAILED", {"code": "TRANSCODER_ERROR", "message": "It could not be converted."}),
    )
    timeline[4]["attempt"], timeline[5]["attempt"], timeline[6]["attempt"] = 1, 2, 2
    failed = told(
        "PROCESSING_FAILED",
        timeline,
        reason=reason("TRANSCODER_ERROR", "It could not be converted.", "Retry; if it fails again, export it again."),
        allowed_actions=["upload", "retry", "update", "delete"],
    )
    assert "Attempt 1 did not succeed; the next one was set for" in said(failed)
    assert "Processing began, attempt 2." in said(failed)
    assert "Processing failed after 2 attempts: It could not be converted." in said(failed)
    assert failed.advice[0].commands == (f"nextplay retry {VIDEO}", f"nextplay upload FILE --video {VIDEO}")
    assert "The uploaded file is kept until" in failed.advice[1].said


@pytest.mark.parametrize(
    ("name", "timeline", "quiet"),
    [("UPLOADED", STORED, 120), ("PROCESSING", STARTED, 600), ("UPLOADING", UPLOADED, 3600)],
)
def test_what_is_quiet_for_too_long_is_stuck_and_the_operators_are_told_what(
    name: str, timeline: list[tuple[str, str | None, dict[str, str]]], quiet: float
) -> None:
    assert not told(name, entries(*timeline), later=quiet - 1).stuck
    stuck = told(name, entries(*timeline), later=quiet + 1)
    assert stuck.stuck
    assert "tell the operators the video and its traces" in said(stuck)
    assert stuck.trace_ids


def test_who_waits_behind_others_is_not_stuck() -> None:
    waiting = told("UPLOADED", entries(*STORED), later=3600, queue_position=12, eta_seconds=90)
    assert not waiting.stuck
    assert waiting.verdict == "It is stored and waits for its turn, behind 12 others, ready in about 1 min 30 s."
    assert f"nextplay watch {VIDEO}" in said(waiting)


def test_an_upload_under_way_says_what_is_there_and_how_to_go_on() -> None:
    upload = {
        "parts_received": [{"part_number": 1, "size_bytes": 10_485_760, "etag": "x"}],
        "part_count": 3,
        "file_size_bytes": 23_000_000,
        "filename": "my clip.mp4",
        "video_id": VIDEO,
        "expires_at": (BEGAN + timedelta(hours=1)).isoformat(),
    }
    uploading = told("UPLOADING", entries(*UPLOADED), upload=upload, later=7200)
    assert uploading.verdict == "It is being uploaded: 1 of 3 parts are stored, 10.5 MB of 23.0 MB."
    assert not uploading.stuck
    command = "nextplay upload 'my clip.mp4' --title 'A clip' --category sports --visibility public"
    assert uploading.advice[0].commands == (command,)
    second = told("UPLOADING", entries(*UPLOADED, generation=2), upload=upload, generation=2)
    assert second.advice[0].commands[0].startswith(f"nextplay upload 'my clip.mp4' --video {VIDEO} --title")


def test_an_upload_that_ended_leaves_a_draft_with_its_reason() -> None:
    ended = reason("UPLOAD_EXPIRED", "The upload was not completed within 60 minutes.", "Upload the clip again.")
    draft = told("DRAFT", entries(*UPLOADED, ("UploadExpired", "DRAFT", {})), reason=ended, allowed_actions=["upload"])
    assert draft.good is False
    assert draft.verdict == "It is a draft again, without a file. The upload was not completed within 60 minutes."
    assert draft.advice[0].commands == (f"nextplay upload FILE --video {VIDEO}",)


def test_a_second_upload_is_a_chapter_of_its_own_and_the_time_is_that_of_the_last() -> None:
    first = entries(*STORED, ("VideoRejected", "REJECTED_FORMAT", {"message": "It is a text."}))
    second = entries(*UPLOADED, generation=2)
    uploading = told("UPLOADING", first + second, generation=2)
    assert [happening.generation for happening in uploading.happenings] == [1, 1, 1, 1, 2, 2]
    assert "It was announced for another upload, number 2 of this video." in said(uploading)
    assert [phase.name for phase in uploading.phases] == ["announced", "uploading"]


def test_what_came_too_late_is_told_and_changed_nothing() -> None:
    late = entries(("TranscodeFailed", None, {"message": "It could not be read."}), ignored="older generation")
    ready = told("READY", entries(*STARTED) + late)
    assert "It changed nothing: it belonged to an earlier upload or retry." in said(ready)
    assert not ready.happenings[-1].bad


def test_what_this_version_does_not_know_is_told_with_its_facts() -> None:
    told_so = told("READY", entries(("VideoBlessed", None, {"by": "somebody"})))
    assert [(happening.said, happening.details) for happening in told_so.happenings] == [
        ("VideoBlessed.", ("by: somebody",))
    ]


@pytest.mark.parametrize(
    ("event", "facts", "sentence"),
    [
        ("UploadAborted", {}, "The upload was given up before it was complete."),
        ("UploadFailed", {"message": "S3 lost it."}, "The upload failed: S3 lost it."),
        ("OriginalLost", {}, "The stored original was found to be gone; it cannot be processed again."),
        ("VideoRetryRequested", {}, "Nothing was heard of its processing, so the platform asked for it again."),
        (
            "UpdateVideo",
            {"title": "New", "visibility": "private"},
            "Its owner changed title to “New”, visibility to “private”.",
        ),
        ("RetryVideo", {}, "Its owner asked to process the stored original again."),
        ("PublishVideo", {"when_ready": "true"}, "Its owner asked to publish it as soon as it is ready."),
        ("PublishVideo", {"when_ready": "granted"}, "It was published at once, as its owner had asked."),
        ("DeleteVideo", {}, "Its owner deleted it."),
        ("ArchiveVideo", {}, "The platform removed it, because it was never finished."),
    ],
)
def test_everything_that_may_happen_has_its_sentence(event: str, facts: dict[str, str], sentence: str) -> None:
    assert told("READY", entries((event, None, facts))).happenings[0].said == sentence


def test_a_deleted_video_has_no_title_and_no_advice() -> None:
    status = {"video_id": VIDEO, "status": "DELETED", "changed_at": BEGAN.isoformat(), "generation": 1}
    rest = {"final": True, "allowed_actions": [], "progress": 0, "sequence": 1}
    gone = story(cast(Status, status | rest), None, entries(*STORED, ("DeleteVideo", "DELETED", {})), None, BEGAN)
    assert (gone.verdict, gone.good, gone.advice) == ("It is deleted, for ever.", False, [])
