"""What owners do with a video and what comes of it everywhere: publishing, hiding, deleting, retrying, replacing."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aioboto3
import httpx
import pytest

from deploy.local.stack import Stack
from nextplay.media.v1.media_events_pb2 import TranscodeCompleted, TranscodeFailed
from tests.e2e.broker import EVENT_TOPICS, in_thread, records_of, send_again, send_event
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, Uploaded, becomes, execute, make_clip, status_of, until


@contextmanager
def held(platform: Stack, process: str) -> Iterator[None]:
    platform.hold(process)
    try:
        yield
    finally:
        platform.release(process)


def listed(reader: Person, path: str, **query: object) -> list[str]:
    reply = reader.get(path, page_size=100, **query)
    assert reply.status_code == 200, reply.text
    return [video["video_id"] for video in reply.json()["videos"]]


def lists_with(reader: Person, author: Person, video_id: str) -> set[str]:
    """In which lists of a reader a video is."""
    lists = {
        "feed": listed(reader, "/v1/feed"),
        "discover": listed(reader, "/v1/feed/discover"),
        "category": listed(reader, "/v1/feed/discover", category="sports"),
        "author": listed(reader, f"/v1/users/{author.user_id}/videos"),
    }
    return {name for name, videos in lists.items() if video_id in videos}


def problem(reply: httpx.Response, status: int, code: str) -> None:
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text


def asset_urls(reader: Person, video_id: str) -> dict[str, str]:
    reply = reader.get(f"/v1/videos/{video_id}")
    assert reply.status_code == 200, reply.text
    return {asset["kind"]: asset["url"] for asset in reply.json()["assets"]}


def fail(platform: Stack, uploaded: Uploaded, generation: int = 1) -> None:
    """Let the catalog hear that the present run has failed for good."""
    event = TranscodeFailed(
        video_id=uploaded.video_id,
        user_id=uploaded.owner.user_id,
        generation=generation,
        code="TRANSCODER_ERROR",
        message="The clip could not be converted.",
        attempts=4,
    )
    send_event(platform, event)
    uploaded.becomes("PROCESSING_FAILED")


def objects_of(platform: Stack, owner: Person, video_id: str) -> list[str]:
    """Every object and every multipart upload that S3 holds of a video."""
    s3 = platform.s3

    async def find() -> list[str]:
        session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
        async with session.client("s3", endpoint_url=s3["endpoint"]) as client:
            found = []
            for context in ("uploads", "videos"):
                prefix = f"{context}/{owner.user_id}/{video_id}/"
                objects = await client.list_objects_v2(Bucket=s3["bucket"], Prefix=prefix)
                uploads = await client.list_multipart_uploads(Bucket=s3["bucket"], Prefix=prefix)
                found += [entry["Key"] for entry in [*objects.get("Contents", []), *uploads.get("Uploads", [])]]
            return found

    return list(in_thread(find()))


def test_visibility_decides_who_finds_and_plays_a_video_and_may_change_at_any_time(
    person: MakePerson, clip: Path
) -> None:
    alice, bob = person("alice"), person("bob")
    bob.put(f"/v1/users/{alice.user_id}/follow")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    path, everywhere = f"/v1/videos/{uploaded.video_id}", {"feed", "discover", "category", "author"}
    assert (lists_with(bob, alice, uploaded.video_id), bob.get(path).status_code) == (set(), 404)

    def everywhere_again() -> bool | None:
        return lists_with(bob, alice, uploaded.video_id) == everywhere or None

    assert alice.post(f"{path}/publish", {"visibility": "public"}).status_code == 200
    problem(alice.post(f"{path}/publish", {"visibility": "private"}), 409, "ALREADY_PUBLISHED")
    until(everywhere_again, seconds=20, what="the video in every list")
    playlist = asset_urls(bob, uploaded.video_id)["HLS"]
    assert httpx.get(playlist, timeout=20).status_code == 200

    assert alice.patch(path, {"visibility": "unlisted"}).status_code == 200
    assert lists_with(bob, alice, uploaded.video_id) == set()
    assert bob.get(path).status_code == 200
    assert httpx.get(playlist, timeout=20).status_code == 200

    assert alice.patch(path, {"visibility": "private"}).status_code == 200
    assert lists_with(bob, alice, uploaded.video_id) == set()
    problem(bob.get(path), 404, "VIDEO_NOT_FOUND")
    assert httpx.get(playlist, timeout=20).status_code == 404
    own_playlist = asset_urls(alice, uploaded.video_id)["HLS"]
    assert httpx.get(own_playlist, timeout=20).status_code == 200
    assert uploaded.video_id in listed(alice, "/v1/videos")

    assert alice.patch(path, {"visibility": "public"}).status_code == 200
    until(everywhere_again, seconds=20, what="the video in every list again")
    assert httpx.get(playlist, timeout=20).status_code == 200


def test_a_video_is_published_by_itself_when_that_was_asked_at_any_time_before(
    person: MakePerson, platform: Stack, clip: Path
) -> None:
    alice, wish = person("alice"), {"when_ready": True}
    data = clip.read_bytes()
    initiated = alice.initiate(len(data))
    early = f"/v1/videos/{initiated['video_id']}/publish"
    problem(alice.post(early), 409, "VIDEO_NOT_READY")
    asked = alice.post(early, {**wish, "visibility": "unlisted"})
    assert (asked.status_code, asked.json()["visibility"]) == (200, "unlisted")
    with held(platform, "media-worker"):
        etag = alice.send(initiated["upload_id"], 1, data)
        parts = {"parts": [{"part_number": 1, "etag": etag}]}
        assert alice.post(f"/v1/uploads/{initiated['upload_id']}/complete", parts).status_code == 200
        late = alice.upload(clip)
        assert alice.post(f"/v1/videos/{late.video_id}/publish", wish).status_code == 200
        assert not late.status()["final"]
    for video_id, visibility in ((initiated["video_id"], "unlisted"), (late.video_id, "public")):
        becomes(alice, video_id, "PUBLISHED")
        assert alice.get(f"/v1/videos/{video_id}").json()["visibility"] == visibility
        again = alice.post(f"/v1/videos/{video_id}/publish", wish)
        assert (again.status_code, again.json()["status"]) == (200, "PUBLISHED")


def test_a_feed_follows_its_reader_page_by_page(person: MakePerson, clip: Path) -> None:
    alice, bob, carol = person("alice"), person("bob"), person("carol")
    videos = [alice.upload(clip) for _ in range(3)]
    for uploaded in videos:
        uploaded.becomes("READY")
        alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    newest_first = [uploaded.video_id for uploaded in reversed(videos)]

    assert listed(bob, "/v1/feed") == []
    bob.put(f"/v1/users/{alice.user_id}/follow")
    assert listed(bob, "/v1/feed") == newest_first
    first = bob.get("/v1/feed", page_size=1).json()
    assert [video["video_id"] for video in first["videos"]] == newest_first[:1]
    token = first["next_page_token"]

    forged = ("A" if token[0] != "A" else "B") + token[1:]
    for reader, path, wrong in (
        (bob, "/v1/feed", forged),
        (carol, "/v1/feed", token),
        (bob, "/v1/feed/discover", token),
        (bob, f"/v1/users/{alice.user_id}/videos", token),
    ):
        problem(reader.get(path, page_token=wrong), 400, "INVALID_ARGUMENT")

    assert alice.delete(f"/v1/videos/{newest_first[1]}").status_code == 204
    second = bob.get("/v1/feed", page_size=1, page_token=token).json()
    assert [video["video_id"] for video in second["videos"]] == newest_first[2:]
    bob.delete(f"/v1/users/{alice.user_id}/follow")
    assert bob.get("/v1/feed", page_token=token).json()["videos"] == []
    assert listed(bob, "/v1/feed") == []


def drafted(alice: Person) -> str:
    initiated = alice.initiate(1000)
    alice.delete(f"/v1/uploads/{initiated['upload_id']}")
    becomes(alice, initiated["video_id"], "DRAFT")
    return str(initiated["video_id"])


def uploading(alice: Person) -> str:
    initiated = alice.initiate(2000)
    alice.send(initiated["upload_id"], 1, bytes(2000))
    becomes(alice, initiated["video_id"], "UPLOADING")
    return str(initiated["video_id"])


def test_a_video_deleted_in_any_state_leaves_nothing_and_nothing_brings_it_back(
    person: MakePerson, platform: Stack, clips: Path, clip: Path, busy_clip: Path
) -> None:
    alice, bob = person("alice"), person("bob")
    text = clips / "no-video.mp4"
    text.write_bytes(b"This is not a video. " * 1000)
    rejected = alice.upload(text)
    rejected.becomes("REJECTED_FORMAT")
    published = alice.upload(clip)
    published.becomes("READY")
    alice.post(f"/v1/videos/{published.video_id}/publish")
    urls = asset_urls(alice, published.video_id)
    ready = alice.upload(clip)
    ready.becomes("READY")
    videos = {
        "DRAFT": drafted(alice),
        "UPLOADING": uploading(alice),
        "REJECTED_FORMAT": rejected.video_id,
        "READY": ready.video_id,
        "PUBLISHED": published.video_id,
    }
    processing = bob.upload(busy_clip)
    processing.becomes("PROCESSING")
    with held(platform, "media-worker"):
        videos["PROCESSING"] = processing.video_id
        waiting, failed = bob.upload(clip), bob.upload(clip)
        fail(platform, failed)
        videos |= {"UPLOADED": waiting.video_id, "PROCESSING_FAILED": failed.video_id}
        owners = dict.fromkeys(videos, alice) | dict.fromkeys(("PROCESSING", "UPLOADED", "PROCESSING_FAILED"), bob)
        for status, video_id in videos.items():
            assert status_of(owners[status], video_id)["status"] == status
            for _ in range(2):
                assert owners[status].delete(f"/v1/videos/{video_id}").status_code == 204, status

    for status, video_id in videos.items():
        owner, path = owners[status], f"/v1/videos/{video_id}"
        standing = status_of(owner, video_id)
        assert (standing["status"], standing["final"], standing["allowed_actions"]) == ("DELETED", True, [])
        assert video_id not in listed(owner, "/v1/videos")
        problem(owner.post(f"{path}/publish"), 409, "VIDEO_NOT_READY")
        problem(owner.post(f"{path}/retry"), 409, "RETRY_NOT_ALLOWED")
        problem(owner.patch(path, {"title": "Back"}), 404, "VIDEO_NOT_FOUND")
        again = {"title": "a", "category": "sports", "filename": "a.mp4", "content_type": "video/mp4"}
        problem(
            owner.post("/v1/uploads/initiate", {**again, "file_size_bytes": 1, "video_id": video_id}),
            404,
            "VIDEO_NOT_FOUND",
        )
        send_again(platform, records_of(platform, video_id, *EVENT_TOPICS[:2]))
    assert httpx.get(urls["HLS"], timeout=20).status_code == 404

    def all_purged() -> bool | None:
        # The purges that come after the last lease and the last part URL have ended, now.
        ids = [uuid.UUID(video_id) for video_id in videos.values()]
        execute(platform.dsn("media"), "UPDATE deleted_videos SET next_at = now() WHERE video_id = ANY($1)", ids)
        execute(platform.dsn("upload"), "UPDATE purges SET next_at = now() WHERE lease_owner IS NULL")
        left = [objects_of(platform, owners[status], video_id) for status, video_id in videos.items()]
        return True if not any(left) else None

    until(all_purged, seconds=90, what="every object of the deleted videos gone")
    for status, video_id in videos.items():
        assert status_of(owners[status], video_id)["status"] == "DELETED"
    assert all(httpx.get(url, timeout=20).status_code == 404 for kind, url in urls.items() if kind != "HLS")


def test_what_was_never_finished_is_archived(person: MakePerson, platform: Stack, clip: Path) -> None:
    alice = person("alice")
    old, recent = drafted(alice), drafted(alice)
    execute(
        platform.dsn("catalog"),
        "UPDATE videos SET created_at = created_at - interval '31 days', heard_at = heard_at - interval '2 days'"
        " WHERE video_id = $1",
        uuid.UUID(old),
    )
    platform.run_job("catalog-archive-old-videos")
    assert [status_of(alice, video_id)["status"] for video_id in (old, recent)] == ["DELETED", "DRAFT"]


def test_a_failed_video_is_retried_while_its_original_exists(person: MakePerson, platform: Stack, clip: Path) -> None:
    alice = person("alice")
    with held(platform, "media-worker"):
        lost, failed = alice.upload(clip), alice.upload(clip)
        for uploaded in (lost, failed):
            problem(alice.post(f"/v1/videos/{uploaded.video_id}/retry"), 409, "RETRY_NOT_ALLOWED")
            fail(platform, uploaded)
        execute(
            platform.dsn("catalog"),
            "UPDATE videos SET original_expires_at = now() WHERE video_id = $1",
            uuid.UUID(lost.video_id),
        )
        problem(alice.post(f"/v1/videos/{lost.video_id}/retry"), 409, "RETRY_NOT_ALLOWED")
        assert lost.status()["allowed_actions"] == ["upload", "update", "delete"]
        retried = alice.post(f"/v1/videos/{failed.video_id}/retry")
        assert (retried.status_code, retried.json()["status"], retried.json()["generation"]) == (200, "UPLOADED", 2)
    ready = failed.becomes("READY")
    assert (ready["generation"], lost.status()["status"]) == (2, "PROCESSING_FAILED")
    problem(alice.post(f"/v1/videos/{failed.video_id}/retry"), 409, "RETRY_NOT_ALLOWED")


def test_a_clip_is_replaced_while_an_older_job_of_it_is_still_under_way(
    person: MakePerson, platform: Stack, clips: Path, clip: Path
) -> None:
    alice, shorter = person("alice"), make_clip(clips / "shorter.mp4", seconds=1.5)
    with held(platform, "media-worker"):
        first = alice.upload(clip)
        problem(
            alice.post("/v1/uploads/initiate", {**announced(shorter), "video_id": first.video_id}),
            409,
            "UPLOAD_NOT_ALLOWED",
        )
        fail(platform, first)
        second = alice.upload(shorter, video_id=first.video_id)
    assert second.becomes("READY")["generation"] == 2
    names = {"video_id": first.video_id, "user_id": alice.user_id}
    send_event(platform, TranscodeCompleted(**names, generation=1, attempt=1, run_ms=1))

    def older_job_was_heard() -> bool | None:
        entries = alice.get(f"/v1/videos/{first.video_id}/timeline").json()["entries"]
        return any(entry.get("ignored") == "older generation" for entry in entries) or None

    until(older_job_was_heard, seconds=30, what="what the older job says in the timeline")
    video = alice.get(f"/v1/videos/{first.video_id}").json()
    assert (video["status"], video["generation"]) == ("READY", 2)
    assert abs(video["duration_ms"] - 1500) < 100


def announced(clip: Path) -> dict[str, object]:
    return {
        "title": "Again",
        "category": "sports",
        "filename": "again.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": clip.stat().st_size,
    }


def test_an_upload_into_a_draft_takes_it_from_the_upload_before(person: MakePerson, clip: Path) -> None:
    alice, data = person("alice"), clip.read_bytes()
    older = alice.initiate(len(data))
    late = alice.post(
        f"/v1/uploads/{older['upload_id']}/parts/presign", {"part_number": 1, "content_length": len(data)}
    ).json()["presigned_url"]
    assert alice.delete(f"/v1/uploads/{older['upload_id']}").status_code == 204
    becomes(alice, older["video_id"], "DRAFT")
    newer = alice.upload(clip, video_id=older["video_id"])
    assert httpx.put(late, content=data, headers={"Content-Type": "video/mp4"}, timeout=20).status_code in (403, 404)
    problem(alice.post(f"/v1/uploads/{older['upload_id']}/complete"), 409, "UPLOAD_NOT_ACTIVE")
    assert newer.becomes("READY")["generation"] == 2


def test_the_timeline_tells_what_led_to_what(person: MakePerson, clip: Path) -> None:
    alice, bob = person("alice"), person("bob")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    problem(bob.get(f"/v1/videos/{uploaded.video_id}/timeline"), 404, "VIDEO_NOT_FOUND")
    entries: list[dict[str, Any]] = alice.get(f"/v1/videos/{uploaded.video_id}/timeline").json()["entries"]
    told = [entry for entry in entries if not entry["ignored"]]
    assert [entry["event"] for entry in told if "status" in entry] == [
        "ClaimVideoForUpload",
        "UploadStarted",
        "UploadCompleted",
        "TranscodeStarted",
        "TranscodeCompleted",
        "PublishVideo",
    ]
    assert [entry["sequence"] for entry in told if "sequence" in entry] == [1, 2, 3, 4, 5, 6]
    by_event = {entry["event"]: entry for entry in told}
    facts = {fact["name"]: fact["value"] for fact in by_event["TranscodeStarted"]["facts"]}
    assert (facts["width"], facts["height"], facts["video_codec"]) == ("640", "360", "h264")
    assert abs(int(facts["duration_ms"]) - 3000) < 100
    assert by_event["TranscodeCompleted"]["attempt"] == 1
    assert by_event["TranscodeCompleted"]["since_previous_ms"] > 0
    assert all(re.fullmatch("[0-9a-f]{32}", entry["trace_id"]) for entry in told)
    assert by_event["UploadCompleted"]["trace_id"] == by_event["TranscodeCompleted"]["trace_id"]


def test_a_video_that_did_not_change_is_not_sent_again(person: MakePerson, clip: Path) -> None:
    alice = person("alice")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    path = f"/v1/videos/{uploaded.video_id}"
    first = alice.get(path)
    etag = first.headers["ETag"]
    unchanged = alice.http.get(path, headers={"If-None-Match": etag})
    if unchanged.status_code == 200:  # the window of its signed URLs has ended between the two requests
        etag = unchanged.headers["ETag"]
        unchanged = alice.http.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    alice.patch(path, {"title": "Another"})
    changed = alice.http.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["title"]) == (200, "Another")
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("kind", ["MP4_720", "THUMB"])
def test_who_merely_knows_an_objects_key_gets_nothing(
    person: MakePerson, platform: Stack, clip: Path, kind: str
) -> None:
    alice = person("alice")
    one, other = alice.upload(clip), alice.upload(clip)
    for uploaded in (one, other):
        uploaded.becomes("READY")
        alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    url, others_url = (asset_urls(alice, uploaded.video_id)[kind] for uploaded in (one, other))
    assert httpx.get(url, timeout=20).status_code == 200
    unsigned = url.partition("?")[0]
    swapped = f"{others_url.partition('?')[0]}?{urlsplit(url).query}"
    for wrong in (unsigned, swapped, url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")):
        assert httpx.get(wrong, timeout=20).status_code == 403, wrong
    listing = f"{platform.s3['endpoint']}/{platform.s3['bucket']}?list-type=2"
    assert httpx.get(listing, timeout=20).status_code == 403

    playlist = asset_urls(alice, one.video_id)["HLS"]
    assert httpx.get(playlist.replace(one.video_id, other.video_id), timeout=20).status_code == 403
