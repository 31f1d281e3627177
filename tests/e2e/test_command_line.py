"""The `nextplay` command against the whole platform."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from tests.e2e.bucket import delete_object, keys_below
from tests.e2e.people import make_clip, until
from tests.e2e.shell import NEXTPLAY, Shell, shell

NewShell = Callable[[str], Shell]


@pytest.fixture
def new_shell(platform: Stack) -> NewShell:
    return lambda name: shell(platform, name)


@pytest.fixture(scope="module")
def alice(platform: Stack) -> Shell:
    """Somebody with a published video, `ready`."""
    return shell(platform, "alice")


@pytest.fixture(scope="module")
def ready(alice: Shell, clip: Path) -> str:
    """A video that is ready."""
    uploaded = alice.json("upload", clip, "--title", "From a shell", "--category", "music", "--watch")
    assert uploaded["video"]["status"] == "READY"
    return str(uploaded["video"]["video_id"])


@pytest.fixture(scope="module")
def long_clip(clips: Path) -> Path:
    return make_clip(clips / "long-for-the-shell.mp4", seconds=31, size="160x120", fps=10)


def test_a_clip_is_uploaded_and_published_with_plain_progress_lines(new_shell: NewShell, clip: Path) -> None:
    done = new_shell("carol").run("upload", clip, "--title", "Plain", "--publish", "--watch")
    assert done.status == 0, done.err
    assert done.out.startswith("PUBLISHED")
    assert "MP4_720" in done.out
    assert "/hls/master.m3u8" in done.out
    assert f"upload   {clip.name}  100 %" in done.err
    assert "PUBLISHED" in done.err
    assert "\x1b" not in done.out + done.err


def test_an_upload_ends_when_the_bytes_are_safe_and_its_publication_needs_no_one(
    new_shell: NewShell, clip: Path
) -> None:
    carol = new_shell("carol")
    sent = carol.json("upload", clip, "--publish")
    assert set(sent) == {"file", "video"}
    assert sent["file"] == str(clip)
    video_id = sent["video"]["video_id"]

    def published() -> bool | None:
        return carol.json("status", video_id)["status"] == "PUBLISHED" or None

    until(published, seconds=60, what="the publication")


def test_several_clips_are_uploaded_and_one_that_is_not_there_stops_none(new_shell: NewShell, clip: Path) -> None:
    carol = new_shell("carol")
    done = carol.run("upload", clip, "no-such-clip.mp4", clip, "--json")
    assert done.status == 1
    first, missing, second = done.documents
    assert missing == {"file": "no-such-clip.mp4", "error": {"code": "FileNotFoundError"}}
    assert {first["video"]["status"], second["video"]["status"]} <= {"UPLOADED", "PROCESSING", "READY"}
    assert "no-such-clip.mp4" in done.error["message"]


def test_a_clip_that_is_too_long_is_refused_before_a_byte_moves(new_shell: NewShell, long_clip: Path) -> None:
    carol = new_shell("carol")
    done = carol.run("upload", long_clip)
    assert (done.status, done.out) == (3, "")
    assert "30 s" in done.err
    assert carol.json("videos") == {"videos": []}


def test_a_rejected_clip_exits_with_3_and_why_tells_its_story(new_shell: NewShell, long_clip: Path) -> None:
    carol = new_shell("carol")
    done = carol.run("upload", long_clip, "--no-check", "--watch")
    assert done.status == 3, done.err
    assert "REJECTED_TOO_LONG" in done.err
    command = done.err.partition("nextplay why ")[2].split()[0]
    told = carol.run("why", command)
    assert told.status == 0
    assert told.out.startswith(f"✘ “{long_clip.stem}”  REJECTED_TOO_LONG")
    assert "The video lasts 31000 ms; the limit is 30000 ms." in told.out
    assert "Measured: 31.0 s, 160×120, 10 fps, H.264 and AAC in MP4" in told.out
    assert f"nextplay upload FILE --video {command}" in told.out


def test_a_rejected_video_takes_another_file(new_shell: NewShell, clip: Path, clips: Path) -> None:
    carol = new_shell("carol")
    text = clips / "no-video.mp4"
    text.write_text("this is a text")
    rejected = carol.run("upload", text, "--no-check", "--watch", "--json")
    assert rejected.status == 3
    video_id = rejected.document["video"]["video_id"]
    assert rejected.document["error"] == {"code": "REJECTED_FORMAT", "video_id": video_id}
    again = carol.json("upload", clip, "--video", video_id, "--watch")
    assert (again["video"]["video_id"], again["video"]["status"]) == (video_id, "READY")
    assert "— upload or retry number 2 —" in carol.run("why", video_id).out


def test_a_video_is_listed_published_seen_by_followers_and_deleted(
    new_shell: NewShell, alice: Shell, ready: str
) -> None:
    bob = new_shell("bob")
    assert bob.json("follow", alice.user) == {"user_id": str(user_id(alice.user)), "following": True}
    listed = alice.json("videos", "--status", "READY")["videos"]
    assert [video["video_id"] for video in listed] == [ready]
    assert ready in alice.run("videos").out
    assert alice.json("publish", ready, "--visibility", "public")["status"] == "PUBLISHED"
    assert "PUBLISHED" in alice.run("publish", ready).out

    def in_feed() -> bool | None:
        return ready in [video["video_id"] for video in bob.json("feed")["videos"]] or None

    def in_inbox() -> bool | None:
        return ready in bob.run("inbox").out or None

    until(in_feed, seconds=30, what="the video in the feed")
    until(in_inbox, seconds=30, what="the video in the inbox")
    [told] = bob.run("inbox", "--unread", "--mark-read", "--json").documents
    assert (told["video_id"], told["kind"]) == (ready, "video_published")
    assert bob.run("inbox", "--unread", "--json").out == ""
    assert ready in bob.run("feed", "--everybody", "--category", "music").out
    assert bob.run("unfollow", str(user_id(alice.user))).status == 0
    assert bob.json("feed") == {"videos": []}


def test_a_status_is_a_line_with_what_may_be_done(alice: Shell, ready: str) -> None:
    done = alice.run("status", ready)
    assert done.status == 0
    assert "100 %" in done.out
    assert "You may: " in done.out
    assert alice.json("status", ready)["video_id"] == ready


def test_watching_prints_a_status_a_line_for_programs(alice: Shell, ready: str) -> None:
    done = alice.run("watch", ready, "--json")
    assert (done.status, done.err) == (0, "")
    assert {status["video_id"] for status in done.documents} == {ready}
    assert done.documents[-1]["status"] in {"READY", "PUBLISHED"}


def test_why_tells_of_a_ready_video_what_was_measured_and_how_long_it_took(alice: Shell, ready: str) -> None:
    told = alice.run("why", ready)
    assert told.status == 0, told.err
    assert told.out.startswith("✔ “From a shell”")
    for said in (
        "The video was announced.",
        "All bytes arrived and are stored",
        "Processing began after",
        "Measured: 3.0 s, 640×360, 30 fps, H.264 and AAC in MP4",
        "Everything is made; the video is ready. It took",
        "Made: MP4_720",
        "Where the time went",
        "For the operators",
    ):
        assert said in told.out
    document = alice.json("why", ready)
    assert {"video_id", "title", "status", "verdict", "stuck", "happenings", "phases", "advice", "trace_ids"} == set(
        document
    )
    events = [happening["event"] for happening in document["happenings"]][:5]
    assert events == [
        "ClaimVideoForUpload",
        "UploadStarted",
        "UploadCompleted",
        "TranscodeStarted",
        "TranscodeCompleted",
    ]


def test_why_tells_of_a_failed_video_and_of_one_that_waits(new_shell: NewShell, platform: Stack, clip: Path) -> None:
    carol = new_shell("carol")
    platform.hold("media-worker")
    try:
        video_id = carol.json("upload", clip)["video"]["video_id"]
        waiting = carol.run("why", video_id)
        assert "It is stored and waits for its turn" in waiting.out
        assert f"nextplay watch {video_id}" in waiting.out
        [original] = keys_below(platform, f"uploads/{user_id(carol.user)}/{video_id}/")
        delete_object(platform, original)
    finally:
        platform.release("media-worker")
    assert carol.run("watch", video_id).status == 3
    failed = carol.run("why", video_id)
    assert "✘ Processing failed after 1 attempt: The uploaded file is not stored any more." in failed.out
    assert "nextplay retry" not in failed.out
    refused = carol.run("retry", video_id)
    assert refused.status == 1
    assert "its original is not stored any more" in refused.err


def test_a_deleted_video_keeps_its_story(new_shell: NewShell, clip: Path) -> None:
    carol = new_shell("carol")
    video_id = carol.json("upload", clip)["video"]["video_id"]
    assert carol.json("delete", video_id, "--yes") == {"video_id": video_id, "status": "DELETED"}
    told = carol.run("why", video_id)
    assert told.status == 0, told.err
    assert "It is deleted, for ever." in told.out
    assert carol.run("publish", video_id).status == 1


def test_a_video_is_not_deleted_by_who_does_not_say_yes(alice: Shell, ready: str) -> None:
    done = alice.run("delete", ready)
    assert done.status != 0
    assert alice.json("status", ready)["status"] != "DELETED"


def test_the_doctor_finds_nothing_wrong_and_leaves_nothing_behind(alice: Shell, ready: str) -> None:
    before = alice.json("videos")
    found = alice.json("doctor", "--origin", "https://app.example.com")
    assert found["ok"]
    assert {check["outcome"] for check in found["checks"]} == {"ok"}, found
    assert alice.run("doctor").status == 0
    assert [video["video_id"] for video in alice.json("videos")["videos"]] == [
        video["video_id"] for video in before["videos"]
    ]


def test_a_video_of_somebody_else_is_not_found_and_the_answer_is_a_problem_for_programs(
    new_shell: NewShell, ready: str
) -> None:
    done = new_shell("mallory").run("why", ready, "--json")
    assert (done.status, done.out) == (1, "")
    assert (done.error["code"], done.error["status"]) == ("VIDEO_NOT_FOUND", 404)
    assert done.error["next_action"]


def test_a_wrong_token_points_to_the_doctor(platform: Stack) -> None:
    carol = Shell(platform, "carol")
    done = carol.run("videos", NEXTPLAY_TOKEN="a.b.c")
    assert done.status == 0, "--user is said, and counts more than the environment"
    told = subprocess.run(
        [NEXTPLAY, "videos", "--token", "a.b.c", "--url", platform.gateway],
        env=carol.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert "nextplay doctor" in told.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("upload",),
        ("upload", "a.mp4", "b.mp4", "--title", "Two"),
        ("token", "--tier", "gold"),
        ("status", "not-an-id"),
        ("videos", "--limit", "0"),
        ("feed", "--category", "music"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_exits_with_2(platform: Stack, arguments: tuple[str, ...]) -> None:
    done = Shell(platform, "carol").run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Usage:" in done.err


def test_a_token_is_printed_alone_and_names_the_same_user_each_time(platform: Stack) -> None:
    carol = Shell(platform, "carol")
    first, second = (carol.run("token", "--tier", "paid") for _ in range(2))
    assert first.status == second.status == 0
    told = [jwt.decode(done.out.strip(), options={"verify_signature": False}) for done in (first, second)]
    assert told[0]["sub"] == told[1]["sub"] == str(uuid.UUID(told[0]["sub"]))
    assert {claim["tier"] for claim in told} == {"paid"}
    assert first.out.count("\n") == 1
    assert carol.json("token")["user_id"] == told[0]["sub"]


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path, platform: Stack) -> None:
    environment = Shell(platform, "carol").environment
    del environment["NEXTPLAY_STACK"]
    for command in ("token", "videos", "doctor"):
        done = subprocess.run(
            [NEXTPLAY, command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert "make up" in done.stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(platform: Stack, name: str) -> None:
    done = Shell(platform, "carol")
    script = subprocess.run(
        [NEXTPLAY, "completion", name], env=done.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert script.returncode == 0
    assert "_NEXTPLAY_COMPLETE" in script.stdout
    if shutil.which(name):
        checked = subprocess.run([name, "-n"], input=script.stdout, text=True, timeout=60, check=False)
        assert checked.returncode == 0
    asked = {"_NEXTPLAY_COMPLETE": f"{name}_complete", "COMP_WORDS": "nextplay up", "COMP_CWORD": "1"}
    if name == "fish":
        asked["COMP_CWORD"] = "up"
    offered = subprocess.run(
        [NEXTPLAY], env=done.environment | asked, capture_output=True, text=True, timeout=60, check=False
    )
    assert "upload" in offered.stdout


def test_a_reader_who_leaves_gets_no_traceback(alice: Shell, ready: str) -> None:
    piped = subprocess.run(
        ["bash", "-c", '"$0" "$@" | true; exit ${PIPESTATUS[0]}', *alice.arguments("why", ready)],
        env=alice.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in piped.stderr
    assert json.dumps(piped.returncode) in {"0", "1"}
