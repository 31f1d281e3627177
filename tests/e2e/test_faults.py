"""Lost, repeated and overtaking events, and processes that die: the video ends all the same, once."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from deploy.local.stack import Stack
from nextplay.media.v1 import media_events_pb2
from tests.e2e.broker import EVENT_TOPICS, in_thread, records_of, send_again, send_event, type_of
from tests.e2e.bucket import delete_object
from tests.e2e.conftest import MakePerson
from tests.e2e.once import ready_once, sequences
from tests.e2e.people import Person, announcement, becomes, execute, status_of, until


@contextmanager
def garbled(platform: Stack, context: str, event: str, video_id: str | None = None) -> Iterator[None]:
    """While open, events of that name (about that video) leave a context's outbox with a body nobody can read, so
    that their consumers put them aside as dead letters."""
    owner, name = platform.dsn(f"{context}_owner"), f"garble_{uuid.uuid4().hex[:8]}"
    about = f"AND NEW.key = '{video_id}'" if video_id else ""
    execute(
        owner,
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.headers::text LIKE '%v1.{event}"%' {about} THEN NEW.data := '\\xffffffff'::bytea; END IF;
            RETURN NEW;
        END $$;
        """,
    )
    execute(owner, f"CREATE TRIGGER {name} BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION {name}()")
    try:
        yield
    finally:
        execute(owner, f"DROP FUNCTION {name}() CASCADE")


def is_dead(platform: Stack, video_id: str, event: str) -> None:
    """Wait until an event about a video is among the dead letters."""
    topics = [f"{topic}.dlq" for topic in EVENT_TOPICS]
    until(
        lambda: event in [type_of(record) for record in records_of(platform, video_id, *topics)] or None,
        seconds=30,
        what=f"{event} among the dead letters",
    )


def long_quiet(platform: Stack, video_id: str) -> None:
    """Two hours pass without a word about a video."""
    execute(
        platform.dsn("catalog"),
        "UPDATE videos SET heard_at = heard_at - interval '2 hours', changed_at = changed_at - interval '2 hours'"
        " WHERE video_id = $1",
        uuid.UUID(video_id),
    )
    platform.run_job("catalog-unstick-videos")


def test_every_event_delivered_twice_changes_nothing(person: MakePerson, platform: Stack, clip: Path) -> None:
    alice, bob = person("alice"), person("bob")
    bob.put(f"/v1/users/{alice.user_id}/follow")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    assert alice.post(f"/v1/videos/{uploaded.video_id}/publish").status_code == 200

    def told(reader: Any) -> list[str]:
        entries = reader.get("/v1/notifications").json()["notifications"]
        return [entry["kind"] for entry in entries if entry["video_id"] == uploaded.video_id]

    until(lambda: told(bob) or None, seconds=20, what="the follower being told")
    until(lambda: told(alice) or None, seconds=20, what="the owner being told")
    until(lambda: bob.get("/v1/feed").json()["videos"] or None, seconds=20, what="the follower's feed")
    before = uploaded.status(), told(alice), told(bob), bob.get("/v1/feed").json()["videos"]
    records = records_of(platform, uploaded.video_id, *EVENT_TOPICS)
    assert {type_of(record) for record in records} >= {
        *("UploadStarted", "UploadCompleted", "TranscodeStarted", "TranscodeCompleted"),
        *("VideoStatusChanged", "VideoPublished"),
    }
    jobs = "SELECT count(*) FROM transcode_jobs WHERE video_id = $1"
    send_again(platform, records)

    # A second clip of the same people goes all the way behind the repeats: then those have been dealt with too.
    second = alice.upload(clip)
    second.becomes("READY")
    alice.post(f"/v1/videos/{second.video_id}/publish")
    until(lambda: len(bob.get("/v1/feed").json()["videos"]) == 2 or None, seconds=30, what="the second video")
    until(
        lambda: applied_all(platform, records) or None,
        seconds=30,
        what="every consumer being past the repeats",
    )
    feed = [video for video in bob.get("/v1/feed").json()["videos"] if video["video_id"] == uploaded.video_id]
    assert (uploaded.status(), told(alice), told(bob)) == before[:3]
    assert [video["published_at"] for video in feed] == [video["published_at"] for video in before[3]]
    assert execute(platform.dsn("media"), jobs, uuid.UUID(uploaded.video_id))[0]["count"] == 1


