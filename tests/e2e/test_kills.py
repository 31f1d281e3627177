"""Workers that are killed or stopped, and clips whose owners lose interest, in the middle of a run: every clip ends
once, and nothing is left over."""

import os
import random
import signal
import time
import uuid
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from deploy.local.stack import Stack
from nextplay.media.v1.media_events_pb2 import TranscodeCompleted, TranscodeFailed, TranscodeStarted
from tests.e2e.broker import send_event
from tests.e2e.bucket import keys_below
from tests.e2e.conftest import MakePerson
from tests.e2e.once import ready_once, told
from tests.e2e.people import Uploaded, execute, until

WORKER = "media-worker"
LONGEST_LIFE_SECONDS = 5.0
"""Long enough for a clip to be finished now and then, short enough to hit each of its stages."""


@pytest.mark.parametrize(
    ("kills", "count"), [pytest.param(5, 3), pytest.param(50, 20, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_however_often_workers_are_killed_each_clip_is_ready_once_and_nothing_is_left(
    kills: int, count: int, person: MakePerson, platform: Stack, clip: Path
) -> None:
    uploaded, homes = list[Uploaded](), set[Path]()
    for number in range(kills):
        # A clip comes now and then, so that there is something to do until the last kill.
        while len(uploaded) * kills <= number * count:
            uploaded.append(person("alice").upload(clip))
        pid = platform.wait_ready(WORKER)
        homes.add(directory_of(pid))
        time.sleep(random.uniform(0, LONGEST_LIFE_SECONDS))
        platform.kill(WORKER)
        platform.wait_ready(WORKER, other_than=pid)
        if count < 10:
            let_dead_leases_end(platform, pid)
    assert len(uploaded) == count

    for one in uploaded:
        one.becomes("READY", seconds=300)
        ready_once(platform, one)
    let_the_sweep_come(platform)
    for one in uploaded:
        assert stray_objects(platform, one) == set()
    home = directory_of(platform.wait_ready(WORKER))
    until(lambda: left_in(home) == [] or None, seconds=20, what="the worker having tidied up")
    assert [path for path in homes - {home} if path.exists()] == []
    assert [process for dead in homes for process in processes_in(dead)] == []


def test_a_worker_that_is_told_to_stop_gives_its_clip_back_at_once(
    person: MakePerson, platform: Stack, busy_clip: Path
) -> None:
    uploaded = person("alice").upload(busy_clip)
    until(lambda: is_encoding(uploaded), seconds=60, what="the encoder being at work")
    platform.hold(WORKER)
    try:
        job = job_of(platform, uploaded)
        assert (job["status"], job["attempts"], job["lease_owner"]) == ("QUEUED", 0, None)
        assert outputs_of(platform, uploaded) == set()
    finally:
        platform.release(WORKER)
    uploaded.becomes("READY", seconds=120)
    ready_once(platform, uploaded)
    assert job_of(platform, uploaded)["attempts"] == 1


def test_a_video_that_is_deleted_while_it_is_encoded_stops_the_encoder_and_leaves_nothing(
    person: MakePerson, platform: Stack, busy_clip: Path
) -> None:
    alice = person("alice")
    uploaded = alice.upload(busy_clip)
    until(lambda: is_encoding(uploaded), seconds=60, what="the encoder being at work")
    assert alice.delete(f"/v1/videos/{uploaded.video_id}").status_code == 204
    home = directory_of(platform.wait_ready(WORKER))
    until(lambda: left_in(home) == [] or None, seconds=30, what="the worker having dropped it")
    assert processes_in(home, "ffmpeg") == []
    assert job_of(platform, uploaded)["status"] == "CANCELLED"
    objects = f"{alice.user_id}/{uploaded.video_id}/"

    def left() -> set[str]:
        return keys_below(platform, f"videos/{objects}") | keys_below(platform, f"uploads/{objects}")

    with suppress(AssertionError):
        until(lambda: not left() or None, seconds=30, what="all objects being gone")
    assert left() == set()


def test_a_video_that_is_uploaded_anew_while_it_is_encoded_stops_the_encoder_and_tells_of_the_new_clip_alone(
    person: MakePerson, platform: Stack, busy_clip: Path, clip: Path
) -> None:
    alice = person("alice")
    older = alice.upload(busy_clip)
    until(lambda: is_encoding(older), seconds=60, what="the encoder being at work")
    home = directory_of(platform.wait_ready(WORKER))
    encoders = processes_in(home, "ffmpeg")
    assert encoders
    for encoder in encoders:
        os.kill(int(encoder), signal.SIGSTOP)  # so that it can't end by itself
    # Only a failed video may be uploaded anew, and that this one failed is what the catalog alone hears.
    names = {"video_id": older.video_id, "user_id": alice.user_id}
    send_event(platform, TranscodeFailed(**names, generation=1, code="TRANSCODER_ERROR", message="No.", attempts=4))
    older.becomes("PROCESSING_FAILED")
    newer = alice.upload(clip, video_id=older.video_id)

    assert newer.becomes("READY")["generation"] == 2
    query = """
        SELECT job.generation, job.status, run.outcome, run.output_s3_prefix
        FROM transcode_jobs AS job JOIN transcode_runs AS run USING (job_id) WHERE video_id = $1 ORDER BY generation
    """
    (*ended, replaced), (*won, kept) = execute(platform.dsn("media"), query, uuid.UUID(older.video_id))
    assert (ended, won) == ([1, "CANCELLED", "LOST"], [2, "COMPLETED", "WON"])
    assert keys_below(platform, replaced) == set()
    assert keys_below(platform, kept) == outputs_of(platform, newer)
    until(lambda: left_in(home) == [] or None, seconds=20, what="the worker having dropped both")
    assert processes_in(home, "ffmpeg") == []

    for event, generations in ((TranscodeStarted, [1, 2]), (TranscodeCompleted, [2])):
        heard = told(platform, older.video_id, "nextplay.media.events.v1", event.DESCRIPTOR.name)
        assert [event.FromString(data).generation for data in heard] == generations
    inbox = alice.get("/v1/notifications").json()["notifications"]
    assert sorted(entry["kind"] for entry in inbox) == ["video_failed", "video_ready"]


def is_encoding(uploaded: Uploaded) -> bool | None:
    status = uploaded.status()
    return (status["status"] == "PROCESSING" and status["progress"] >= 10) or None


def job_of(platform: Stack, uploaded: Uploaded) -> asyncpg.Record:
    query = "SELECT * FROM transcode_jobs WHERE video_id = $1"
    return execute(platform.dsn("media"), query, uuid.UUID(uploaded.video_id))[0]


def outputs_of(platform: Stack, uploaded: Uploaded) -> set[str]:
    return keys_below(platform, f"videos/{uploaded.owner.user_id}/{uploaded.video_id}/")


def let_dead_leases_end(platform: Stack, pid: int) -> None:
    """Fifteen seconds pass for what a dead worker held."""
    execute(
        platform.dsn("media"),
        "UPDATE transcode_jobs SET lease_until = now() WHERE lease_until > now() AND lease_owner LIKE $1",
        f"%:{pid}",
    )


def let_the_sweep_come(platform: Stack) -> None:
    """An hour passes for the runs that have ended, and the sweep looks."""
    execute(platform.dsn("media"), "UPDATE transcode_runs SET ended_at = ended_at - interval '1 hour'")
    platform.run_job("media-sweep-outputs")


def stray_objects(platform: Stack, uploaded: Uploaded) -> set[str]:
    """What is stored of a video, but its original and the outputs of the run that won."""
    job, outputs = job_of(platform, uploaded), outputs_of(platform, uploaded)
    won = {key for key in outputs if key.startswith(job["output_s3_prefix"])}
    assert won
    originals = keys_below(platform, f"uploads/{uploaded.owner.user_id}/{uploaded.video_id}/")
    return (outputs - won) | (originals - {job["input_s3_key"]})


def directory_of(pid: int) -> Path:
    """The directory for temporary files of a running worker: it holds a lock there."""
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return next(Path(link).parent for link in links if "/worker-" in link and link.endswith("/lock"))


def left_in(directory: Path) -> list[Path]:
    """The files of runs; the child that waits for the next clip has an empty directory."""
    # `walk`, unlike `rglob`, passes over directories that the worker removes meanwhile.
    return [Path(above) / name for above, _, names in os.walk(directory) for name in names if name != "lock"]


def processes_in(directory: Path, name: str = "") -> list[str]:
    """The processes that work below a directory and have such a name."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(directory) in os.readlink(link) and name in link.with_name("comm").read_text():
                found.append(link.parent.name)
        except OSError:
            continue
    return found
