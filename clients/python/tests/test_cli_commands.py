"""The commands against a fake platform: what they ask, what they print, and how they end."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_platform import PART_BYTES, FakePlatform, Request, problem

from nextplay_client import Client
from nextplay_client.cli import app
from nextplay_client.cli.failures import sentence
from nextplay_client.errors import StillWaiting
from nextplay_client.files import FileChanged

VIDEO = "01a20643-e506-7741-94b8-1df5dd3a79d2"
USER = "0cd588b6-fdf1-57c9-b110-1c49c01fb659"
AT = "2026-11-23T02:37:22.607767Z"
STATUS = {
    "video_id": VIDEO,
    "status": "READY",
    "progress": 100,
    "sequence": 5,
    "generation": 1,
    "final": True,
    "allowed_actions": ["publish", "delete"],
    "changed_at": AT,
}
SUMMARY = {
    "video_id": VIDEO,
    "user_id": USER,
    "title": "[red]A goal",
    "category": "sports",
    "visibility": "public",
    "status": "READY",
    "duration_ms": 3000,
    "created_at": AT,
}
HLS = {"kind": "HLS", "url": "https://example.com/master.m3u8", "size_bytes": 619_413}
NOTIFICATION = {
    "notification_id": "n1",
    "kind": "video_rejected",
    "title": "Video rejected",
    "body": "“A goal” was not accepted.",
    "video_id": VIDEO,
    "actor_user_id": USER,
    "next_action": "Trim the clip.",
    "created_at": AT,
}


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(platform: FakePlatform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, as a user of the fake platform."""
    monkeypatch.setenv("NEXTPLAY_URL", platform.address)
    monkeypatch.setenv("NEXTPLAY_TOKEN", "token")

    def command(*arguments: str | Path) -> Done:
        monkeypatch.setattr("sys.argv", ["nextplay", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return Done(int(ended.value.code or 0), written.out, written.err)

    return command


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(3 * PART_BYTES))
    return path


@pytest.fixture
def answering(platform: FakePlatform) -> Callable[..., None]:
    def answer(**answers: Any) -> None:
        for path, told in answers.items():
            platform.answers["/v1/" + path.replace("VIDEO", VIDEO)] = [told if isinstance(told, tuple) else (200, told)]

    return answer


@pytest.fixture
def uploads_have_videos(platform: FakePlatform) -> None:
    """Each uploaded video is found, as UPLOADED."""

    def found(request: Request) -> tuple[int, dict[str, Any]] | None:
        if request.verb == "GET" and request.path.startswith("/v1/videos/") and request.path.count("/") == 3:
            return 200, {
                "video_id": request.path.rpartition("/")[2],
                "status": "UPLOADED",
                "title": "clip",
                "assets": [HLS],
            }
        return None

    platform.faults.append(found)


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("uploads_have_videos")
def test_an_upload_tells_its_tenths_and_its_video(platform: FakePlatform, run: Run, clip: Path) -> None:
    done = run("upload", clip, "--no-check", "--title", "A goal", "--category", "sports", "--visibility", "unlisted")
    [upload] = platform.uploads.values()
    assert done.status == 0, done.err
    assert done.out == f"UPLOADED  {upload.video_id}  clip.mp4\n"
    assert "upload   clip.mp4  100 %  0.90 MB of 0.90 MB" in done.err
    assert f"Watch it: nextplay watch {upload.video_id}" in done.err
    told = {name: upload.announced[name] for name in ("title", "category", "visibility", "filename", "content_type")}
    assert told == {
        "title": "A goal",
        "category": "sports",
        "visibility": "unlisted",
        "filename": "clip.mp4",
        "content_type": "video/mp4",
    }


@pytest.mark.usefixtures("uploads_have_videos")
def test_several_uploads_print_a_document_each_and_stop_for_what_concerns_all(
    platform: FakePlatform, run: Run, clip: Path, at_once: None
) -> None:
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes()[:1000])
    platform.faults.append(
        lambda request: problem(429, "RATE_LIMITED") if request.body.get("filename") == "other.mp4" else None
    )
    done = run("upload", clip, other, clip, "--no-check", "--json")
    assert done.status == 1
    sent, refused = lines(done.out)
    assert (sent["file"], sent["video"]["status"]) == (str(clip), "UPLOADED")
    assert (refused["file"], refused["error"]["code"], refused["error"]["status"]) == (str(other), "RATE_LIMITED", 429)
    assert lines(done.err)[0]["error"]["file"] == "other.mp4"


