"""Uploading a file, against a platform that is a local HTTP server."""

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from fake_platform import PART_BYTES, FakePlatform, Request, Upload, problem

from nextplay_client import AsyncClient, Client, PreflightRefused, Unreachable, UploadProgress
from nextplay_client.uploading.parts import Part, checksum, cut

pytestmark = pytest.mark.usefixtures("at_once", "small_parts")
PARTS = 4


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 300 kB, so that no test moves much."""
    monkeypatch.setattr("nextplay_client.uploading.upload.PART_BYTES", PART_BYTES)


class Enough(Exception):
    """What a progress function raises to end an upload."""


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[Client]:
    with Client(platform.address, "token") as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three parts and a rest."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"".join(bytes([number]) * PART_BYTES for number in range(1, PARTS)) + b"the rest")
    return path


def upload(client: Client, clip: Path, **more: object) -> dict[str, object]:
    given = {"title": "A title", "category": "sports", "preflight": False} | more
    return dict(client.upload(clip, **given))  # type: ignore[arg-type]


def stored(platform: FakePlatform) -> Upload:
    """The one upload of the platform that was completed."""
    (done,) = (upload for upload in platform.uploads.values() if upload.object is not None)
    return done


def interrupt_after(parts: int) -> object:
    def on_progress(progress: UploadProgress) -> None:
        if progress.sent_bytes - progress.resumed_bytes > parts * PART_BYTES:
            raise Enough

    return on_progress


def test_a_file_is_cut_into_equal_parts_and_a_shorter_last_one() -> None:
    assert cut(25, 10) == [Part(1, 0, 10), Part(2, 10, 10), Part(3, 20, 5)]


def test_a_file_of_exactly_one_part_is_one_part() -> None:
    assert cut(10, 10) == [Part(1, 0, 10)]


def test_the_checksum_of_a_part_is_that_of_its_bytes_alone(clip: Path) -> None:
    data = clip.read_bytes()
    for part in cut(len(data), 3_000_000):
        wanted = hashlib.sha256(data[part.offset : part.offset + part.length]).digest()
        assert base64.b64decode(checksum(clip, part)) == wanted


def test_all_bytes_arrive_and_progress_goes_from_nothing_to_the_whole(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    seen = list[UploadProgress]()
    completed = upload(client, clip, on_progress=seen.append)
    done, total = stored(platform), clip.stat().st_size
    assert done.object == clip.read_bytes()
    assert completed == {"video_id": done.video_id, "status": "UPLOADED", "sequence": 3}
    assert (seen[0].sent_bytes, seen[-1].sent_bytes, seen[-1].total_bytes) == (0, total, total)
    assert [p.sent_bytes for p in seen] == sorted(p.sent_bytes for p in seen)
    assert {(p.upload_id, p.video_id) for p in seen} == {(done.upload_id, done.video_id)}


async def test_the_asynchronous_client_does_the_same(platform: FakePlatform, clip: Path) -> None:
    wanted = clip.read_bytes()  # noqa: ASYNC240
    async with AsyncClient(platform.address, "token") as client:
        await client.upload(clip, title="A title", category="sports", preflight=False)
    assert stored(platform).object == wanted


def test_what_is_told_of_the_file_reaches_the_platform(platform: FakePlatform, client: Client, clip: Path) -> None:
    upload(client, clip, description="It rained.", visibility="unlisted", video_id="01a2")
    told = stored(platform).announced
    told.pop("fingerprint")
    assert told == {
        "title": "A title",
        "category": "sports",
        "description": "It rained.",
        "visibility": "unlisted",
        "video_id": "01a2",
        "filename": "clip.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": clip.stat().st_size,
        "part_checksums": True,
    }


def test_three_parts_are_under_way_at_once_and_never_four(platform: FakePlatform, client: Client, clip: Path) -> None:
    with clip.open("ab") as file:
        file.write(bytes(3 * PART_BYTES - 8))
    platform.meet = threading.Barrier(3)
    upload(client, clip)
    assert platform.most_parts_at_once == 3


def test_parts_are_signed_in_batches(platform: FakePlatform, client: Client, clip: Path) -> None:
    upload(client, clip)
    batches = platform.calls("POST", "/presign-batch")
    assert [[part["part_number"] for part in batch.body["parts"]] for batch in batches] == [[1, 2, 3], [4]]


def test_a_part_whose_signature_is_refused_is_signed_again(platform: FakePlatform, client: Client, clip: Path) -> None:
    platform.faults.append(once(lambda request: 403 if request.part == 2 else None))
    upload(client, clip)
    assert stored(platform).object == clip.read_bytes()
    assert platform.sent_parts() == [1, 2, 2, 3, 4]
    assert [p["part_number"] for c in platform.calls("POST", "/presign-batch") for p in c.body["parts"]].count(2) == 2


def test_a_part_that_s3_cannot_take_now_is_sent_again_with_the_same_signature(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    platform.faults.append(once(lambda request: 503 if request.part == 2 else None))
    upload(client, clip)
    assert platform.sent_parts() == [1, 2, 2, 3, 4]
    assert len(platform.calls("POST", "/presign-batch")) == 2


@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(hours=3)])
def test_a_clock_that_is_wrong_makes_no_signature_seem_over(
    ahead: timedelta, platform: FakePlatform, client: Client, clip: Path
) -> None:
    platform.clock_ahead = ahead
    upload(client, clip)
    assert len(platform.calls("POST", "/presign-batch")) == 2
    assert platform.sent_parts() == [1, 2, 3, 4]


def test_a_signature_that_ends_soon_is_renewed_before_its_part_sets_out(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    platform.url_seconds = 5
    upload(client, clip)
    assert platform.sent_parts() == [1, 2, 3, 4]
    assert len(platform.calls("POST", "/presign-batch")) == 2 + PARTS


def test_a_part_of_which_only_the_answer_was_lost_is_not_sent_again(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    platform.faults.append(once(lambda request: "lose the answer" if request.part == 3 else None))
    upload(client, clip)
    assert stored(platform).object == clip.read_bytes()
    assert platform.sent_parts() == [1, 2, 3, 4]


def test_a_part_that_never_gets_through_is_given_up_with_its_number(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    platform.faults.append(lambda request: 500 if request.part == 2 else None)
    with pytest.raises(Unreachable, match=r"Part 2 could not be sent .* S3 answered 500"):
        upload(client, clip)
    assert platform.sent_parts().count(2) == 5


def test_every_request_may_fail_once(platform: FakePlatform, client: Client, clip: Path) -> None:
    failed = set[tuple[str, str]]()

    def fault(request: Request) -> str | None:
        known = (request.verb, request.path) in failed
        failed.add((request.verb, request.path))
        return None if known else "lose the answer"

    platform.faults.append(fault)
    upload(client, clip)
    assert stored(platform).object == clip.read_bytes()
    assert len(platform.uploads) == 1
    assert platform.sent_parts() == [1, 2, 3, 4]


def test_an_interrupted_upload_goes_on_with_the_missing_parts(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    with pytest.raises(Enough):
        upload(client, clip, on_progress=interrupt_after(3))
    platform.settle()
    there = {number for upload in platform.uploads.values() for number in upload.parts}
    platform.requests.clear()
    seen = list[UploadProgress]()
    completed = upload(client, clip, title="A better title", on_progress=seen.append)
    done = stored(platform)
    assert len(platform.uploads) == 1
    assert done.object == clip.read_bytes()
    assert completed["video_id"] == done.video_id
    assert platform.sent_parts() == sorted({1, 2, 3, 4} - there)
    assert seen[0].sent_bytes == seen[0].resumed_bytes == sum(len(done.parts[number]) for number in there)
    assert [change.body["title"] for change in platform.calls("PATCH", done.video_id)] == ["A better title"]


def test_another_process_finds_the_interrupted_upload_of_a_file(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    assert client.uploads.find(clip) is None
    with pytest.raises(Enough):
        upload(client, clip, on_progress=interrupt_after(1))
    found = client.uploads.find(clip)
    assert found is not None
    assert found["upload_id"] in platform.uploads
    assert client.uploads.find(clip, video_id="01a2") is None


def test_who_does_not_want_to_resume_begins_anew(platform: FakePlatform, client: Client, clip: Path) -> None:
    with pytest.raises(Enough):
        upload(client, clip, on_progress=interrupt_after(2))
    upload(client, clip, resume=False)
    assert len(platform.uploads) == 2


def test_a_file_that_was_changed_in_secret_is_stored_as_it_is_now(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    def only_the_last_is_missing(request: Request) -> int | None:
        if request.part != PARTS:
            return None
        until(lambda: all(len(upload.parts) == PARTS - 1 for upload in platform.uploads.values()))
        return 500

    platform.faults.append(only_the_last_is_missing)
    with pytest.raises(Unreachable):
        upload(client, clip)
    platform.faults.clear()
    facts = clip.stat()
    with clip.open("r+b") as file:
        file.seek(2 * PART_BYTES - 100)
        file.write(b"other bytes")
    os.utime(clip, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    upload(client, clip)
    assert stored(platform).object == clip.read_bytes()


def test_an_upload_that_is_over_meanwhile_is_begun_anew(platform: FakePlatform, client: Client, clip: Path) -> None:
    with pytest.raises(Enough):
        upload(client, clip, on_progress=interrupt_after(2))
    (old,) = platform.uploads.values()
    platform.faults.append(lambda request: expire(old, request))
    upload(client, clip)
    assert stored(platform).upload_id != old.upload_id


def expire(old: Upload, request: Request) -> None:
    """The upload ends between the moment it is found and the first signature."""
    if request.verb == "PATCH":
        old.status = "EXPIRED"


def test_who_is_killed_while_completing_makes_no_second_video(
    platform: FakePlatform, client: Client, clip: Path, notes: Path
) -> None:
    platform.faults.append(lambda request: "lose the answer" if request.path.endswith("/complete") else None)
    with pytest.raises(Unreachable):
        upload(client, clip)
    (note,) = notes.iterdir()
    assert note.read_text() == stored(platform).upload_id
    platform.faults.clear()
    platform.requests.clear()
    assert upload(client, clip)["video_id"] == stored(platform).video_id
    assert len(platform.uploads) == 1
    assert platform.sent_parts() == []
    assert not list(notes.iterdir())


def test_the_same_file_uploaded_again_after_the_end_is_another_video(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    first, second = upload(client, clip), upload(client, clip)
    assert first["video_id"] != second["video_id"]


def test_a_file_that_the_platform_would_not_take_is_refused_before_anything_is_sent(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    with pytest.raises(PreflightRefused, match="another kind of file, needs MP4 or QuickTime") as refused:
        upload(client, clip, preflight=True)
    assert refused.value.code == "NOT_A_VIDEO"
    assert platform.requests == []


def test_an_interrupted_upload_whose_draft_was_discarded_elsewhere_begins_anew(
    platform: FakePlatform, client: Client, clip: Path
) -> None:
    with pytest.raises(Enough):
        upload(client, clip, on_progress=interrupt_after(1))
    (draft,) = (begun.video_id for begun in platform.uploads.values())
    platform.faults.append(lambda request: problem(404, "VIDEO_NOT_FOUND") if draft in request.path else None)
    completed = upload(client, clip)
    assert stored(platform).object == clip.read_bytes()
    assert completed["video_id"] != draft


def test_a_file_that_becomes_shorter_ends_the_upload(platform: FakePlatform, client: Client, clip: Path) -> None:
    def shorten(progress: UploadProgress) -> None:
        os.truncate(clip, PART_BYTES)

    with pytest.raises(OSError, match="became shorter while it was uploaded"):
        upload(client, clip, on_progress=shorten)
    ((removed, begun),) = platform.uploads.items()
    assert begun.status == "ABORTED"
    assert [request.path for request in platform.requests if request.verb == "DELETE"] == [
        f"/v1/uploads/{removed}",
        f"/v1/videos/{begun.video_id}",
    ]


def test_the_video_that_a_changed_file_was_meant_for_stays(platform: FakePlatform, client: Client, clip: Path) -> None:
    with pytest.raises(OSError, match="became shorter while it was uploaded"):
        upload(client, clip, video_id=str(uuid4()), on_progress=lambda _: os.truncate(clip, PART_BYTES))
    assert [request.path for request in platform.requests if request.verb == "DELETE"] == [
        f"/v1/uploads/{one}" for one in platform.uploads
    ]


def test_a_file_that_grows_meanwhile_is_not_stored_in_half(platform: FakePlatform, client: Client, clip: Path) -> None:
    def grow(progress: UploadProgress) -> None:
        with clip.open("ab") as file:
            file.write(b"more")

    with pytest.raises(OSError, match="was changed while it was uploaded"):
        upload(client, clip, on_progress=grow)
    assert [one.object for one in platform.uploads.values()] == [None]


@pytest.mark.parametrize("preflight", [True, False])
def test_a_pipe_is_no_file_and_is_not_waited_for(
    preflight: bool, platform: FakePlatform, client: Client, tmp_path: Path
) -> None:
    pipe = tmp_path / "clip.mp4"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe or a device"):
        upload(client, pipe, preflight=preflight)
    assert platform.requests == []


@pytest.mark.parametrize("name", [b"a\nb.mp4", b"a\xffb.mp4"])
def test_a_name_that_is_no_text_keeps_nobody_from_uploading(
    name: bytes, platform: FakePlatform, client: Client, clip: Path
) -> None:
    odd = clip.rename(clip.parent / os.fsdecode(name))
    upload(client, odd)
    assert stored(platform).announced["filename"] == "a_b.mp4"


def test_a_note_that_is_damaged_keeps_nobody_from_uploading(
    platform: FakePlatform, client: Client, clip: Path, notes: Path
) -> None:
    platform.faults.append(lambda request: "lose the answer" if request.path.endswith("/complete") else None)
    with pytest.raises(Unreachable):
        upload(client, clip)
    platform.faults[:] = [lambda request: problem(400, "INVALID_ARGUMENT") if request.path.endswith("/01a2") else None]
    (note,) = notes.iterdir()
    note.write_text("01a2")
    upload(client, clip)
    assert not list(notes.iterdir())


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.01)


def once(fault: object) -> object:
    """The fault, until it has happened."""
    happened = False

    def ask(request: Request) -> object:
        nonlocal happened
        said = None if happened else fault(request)  # type: ignore[operator]
        happened = happened or said is not None
        return said

    return ask


def test_the_wish_to_publish_is_told_before_the_first_byte_so_that_it_outlives_who_uploads(
    client: Client, platform: FakePlatform, clip: Path
) -> None:
    platform.answers["/v1/videos/01a2/publish"] = [(200, {"status": "UPLOADING", "sequence": 2})]
    with pytest.raises(Enough):
        upload(client, clip, video_id="01a2", publish=True, on_progress=interrupt_after(0))

    wishes = platform.calls("POST", "/publish")
    assert [wish.body for wish in wishes] == [{"notify_followers": True, "when_ready": True}]
    assert platform.requests.index(wishes[0]) < platform.requests.index(platform.calls("PUT", "")[0])


def test_nothing_is_published_unless_it_is_wished(client: Client, platform: FakePlatform, clip: Path) -> None:
    upload(client, clip)
    assert platform.calls("POST", "/publish") == []
