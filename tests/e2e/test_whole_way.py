"""The specification's flow as a client sees it, on the whole platform."""

import re
from pathlib import Path
from uuid import UUID

import httpx
import m3u8
import pytest

from deploy.local.stack import Stack
from tests.e2e.conftest import MakePerson
from tests.e2e.people import PART_BYTES, Person, announcement, execute, make_clip, until


def feed_of(reader: Person) -> list[str]:
    reply = reader.get("/v1/feed")
    assert reply.status_code == 200, reply.text
    return [video["video_id"] for video in reply.json()["videos"]]


def inbox_of(reader: Person, video_id: str) -> list[dict[str, str]]:
    reply = reader.get("/v1/notifications")
    assert reply.status_code == 200, reply.text
    return [entry for entry in reply.json()["notifications"] if entry["video_id"] == video_id]


def test_a_clip_goes_from_upload_to_a_followers_feed_and_inbox(person: MakePerson, clip: Path) -> None:
    alice, bob = person("alice"), person("bob")
    assert bob.put(f"/v1/users/{alice.user_id}/follow").status_code == 204

    uploaded = alice.upload(clip)
    assert uploaded.completed["status"] == "UPLOADED"
    assert uploaded.completed["video_id"] == uploaded.video_id
    ready = uploaded.becomes("READY")
    assert ready["progress"] == 100
    assert "publish" in ready["allowed_actions"]
    assert uploaded.video_id not in feed_of(bob)

    published = alice.post(
        f"/v1/videos/{uploaded.video_id}/publish", {"visibility": "public", "notify_followers": True}
    )
    assert published.status_code == 200, published.text
    assert published.json()["status"] == "PUBLISHED"
    assert published.json()["published_at"]

    until(lambda: uploaded.video_id in feed_of(bob) or None, seconds=20, what="the video in the follower's feed")
    told = until(lambda: inbox_of(bob, uploaded.video_id) or None, seconds=20, what="the follower's notification")
    assert [entry["kind"] for entry in told] == ["video_published"]
    own = until(lambda: inbox_of(alice, uploaded.video_id) or None, seconds=20, what="the owner's notification")
    assert [(entry["kind"], entry["title"], entry["body"]) for entry in own] == [
        ("video_ready", "Video ready!", "Your video has been processed and is ready to publish.")
    ]


def test_every_asset_of_a_published_video_can_be_fetched_and_played(person: MakePerson, clips: Path) -> None:
    alice, bob = person("alice"), person("bob")
    uploaded = alice.upload(make_clip(clips / "hd.mp4", seconds=8, size="1280x720"))
    uploaded.becomes("READY")
    alice.post(f"/v1/videos/{uploaded.video_id}/publish")

    video = bob.get(f"/v1/videos/{uploaded.video_id}").json()
    assets = {asset["kind"]: asset for asset in video["assets"]}
    assert set(assets) == {"MP4_720", "MP4_480", "MP4_240", "HLS", "THUMB", "PREVIEW"}
    assert abs(video["duration_ms"] - 8000) <= 50
    assert (video["width"], video["height"]) == (1280, 720)
    for kind, asset in assets.items():
        reply = httpx.get(asset["url"], timeout=20)
        assert reply.status_code == 200, (kind, reply.text)
        if kind != "HLS":
            assert len(reply.content) == asset["size_bytes"], kind

    master = m3u8.loads(httpx.get(assets["HLS"]["url"], timeout=20).text, uri=assets["HLS"]["url"])
    assert len(master.playlists) == 3
    for variant in master.playlists:
        playlist = m3u8.load(variant.absolute_uri)
        assert abs(sum(segment.duration for segment in playlist.segments) - 8) < 0.2
        assert httpx.get(playlist.segments[0].absolute_uri, timeout=20).status_code == 200


def test_a_file_of_several_parts_arrives_whole(person: MakePerson, clips: Path) -> None:
    clip = make_clip(clips / "parts.mp4", seconds=2)
    padded = clips / "parts-padded.mp4"
    filling = 2 * PART_BYTES
    padded.write_bytes(clip.read_bytes() + filling.to_bytes(4, "big") + b"free" + bytes(filling - 8))
    uploaded = person("alice").upload(padded)
    uploaded.becomes("READY")


def test_a_clip_of_more_than_30_seconds_is_rejected_with_its_length_and_the_limit(
    person: MakePerson, platform: Stack, clips: Path
) -> None:
    alice = person("alice")
    uploaded = alice.upload(make_clip(clips / "long.mp4", seconds=31, size="160x120", fps=10))
    status = uploaded.becomes("REJECTED_TOO_LONG", "READY", "PROCESSING_FAILED")
    assert status["status"] == "REJECTED_TOO_LONG"
    assert status["final"]
    assert status["reason"]["code"] == "DURATION_TOO_LONG"
    numbers = [int(number) for number in re.findall(r"\d+", re.sub(r"[,_ ](?=\d{3})", "", status["reason"]["message"]))]
    assert any(30_900 <= number <= 31_100 or number == 31 for number in numbers), status["reason"]
    assert any(number in (30, 30_000) for number in numbers), status["reason"]
    assert "upload" in status["allowed_actions"]
    told = until(lambda: inbox_of(alice, uploaded.video_id) or None, seconds=20, what="the rejection's notification")
    assert [entry["kind"] for entry in told] == ["video_rejected"]
    assert told[0]["reason_code"] == "DURATION_TOO_LONG"