@pytest.mark.usefixtures("uploads_have_videos")
@pytest.mark.parametrize(("status", "code"), [(413, "FILE_TOO_LARGE"), (415, "UNSUPPORTED_CONTENT_TYPE")])
def test_a_clip_that_the_platform_refuses_exits_with_3_and_stops_no_other(
    status: int, code: str, platform: FakePlatform, run: Run, clip: Path
) -> None:
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes()[:1000])
    platform.faults.append(
        lambda request: problem(status, code) if request.body.get("filename") == "other.mp4" else None
    )
    done = run("upload", other, clip, "--no-check")
    assert (done.status, done.out.count("UPLOADED")) == (3, 1)
    assert "Not tried" not in done.err


@pytest.mark.usefixtures("uploads_have_videos")
def test_a_clip_whose_name_does_not_tell_what_it_is_stops_no_other(run: Run, clip: Path) -> None:
    other = clip.with_name("without_an_end")
    other.write_bytes(clip.read_bytes())
    done = run("upload", other, clip, "--no-check")
    assert (done.status, done.out.count("UPLOADED")) == (3, 1)
    assert "--content-type" in done.err


def test_a_clip_that_the_head_of_the_file_refuses_exits_with_3(platform: FakePlatform, run: Run, clip: Path) -> None:
    clip.write_text("this is a text, and not a short one either")
    done = run("upload", clip)
    assert (done.status, done.out) == (3, "")
    assert "nextplay: " in done.err
    assert platform.uploads == {}


def test_a_status_is_a_line_or_the_document(answering: Callable[..., None], run: Run) -> None:
    answering(**{"videos/VIDEO/status": STATUS})
    assert json.loads(run("status", VIDEO, "--json").out) == STATUS
    done = run("status", VIDEO)
    assert done.out.startswith("READY, 100 %, ")
    assert "You may: publish, delete." in done.out


def test_lists_are_tables_for_people_and_documents_for_programs(answering: Callable[..., None], run: Run) -> None:
    page = {"videos": [SUMMARY], "next_page_token": ""}
    answering(**{"videos": page, "feed": page, "feed/discover": page})
    for command in (["videos"], ["feed"], ["feed", "--everybody"]):
        assert json.loads(run(*command, "--json").out) == {"videos": [SUMMARY]}
        heading, row = run(*command).out.splitlines()
        assert heading.split()[0] == "TITLE"
        assert "[red]A goal" in row
        assert row.rstrip().endswith(VIDEO)


@pytest.mark.parametrize("width", ["20", "60"])
def test_a_narrow_terminal_cuts_no_id(
    width: str, answering: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", width)
    answering(videos={"videos": [SUMMARY | {"title": "A title that is long " * 3}], "next_page_token": ""})
    assert VIDEO in run("videos").out


def test_a_damaged_description_of_the_local_stack_says_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "stack.json"
    damaged.write_text('{"gateway')
    monkeypatch.setenv("NEXTPLAY_STACK", str(damaged))
    done = run("token")
    assert (done.status, "Start the stack anew" in done.err) == (1, True)


def test_an_empty_list_says_what_to_do(answering: Callable[..., None], run: Run) -> None:
    answering(videos={"videos": [], "next_page_token": ""})
    done = run("videos")
    assert (done.status, done.out) == (0, "")
    assert "nextplay upload CLIP" in done.err


def test_a_change_sends_what_is_said_alone(platform: FakePlatform, run: Run) -> None:
    told = {"video_id": VIDEO, "title": "New", "description": "", "category": "music", "visibility": "private"}
    platform.faults.append(lambda request: (200, told) if request.verb == "PATCH" else None)
    assert run("update", VIDEO, "--title", "New", "--visibility", "private").out == "“New”  music, private\n"
    assert json.loads(run("update", VIDEO, "--category", "music", "--json").out) == told
    first, second = platform.calls("PATCH", VIDEO)
    assert (first.body, second.body) == ({"title": "New", "visibility": "private"}, {"category": "music"})


def test_nobody_is_asked_where_there_is_no_terminal(run: Run) -> None:
    done = run("delete", VIDEO)
    assert done.status == 2
    assert "--yes" in done.err


@pytest.mark.parametrize("address", ["localhost:8080", "nonsense"])
def test_an_address_without_a_scheme_is_wrong_usage(run: Run, address: str) -> None:
    done = run("videos", "--url", address)
    assert done.status == 2
    assert f"{address!r} must begin with https:// or http://" in done.err


def test_an_answer_of_another_server_points_to_the_doctor(platform: FakePlatform, run: Run) -> None:
    platform.faults.append(lambda request: (404, {"stream": "<html>"}))
    done = run("status", VIDEO)
    assert done.status == 1
    assert "nextplay doctor" in done.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file", "a.mp4"), "There is no file a.mp4. Check its name and the folder."),
        (IsADirectoryError(21, "Is a directory", "clips"), "clips is a folder. Name the clip in it."),
        (PermissionError(13, "Permission denied", "a.mp4"), "a.mp4 may not be read. Check its permissions."),
        (OSError("it became shorter"), "The file cannot be read: it became shorter. Check it and try again."),
        (FileChanged("a.mp4 was changed; upload it again"), "a.mp4 was changed; upload it again."),
        (StillWaiting("It was not ready."), "It was not ready. See where it stands: nextplay videos"),
    ],
)
def test_every_error_has_its_next_step(error: Exception, said: str) -> None:
    assert sentence(error) == said


