"""The `nextplay` command against the whole platform."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import jwt

from deploy.local.stack import Stack
from tests.e2e.people import make_clip

NEXTPLAY = str(Path(sys.executable).with_name("nextplay"))


def nextplay(platform: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user of the local stack does, without a terminal."""
    environment = {**os.environ, "NEXTPLAY_STACK": str(platform.home.path / "stack.json")}
    return subprocess.run(
        [NEXTPLAY, *arguments], env=environment, capture_output=True, text=True, timeout=180, check=False
    )


def test_a_clip_is_uploaded_and_published_with_plain_progress_lines(platform: Stack, clip: Path) -> None:
    user = f"carol-{uuid.uuid4().hex[:8]}"
    done = nextplay(platform, "upload", str(clip), "--title", "From a shell", "--user", user, "--publish")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PUBLISHED")
    assert "MP4_720" in done.stdout
    assert "upload     100 %" in done.stderr
    assert "READY" in done.stderr


def test_json_is_all_that_is_printed_where_it_is_asked_for(platform: Stack, clip: Path) -> None:
    done = nextplay(platform, "upload", str(clip), "--json", "--user", f"carol-{uuid.uuid4().hex[:8]}")
    assert (done.returncode, done.stderr) == (0, "")
    video = json.loads(done.stdout)
    assert (video["status"], video["title"]) == ("READY", clip.stem)


def test_a_rejected_clip_exits_with_3_and_its_reason(platform: Stack, clips: Path) -> None:
    long = make_clip(clips / "long-for-the-shell.mp4", seconds=31, size="160x120", fps=10)
    done = nextplay(platform, "upload", str(long), "--user", f"carol-{uuid.uuid4().hex[:8]}")
    assert done.returncode == 3, done.stderr
    assert "REJECTED_TOO_LONG" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_exits_with_1_and_its_name(platform: Stack) -> None:
    done = nextplay(platform, "upload", "no-such-clip.mp4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no-such-clip.mp4" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_with_2(platform: Stack) -> None:
    assert nextplay(platform, "upload").returncode == 2
    assert nextplay(platform, "token", "--user", "a", "--tier", "gold").returncode == 2


def test_a_token_is_printed_alone_and_names_the_same_user_each_time(platform: Stack) -> None:
    first, second = (nextplay(platform, "token", "--user", "alice", "--tier", "paid") for _ in range(2))
    assert first.returncode == second.returncode == 0
    claims = [jwt.decode(done.stdout.strip(), options={"verify_signature": False}) for done in (first, second)]
    assert claims[0]["sub"] == claims[1]["sub"] == str(uuid.UUID(claims[0]["sub"]))
    assert {claim["tier"] for claim in claims} == {"paid"}
    assert first.stdout.count("\n") == 1


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NEXTPLAY_STACK"}
    done = subprocess.run(
        [NEXTPLAY, "token", "--user", "alice"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "make up" in done.stderr
