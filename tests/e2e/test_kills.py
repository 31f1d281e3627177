"""Workers that are killed again and again: every clip is READY in the end, told once, and nothing is left over."""

import os
import random
import time
import uuid
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.e2e.bucket import keys_below
from tests.e2e.conftest import MakePerson
from tests.e2e.once import ready_once
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
    query = "SELECT input_s3_key, output_s3_prefix FROM transcode_jobs WHERE video_id = $1"
    job = execute(platform.dsn("media"), query, uuid.UUID(uploaded.video_id))[0]
    owner = uploaded.owner.user_id
    outputs = keys_below(platform, f"videos/{owner}/{uploaded.video_id}/")
    won = {key for key in outputs if key.startswith(job["output_s3_prefix"])}
    assert won
    return (outputs - won) | (keys_below(platform, f"uploads/{owner}/{uploaded.video_id}/") - {job["input_s3_key"]})


def directory_of(pid: int) -> Path:
    """The directory for temporary files of a running worker: it holds a lock there."""
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return next(Path(link).parent for link in links if "/worker-" in link and link.endswith("/lock"))


def left_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name != "lock"]


def processes_in(directory: Path) -> list[str]:
    """The processes that work below a directory."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(directory) in os.readlink(link):
                found.append(link.parent.name)
        except OSError:
            continue
    return found