def test_a_clip_of_another_codec_is_rejected_and_can_be_replaced(person: MakePerson, clips: Path, clip: Path) -> None:
    alice = person("alice")
    uploaded = alice.upload(make_clip(clips / "vp9.mp4", seconds=1, size="160x120", codec="libvpx-vp9", sound=False))
    status = uploaded.becomes("REJECTED_FORMAT", "READY", "PROCESSING_FAILED")
    assert (status["status"], status["reason"]["code"]) == ("REJECTED_FORMAT", "CODEC_UNSUPPORTED")
    assert "vp9" in status["reason"]["message"].lower()

    again = alice.upload(clip, video_id=uploaded.video_id)
    assert again.video_id == uploaded.video_id
    ready = again.becomes("READY")
    assert ready["generation"] == 2
    assert "reason" not in ready


def test_a_file_that_is_no_video_is_rejected(person: MakePerson, clips: Path) -> None:
    text = clips / "text.mp4"
    text.write_bytes(b"This is not a video. " * 1000)
    status = person("alice").upload(text).becomes("REJECTED_FORMAT", "READY", "PROCESSING_FAILED")
    assert (status["status"], status["reason"]["code"]) == ("REJECTED_FORMAT", "NOT_A_VIDEO")
    assert status["reason"]["next_action"]


def test_an_aborted_upload_returns_its_video_to_draft_and_can_be_begun_again(person: MakePerson, clip: Path) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    assert alice.delete(f"/v1/uploads/{initiated['upload_id']}").status_code == 204
    assert alice.delete(f"/v1/uploads/{initiated['upload_id']}").status_code == 204
    assert alice.get(f"/v1/uploads/{initiated['upload_id']}").json()["status"] == "ABORTED"
    until(
        lambda: alice.get(f"/v1/videos/{initiated['video_id']}/status").json()["status"] == "DRAFT" or None,
        seconds=20,
        what="the video being DRAFT",
    )
    alice.upload(clip, video_id=initiated["video_id"]).becomes("READY")


def test_an_upload_past_its_hour_expires_and_says_so(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    execute(
        platform.dsn("upload"),
        "UPDATE uploads SET expires_at = now() - interval '1 second' WHERE upload_id = $1",
        UUID(initiated["upload_id"]),
    )
    reply = alice.post(
        f"/v1/uploads/{initiated['upload_id']}/parts/presign", {"part_number": 1, "content_length": 1000}
    )
    assert (reply.status_code, reply.json()["code"]) == (410, "UPLOAD_EXPIRED")
    platform.run_job("upload-cleanup-expired-uploads")
    assert alice.get(f"/v1/uploads/{initiated['upload_id']}").json()["status"] == "EXPIRED"
    reply = alice.post(f"/v1/uploads/{initiated['upload_id']}/complete")
    assert (reply.status_code, reply.json()["code"]) == (410, "UPLOAD_EXPIRED")
    until(
        lambda: alice.get(f"/v1/videos/{initiated['video_id']}/status").json()["status"] == "DRAFT" or None,
        seconds=20,
        what="the video being DRAFT",
    )


def test_a_video_that_was_published_when_ready_needs_no_second_call(person: MakePerson, clip: Path) -> None:
    uploaded = person("alice").upload(clip)
    reply = uploaded.owner.post(f"/v1/videos/{uploaded.video_id}/publish", {"when_ready": True})
    assert reply.status_code == 200, reply.text
    status = uploaded.becomes("PUBLISHED")
    assert status["final"]


def test_a_deleted_video_leaves_feeds_and_stops_playing(person: MakePerson, clip: Path) -> None:
    alice, bob = person("alice"), person("bob")
    bob.put(f"/v1/users/{alice.user_id}/follow")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    until(lambda: uploaded.video_id in feed_of(bob) or None, seconds=20, what="the video in the follower's feed")
    hls = next(
        asset["url"] for asset in bob.get(f"/v1/videos/{uploaded.video_id}").json()["assets"] if asset["kind"] == "HLS"
    )
    assert httpx.get(hls, timeout=20).status_code == 200

    assert alice.delete(f"/v1/videos/{uploaded.video_id}").status_code == 204
    assert alice.delete(f"/v1/videos/{uploaded.video_id}").status_code == 204
    assert uploaded.video_id not in feed_of(bob)
    assert httpx.get(hls, timeout=20).status_code in (403, 404)
    assert bob.get(f"/v1/videos/{uploaded.video_id}").status_code == 404


def test_progress_never_falls_and_the_watch_stream_tells_every_status(person: MakePerson, busy_clip: Path) -> None:
    uploaded = person("alice").upload(busy_clip)
    seen = []
    with uploaded.owner.http.stream("GET", f"/v1/videos/{uploaded.video_id}/events", timeout=90) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data:") and '"status"' in line:
                seen.append(httpx.Response(200, content=line.removeprefix("data:")).json())
                if seen[-1]["status"] == "READY":
                    break
    assert [status["progress"] for status in seen] == sorted(status["progress"] for status in seen)
    assert [status["sequence"] for status in seen] == sorted(status["sequence"] for status in seen)
    assert any(status["status"] == "PROCESSING" and 0 < status["progress"] < 100 for status in seen), seen


@pytest.mark.parametrize("missing", ["title", "category", "filename", "content_type", "file_size_bytes"])
def test_an_initiate_without_a_field_names_it(person: MakePerson, missing: str) -> None:
    body = announcement(1000)
    del body[missing]
    reply = person("alice").post("/v1/uploads/initiate", body)
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == "INVALID_ARGUMENT"
    assert missing in [error["field"] for error in reply.json()["errors"]]