def applied_all(platform: Stack, records: list[ConsumerRecord[bytes, bytes]]) -> bool:
    """Whether every group of the platform has committed the ends of the records' partitions."""

    async def look() -> bool:
        for group in ("upload", "media", "catalog", "notify"):
            # It asks for the group's offsets without becoming a member.
            consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka, group_id=group, enable_auto_commit=False)
            await consumer.start()
            try:
                partitions = sorted({TopicPartition(record.topic, record.partition) for record in records})
                consumer.assign(partitions)
                ends = await consumer.end_offsets(partitions)
                for partition in partitions:
                    committed = await consumer.committed(partition)
                    if committed is not None and committed < ends[partition]:
                        return False
            finally:
                await consumer.stop()
        return True

    return bool(in_thread(look()))


def test_medias_events_may_overtake_uploads(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    about = {
        "video_id": initiated["video_id"],
        "job_id": str(uuid.uuid4()),
        "user_id": alice.user_id,
        "generation": 1,
        "run_id": str(uuid.uuid4()),
        "attempt": 1,
    }
    facts = media_events_pb2.ProbeFacts(duration_ms=1000, width=640, height=360, fps=30, video_codec="h264")
    prefix = f"videos/{alice.user_id}/{initiated['video_id']}/{about['run_id']}/"
    assets = [
        media_events_pb2.Asset(kind="MP4_720", s3_bucket="nextplay", s3_key=f"{prefix}renditions/720p/video.mp4"),
        media_events_pb2.Asset(kind="THUMB", s3_bucket="nextplay", s3_key=f"{prefix}thumbnail.jpg"),
    ]
    send_event(
        platform,
        media_events_pb2.TranscodeCompleted(**about, output_s3_prefix=prefix, assets=assets, probe=facts),
    )
    ready = becomes(alice, initiated["video_id"], "READY", seconds=20)
    send_event(platform, media_events_pb2.TranscodeStarted(**about, probe=facts))
    etag = alice.send(initiated["upload_id"], 1, bytes(1000))
    completed = alice.post(
        f"/v1/uploads/{initiated['upload_id']}/complete", {"parts": [{"part_number": 1, "etag": etag}]}
    )
    assert completed.status_code == 200, completed.text

    def late_events() -> list[dict[str, Any]] | None:
        entries = alice.get(f"/v1/videos/{initiated['video_id']}/timeline").json()["entries"]
        return entries if {"TranscodeStarted", "UploadCompleted"} <= {entry["event"] for entry in entries} else None

    timeline = until(late_events, seconds=20, what="the late events in the timeline")
    assert {e["event"]: e["ignored"] for e in timeline if e["event"] in ("TranscodeStarted", "UploadCompleted")} == {
        "TranscodeStarted": "repeat",
        "UploadCompleted": "repeat",
    }
    after = status_of(alice, initiated["video_id"])
    assert (after["status"], after["sequence"]) == ("READY", ready["sequence"])
    until(
        lambda: sequences(platform, initiated["video_id"]) == list(range(1, ready["sequence"] + 1)) or None,
        seconds=20,
        what="a sequence for each implied state",
    )


def test_a_clip_whose_completion_never_reached_media_becomes_ready(
    person: MakePerson, platform: Stack, clip: Path
) -> None:
    with garbled(platform, "upload", "UploadCompleted"):
        uploaded = person("alice").upload(clip)
        is_dead(platform, uploaded.video_id, "UploadCompleted")
    assert uploaded.status()["status"] == "UPLOADED"
    with garbled(platform, "catalog", "VideoRetryRequested", uploaded.video_id):
        long_quiet(platform, uploaded.video_id)
        is_dead(platform, uploaded.video_id, "VideoRetryRequested")
    long_quiet(platform, uploaded.video_id)
    assert uploaded.becomes("READY")["generation"] == 1
    ready_once(platform, uploaded)


def test_a_clip_whose_start_was_lost_becomes_ready(person: MakePerson, platform: Stack, clip: Path) -> None:
    with garbled(platform, "media", "TranscodeStarted"):
        uploaded = person("alice").upload(clip)
        uploaded.becomes("READY")
        is_dead(platform, uploaded.video_id, "TranscodeStarted")
    ready_once(platform, uploaded)


def test_a_clip_whose_end_was_lost_becomes_ready(person: MakePerson, platform: Stack, clip: Path) -> None:
    with garbled(platform, "media", "TranscodeCompleted"):
        uploaded = person("alice").upload(clip)
        is_dead(platform, uploaded.video_id, "TranscodeCompleted")
    assert uploaded.status()["status"] == "PROCESSING"
    long_quiet(platform, uploaded.video_id)
    assert uploaded.becomes("READY")["progress"] == 100
    ready_once(platform, uploaded)


def test_a_clip_whose_rejection_was_lost_is_rejected(person: MakePerson, platform: Stack, clips: Path) -> None:
    text = clips / "lost-rejection.mp4"
    text.write_bytes(b"no video at all " * 100)
    with garbled(platform, "media", "VideoRejected"):
        uploaded = person("alice").upload(text)
        is_dead(platform, uploaded.video_id, "VideoRejected")
    long_quiet(platform, uploaded.video_id)
    assert uploaded.becomes("REJECTED_FORMAT")["reason"]["code"] == "NOT_A_VIDEO"


def test_a_clip_whose_failure_was_lost_fails_with_its_reason(person: MakePerson, platform: Stack, clip: Path) -> None:
    alice = person("alice")
    with garbled(platform, "media", "TranscodeFailed"), garbled(platform, "media", "TranscodeRetryScheduled"):
        platform.hold("media-worker")
        try:
            uploaded = alice.upload(clip)
            query = "SELECT input_s3_key FROM transcode_jobs WHERE video_id = $1"
            job = until(
                lambda: execute(platform.dsn("media"), query, uuid.UUID(uploaded.video_id)) or None,
                seconds=20,
                what="the job",
            )[0]
            delete_object(platform, job["input_s3_key"])
        finally:
            platform.release("media-worker")
        until(lambda: failed_job(platform, uploaded.video_id), seconds=60, what="the job having failed")
        is_dead(platform, uploaded.video_id, "TranscodeFailed")
    long_quiet(platform, uploaded.video_id)
    failed = uploaded.becomes("PROCESSING_FAILED")
    assert failed["reason"]["code"] == "STORAGE_ERROR"
    assert "upload" in failed["allowed_actions"]
    assert "retry" not in failed["allowed_actions"], "media's answer says that the original is gone"


def failed_job(platform: Stack, video_id: str) -> list[Any] | None:
    """The failed job of a video, if it has failed; else its next retry comes at once."""
    media, video = platform.dsn("media"), uuid.UUID(video_id)
    execute(media, "UPDATE transcode_jobs SET next_at = now() WHERE video_id = $1 AND status = 'QUEUED'", video)
    return execute(media, "SELECT 1 FROM transcode_jobs WHERE video_id = $1 AND status = 'FAILED'", video) or None


def test_an_abort_whose_event_was_lost_returned_the_video_to_draft_before(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    with garbled(platform, "upload", "UploadAborted", initiated["video_id"]):
        alice.delete(f"/v1/uploads/{initiated['upload_id']}")
        is_dead(platform, initiated["video_id"], "UploadAborted")
    assert status_of(alice, initiated["video_id"])["status"] == "DRAFT", "upload tells the catalog itself first"


def test_a_video_whose_uploads_expiry_was_lost_returns_to_draft(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    with garbled(platform, "upload", "UploadExpired", initiated["video_id"]):
        execute(
            platform.dsn("upload"),
            "UPDATE uploads SET expires_at = now() - interval '1 second' WHERE upload_id = $1",
            uuid.UUID(initiated["upload_id"]),
        )
        platform.run_job("upload-cleanup-expired-uploads")
        is_dead(platform, initiated["video_id"], "UploadExpired")
    assert status_of(alice, initiated["video_id"])["status"] == "UPLOADING"
    long_quiet(platform, initiated["video_id"])
    becomes(alice, initiated["video_id"], "DRAFT", seconds=20)


def test_a_published_video_stays_published_where_its_news_was_lost(
    person: MakePerson, platform: Stack, clip: Path
) -> None:
    uploaded = person("alice").upload(clip)
    uploaded.becomes("READY")
    with (
        garbled(platform, "catalog", "VideoPublished", uploaded.video_id),
        garbled(platform, "catalog", "VideoStatusChanged", uploaded.video_id),
    ):
        assert uploaded.owner.post(f"/v1/videos/{uploaded.video_id}/publish").status_code == 200
        is_dead(platform, uploaded.video_id, "VideoPublished")
        is_dead(platform, uploaded.video_id, "VideoStatusChanged")
    assert uploaded.status()["status"] == "PUBLISHED"


def test_a_clip_whose_worker_is_killed_in_the_middle_becomes_ready_once(
    person: MakePerson, platform: Stack, busy_clip: Path
) -> None:
    uploaded = person("alice").upload(busy_clip)

    def encoding() -> dict[str, Any] | None:
        status = uploaded.status()
        return status if status["status"] == "PROCESSING" and status["progress"] >= 20 else None

    until(encoding, seconds=60, what="the encoder being at work")
    pid = platform.pid("media-worker")
    platform.kill("media-worker")
    platform.wait_ready("media-worker", other_than=pid)
    uploaded.becomes("READY", seconds=120)
    ready_once(platform, uploaded)


def is_ready(platform: Stack) -> bool | None:
    """Whether the gateway says that it is ready; None while it does not."""
    try:
        return httpx.get(f"{platform.gateway}/readyz", timeout=10).status_code == 200 or None
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("process", ["upload", "media", "catalog", "notify", "gateway"])
def test_a_clip_survives_the_death_of_any_process(
    person: MakePerson, platform: Stack, clip: Path, process: str
) -> None:
    alice = person("alice")
    uploaded = alice.upload(clip)
    pid = platform.pid(process)
    platform.kill(process)
    platform.wait_ready(process, other_than=pid)
    until(lambda: is_ready(platform), seconds=20, what="the gateway being ready")
    uploaded.becomes("READY", seconds=120)
    ready_once(platform, uploaded)
    # The gateway looks for a service that went away every half second, and says 503 with Retry-After until it is found.
    until(lambda: is_accepted(alice), seconds=5, what="another upload being accepted")


def is_accepted(user: Person) -> bool | None:
    """Whether the user may upload a clip now; None while the answer is to come back later."""
    reply = user.post("/v1/uploads/initiate", announcement(1000))
    if reply.status_code == 503 and "Retry-After" in reply.headers:
        return None
    assert reply.status_code == 200, reply.text
    return True


def test_statuses_read_after_complete_show_uploaded_or_later(person: MakePerson, clip: Path) -> None:
    uploaded = person("alice").upload(clip)
    status = uploaded.owner.get(
        f"/v1/videos/{uploaded.video_id}/status", min_sequence=uploaded.completed["sequence"]
    ).json()
    assert status["status"] in ("UPLOADED", "PROCESSING", "READY"), json.dumps(status)
