"""What operators do to a video, on the whole platform: its owner and every context hear of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import Context
from tests.e2e.conftest import MakePerson

DECIDED = ("--reason", "It is on our list", "--by", "ann", "--yes")
NO_PORTS = {"GRPC_BIND": "127.0.0.1:0", "METRICS_BIND": "127.0.0.1:0"}


def operate(platform: Stack, context: Context, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m services.<context> …` with the settings that the platform's own processes have."""
    binds = {f"NEXTPLAY_{context.upper()}_{name}": address for name, address in NO_PORTS.items()}
    return subprocess.run(
        [sys.executable, "-m", f"services.{context}", *arguments],
        cwd=ROOT,
        env=os.environ | platform.environment(context) | binds,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shown(platform: Stack, context: Context, *arguments: str) -> list[dict[str, Any]]:
    """What a look prints as JSON."""
    ended = operate(platform, context, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_cancelled_transcode_fails_its_video_and_a_retried_one_makes_it_ready(
    person: MakePerson, platform: Stack, clip: Path
) -> None:
    alice = person("alice")
    platform.hold("media-worker")
    try:
        uploaded = alice.upload(clip, title="Nobody else's business")
        uploaded.becomes("UPLOADED")
        [job] = [one for one in shown(platform, "media", "jobs", "list") if one["video_id"] == uploaded.video_id]
        asked = operate(platform, "media", "jobs", "cancel", job["id"], *DECIDED[:-1])
        assert asked.returncode == 2, "nobody is there to ask"
        assert "say --yes" in asked.stderr
        assert uploaded.status()["status"] == "UPLOADED"
        done = operate(platform, "media", "jobs", "cancel", job["id"], *DECIDED)
        assert (done.returncode, f"1/1 {job['id']}: done" in done.stdout) == (0, True), done.stderr
    finally:
        platform.release("media-worker")
    failed = uploaded.becomes("PROCESSING_FAILED")
    assert failed["reason"] == {
        "code": "TRANSCODE_STOPPED",
        "message": "Converting the video was stopped by our operators: It is on our list",
        "stage": "transcode",
        "next_action": "Upload another clip.",
    }

    mended = ("--reason", "It is not on our list", "--by", "ann", "--yes")
    retried = operate(platform, "catalog", "videos", "retry", uploaded.video_id, *mended)
    assert retried.returncode == 0, retried.stderr
    again = operate(platform, "catalog", "videos", "retry", uploaded.video_id, *mended)
    assert (again.returncode, "not in a state for this" in again.stderr) == (1, True)
    uploaded.becomes("READY")

    [in_catalog] = shown(platform, "catalog", "videos", "show", uploaded.video_id)
    [in_upload] = shown(platform, "upload", "videos", "show", uploaded.video_id)
    [in_media] = shown(platform, "media", "videos", "show", uploaded.video_id)
    [in_notify] = shown(platform, "notify", "videos", "show", uploaded.video_id, "--user", alice.user_id)
    assert (in_catalog["status"], in_catalog["generation"]) == ("READY", 2)
    events = [entry["event"] for entry in in_catalog["timeline"]]
    assert events.count("TranscodeCompleted") == events.count("TranscodeFailed") == 1
    assert [one["status"] for one in in_upload["uploads"]] == ["COMPLETED"]
    assert [one["key"].rpartition("/")[2] for one in in_upload["objects"]] == ["original.mp4"]
    assert [one["status"] for one in in_media["jobs"]] == ["COMPLETED", "FAILED"]
    assert {one["s3_key"] for one in in_catalog["assets"]} <= {one["key"] for one in in_media["objects"]}
    assert {"video_ready", "video_failed"} <= {one["kind"] for one in in_notify["notifications"]}
    assert "Nobody else's business" not in json.dumps([in_catalog, in_upload, in_media, in_notify])

    actions = [*shown(platform, "media", "actions", "list"), *shown(platform, "catalog", "actions", "list")]
    mine = [(one["action"], one["outcome"]) for one in actions if one["subject"] in (job["id"], uploaded.video_id)]
    assert mine == [("jobs cancel", "done"), ("videos retry", "done")]