def test_a_title_is_shown_as_it_is(answering: Callable[..., None], run: Run) -> None:
    answering(videos={"videos": [SUMMARY | {"title": ":smile: [bold]x"}], "next_page_token": ""})
    assert ":smile: [bold]x" in run("videos").out


def test_publish_retry_delete_follow_and_unfollow_say_what_they_did(answering: Callable[..., None], run: Run) -> None:
    published = {"video_id": VIDEO, "status": "PUBLISHED", "visibility": "public", "sequence": 6}
    retried = {"video_id": VIDEO, "status": "UPLOADED", "sequence": 6, "generation": 2}
    answering(
        **{
            "videos/VIDEO/publish": published,
            "videos/VIDEO/retry": retried,
            "videos/VIDEO": {},
            f"users/{USER}/follow": {},
        }
    )
    assert run("publish", VIDEO).out == f"PUBLISHED  {VIDEO}  public\n"
    assert json.loads(run("publish", VIDEO, "--json").out) == published
    assert run("retry", VIDEO).out == f"UPLOADED  {VIDEO}\n"
    assert json.loads(run("retry", VIDEO, "--json").out) == retried
    assert run("delete", VIDEO, "--yes").out == f"DELETED  {VIDEO}\n"
    assert json.loads(run("delete", VIDEO, "--yes", "--json").out) == {"video_id": VIDEO, "status": "DELETED"}
    assert run("follow", USER).out == f"You follow {USER} now.\n"
    assert json.loads(run("unfollow", USER, "--json").out) == {"user_id": USER, "following": False}


def test_a_publication_that_waits_says_so(answering: Callable[..., None], platform: FakePlatform, run: Run) -> None:
    answering(**{"videos/VIDEO/publish": {"video_id": VIDEO, "status": "PROCESSING", "visibility": "private"}})
    done = run("publish", VIDEO, "--when-ready", "--visibility", "private", "--quiet")
    assert "will be published as soon as it is ready" in done.out
    [asked] = platform.calls("POST", "/publish")
    assert asked.body == {"visibility": "private", "notify_followers": False, "when_ready": True}


def test_a_user_is_named_by_id_where_no_local_stack_knows_names(run: Run) -> None:
    done = run("follow", "bob")
    assert done.status == 2
    assert "'bob' is no user id" in done.err


def test_the_inbox_is_read_and_marked(answering: Callable[..., None], platform: FakePlatform, run: Run) -> None:
    page = {"notifications": [NOTIFICATION], "next_page_token": "", "unread_count": 1, "latest_sequence": 1}
    answering(**{"notifications": page, "notifications/read": {"marked_count": 1, "unread_count": 0}})
    assert lines(run("inbox", "--json").out) == [NOTIFICATION]
    done = run("inbox", "--mark-read")
    assert "Video rejected" in done.out
    assert "Trim the clip." in done.out
    assert "0 notifications unread." in done.err
    assert platform.calls("POST", "/read")[0].body == {"notification_ids": ["n1"]}


def test_why_of_an_upload_under_way_asks_for_its_parts(answering: Callable[..., None], run: Run) -> None:
    uploading = STATUS | {"status": "UPLOADING", "final": False, "allowed_actions": []}
    upload = {
        "upload_id": "u1",
        "video_id": VIDEO,
        "parts_received": [],
        "part_count": 3,
        "file_size_bytes": 23_000_000,
        "filename": "clip.mp4",
        "expires_at": AT,
    }
    answering(
        **{
            "videos/VIDEO/status": uploading,
            "videos/VIDEO": {"title": "A goal", "visibility": "public"},
            "videos/VIDEO/timeline": {"entries": []},
            "uploads/u1": upload,
        }
    )
    assert run("why", VIDEO).status == 0


