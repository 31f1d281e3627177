"""What operators do to a video, on the whole platform: its owner and every context hear of it."""

import json
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import Context
from tests.e2e.conftest import MakePerson
from tests.e2e.people import until

DECIDED = ("--reason", "It is on our list", "--by", "ann", "--yes")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Operator:
    """`operator("media", "jobs", "list")` is `python -m services.media jobs list` with the settings that the platform's
    own processes have; within this process, because starting another takes seconds."""

    platform: Stack
    capsys: pytest.CaptureFixture[str]

    def __call__(self, context: Context, *arguments: str) -> Ended:
        module = f"services.{context}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.platform.environment_beside(context).items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", [module, *arguments])
            with pytest.raises(SystemExit) as ended:
                runpy.run_module(module, run_name="__main__")
        printed = self.capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    def sees(self, context: Context, *arguments: str) -> list[dict[str, Any]]:
        """What a look prints as JSON."""
        ended = self(context, *arguments, "--json")
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]


@pytest.fixture
def operator(platform: Stack, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(platform, capsys)


def test_on_a_local_stack_commands_get_its_settings(platform: Stack) -> None:
    command = [sys.executable, "-m", "deploy.local", "operate", "--home", platform.home.path, "media", "jobs", "queue"]
    ended = subprocess.run(
        [*command, "--json"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_cancelled_transcode_fails_its_video_and_a_retried_one_makes_it_ready(
    person: MakePerson, platform: Stack, operator: Operator, clip: Path
) -> None:
    alice = person("alice")
    platform.hold("media-worker")
    try:
        uploaded = alice.upload(clip, title="Nobody else's business")
        uploaded.becomes("UPLOADED")

        def queued() -> dict[str, Any] | None:
            listed = operator.sees("media", "jobs", "list")
            return next((one for one in listed if one["video_id"] == uploaded.video_id), None)

        job = until(queued, seconds=30, what="media to hear of the upload, as catalog did")
        asked = operator("media", "jobs", "cancel", job["id"], *DECIDED[:-1])
        assert asked.code == 2, "nobody is there to ask"
        assert "say --yes" in asked.err
        assert uploaded.status()["status"] == "UPLOADED"
        done = operator("media", "jobs", "cancel", job["id"], *DECIDED)
        assert (done.code, f"1/1 {job['id']}: done" in done.out) == (0, True), done.err
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
    retried = operator("catalog", "videos", "retry", uploaded.video_id, *mended)
    assert retried.code == 0, retried.err
    again = operator("catalog", "videos", "retry", uploaded.video_id, *mended)
    assert (again.code, "not in a state for this" in again.err) == (1, True)
    uploaded.becomes("READY")

    [in_catalog] = operator.sees("catalog", "videos", "show", uploaded.video_id)
    [in_upload] = operator.sees("upload", "videos", "show", uploaded.video_id)
    [in_media] = operator.sees("media", "videos", "show", uploaded.video_id)
    [in_notify] = operator.sees("notify", "videos", "show", uploaded.video_id, "--user", alice.user_id)
    assert (in_catalog["status"], in_catalog["generation"]) == ("READY", 2)
    events = [entry["event"] for entry in in_catalog["timeline"]]
    assert events.count("TranscodeCompleted") == events.count("TranscodeFailed") == 1
    assert [one["status"] for one in in_upload["uploads"]] == ["COMPLETED"]
    assert [one["key"].rpartition("/")[2] for one in in_upload["objects"]] == ["original.mp4"]
    assert [one["status"] for one in in_media["jobs"]] == ["COMPLETED", "FAILED"]
    assert {one["s3_key"] for one in in_catalog["assets"]} <= {one["key"] for one in in_media["objects"]}
    assert {"video_ready", "video_failed"} <= {one["kind"] for one in in_notify["notifications"]}
    assert "Nobody else's business" not in json.dumps([in_catalog, in_upload, in_media, in_notify])

    actions = [*operator.sees("media", "actions", "list"), *operator.sees("catalog", "actions", "list")]
    mine = [(one["action"], one["outcome"]) for one in actions if one["subject"] in (job["id"], uploaded.video_id)]
    assert mine == [("jobs cancel", "done"), ("videos retry", "done")]