def test_a_refusal_is_a_sentence_for_people_and_a_document_for_programs(
    answering: Callable[..., None], run: Run
) -> None:
    answering(**{"videos/VIDEO/status": problem(404, "VIDEO_NOT_FOUND")})
    done = run("status", VIDEO)
    assert (done.status, done.out, done.err) == (1, "", "nextplay: VIDEO_NOT_FOUND. Do this.\n")
    [told] = lines(run("status", VIDEO, "--json").err)
    assert told == {
        "error": {
            "message": "VIDEO_NOT_FOUND. Do this.",
            "code": "VIDEO_NOT_FOUND",
            "status": 404,
            "next_action": "Do this.",
            "trace_id": "0" * 32,
        }
    }


def test_a_rejected_video_exits_with_3_and_points_to_its_story(answering: Callable[..., None], run: Run) -> None:
    reason = {"code": "CORRUPT", "message": "It is damaged.", "stage": "probe", "next_action": "Export it again."}
    rejected = STATUS | {"status": "REJECTED_FORMAT", "reason": reason}
    answering(**{"videos/VIDEO/events": {"stream": f"data: {json.dumps(rejected)}\n\n"}})
    done = run("watch", VIDEO)
    assert done.status == 3
    assert "It is damaged. Export it again." in done.err
    assert f"nextplay why {VIDEO}" in done.err
    watched = run("watch", VIDEO, "--json")
    assert lines(watched.out) == [rejected]
    assert lines(watched.err)[0]["error"]["code"] == "REJECTED_FORMAT"


def test_nobody_at_the_address_points_to_the_doctor(run: Run, at_once: None) -> None:
    done = run("videos", "--url", "http://127.0.0.1:1")
    assert done.status == 1
    assert "No answer from http://127.0.0.1:1" in done.err
    assert "nextplay doctor" in done.err


def test_ctrl_c_is_a_document_for_programs_whatever_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "videos", interrupted)
    done = run("videos", "--json")
    assert done.status == 130
    assert lines(done.err) == [{"error": {"message": "Interrupted.", "code": "INTERRUPTED"}}]


def test_a_fault_of_the_command_itself_is_a_sentence_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("nextplay_client.Client.status", broken)
    done = run("status", VIDEO)
    assert done.status == 1
    assert "ZeroDivisionError: by nothing" in done.err


def test_url_and_user_and_token_must_fit_together(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("videos", "--token", "a", "--user", "bob").status == 2
    monkeypatch.delenv("NEXTPLAY_TOKEN")
    monkeypatch.setenv("NEXTPLAY_STACK", "/nowhere/stack.json")
    done = run("videos")
    assert done.status == 1
    assert "--token or NEXTPLAY_TOKEN" in done.err


def test_a_terminal_that_lacks_letters_shows_others_in_their_place(platform: FakePlatform) -> None:
    platform.answers["/v1/videos"] = [(200, {"videos": [SUMMARY | {"title": "Tür ⚽"}], "next_page_token": ""})]
    done = subprocess.run(
        [sys.executable, "-c", "from nextplay_client.cli.app import main; main()", "videos"],
        env=os.environ
        | {"NEXTPLAY_URL": platform.address, "NEXTPLAY_TOKEN": "t", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "T?r ?" in done.stdout


def test_a_terminal_shows_bars_with_rate_and_time_left(platform: FakePlatform, clip: Path) -> None:
    """On a real terminal, of which only the size is made up."""

    coming = [STATUS | {"status": "PROCESSING", "progress": 40, "eta_seconds": 7, "final": False}, STATUS]

    def slow(request: Request) -> None:
        if request.part:
            time.sleep(0.2)

    def watched(request: Request) -> tuple[int, dict[str, Any]] | None:
        if request.path.endswith("/events"):
            return 200, {"stream": f"data: {json.dumps(coming.pop(0))}\n\n"}
        if request.verb == "GET" and request.path.startswith("/v1/videos/"):
            return 200, {"video_id": VIDEO, "status": "READY", "title": "clip", "assets": [HLS]}
        return None

    platform.faults += [slow, watched]
    clip.write_bytes(os.urandom(12 * PART_BYTES))
    small_parts = f"from nextplay_client.uploading import upload; upload.PART_BYTES = {PART_BYTES}"
    command = [sys.executable, "-c", f"{small_parts}; from nextplay_client.cli.app import main; main()"]
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*command, "upload", clip, "--no-check", "--watch", "--url", platform.address, "--token", "t"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
    )
    os.close(terminal)
    shown = b""
    while chunk := read(main):
        shown += chunk
    os.close(main)
    assert process.wait(30) == 0, shown.decode()
    text = shown.decode()
    assert "━" in text
    assert "MB/s" in text or "kB/s" in text
    assert " left" in text
    assert "PROCESSING, about 7 s left" in text
    assert "\x1b[" in text
    assert "READY" in text


def read(terminal: int) -> bytes:
    """What the terminal shows next; empty when the command has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
