"""What a whole run leaves in the logs of all processes: lines of one shape, and nothing that is nobody's business."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import read_values
from deploy.observability.log_events import LEVELS, logged_events
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, until
from tests.e2e.test_push import subscribed
from tests.e2e.test_webhooks import delivered, receiver, register

MARK = "zebrafinch"
"""Part of everything that a person writes, names or subscribes with here."""
AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FORBIDDEN = {
    "a token": re.compile(r"eyJ[\w-]{8,}\.[\w-]+"),
    "a signed URL": re.compile(r"(?:Signature|X-Amz-Credential|X-Amz-Security-Token)=(?!\[redacted\])", re.IGNORECASE),
    "a playlist's token": re.compile(r"[?&]token=(?!\[redacted\])"),
    "a bearer": re.compile(r"bearer\s+(?!\[redacted\])\S", re.IGNORECASE),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}"),
    "a password": re.compile(r"://[^:/@\"\s]+:(?!\[redacted\])[^@\"\s]+@"),
    "what a person wrote": re.compile(MARK, re.IGNORECASE),
}


def lines(platform: Stack) -> Iterator[tuple[str, str]]:
    """Everything that processes and jobs of the platform have written, by the process."""
    values = read_values()
    for process in (*values.workloads, *values.jobs):
        log = platform.home.log_of(process)
        for file in (log.with_suffix(".log.1"), log):
            if file.exists():
                yield from ((process, line) for line in file.read_text(errors="replace").splitlines())


def make_mistakes(person: Person, upload_id: str) -> None:
    """Each is refused, and says in its answer what was wrong."""
    body = {"title": MARK * 20, "category": MARK, "visibility": "public", "filename": f"{MARK}.mp4", MARK: MARK}
    refused = [
        person.post("/v1/uploads/initiate", body),
        person.http.post("/v1/uploads/initiate", content=b'{"title": "' + MARK.encode()),
        person.post(f"/v1/uploads/{upload_id}/complete", {"parts": [{"part_number": 1, "etag": MARK}]}),
        person.post("/v1/webhooks", {"url": f"https://{MARK}:{MARK}@hooks.example.com/{MARK}"}),
        httpx.get(f"{person.http.base_url}/v1/{MARK}?title={MARK}&email={MARK}@example.com"),
        person.get("/v1/videos", page_token=MARK),
        httpx.get(f"{person.http.base_url}/v1/feed", headers={"Authorization": f"Bearer {MARK}.{MARK}.{MARK}"}),
    ]
    assert [one.status_code for one in refused] == [400, 415, 409, 400, 404, 400, 401]


def watch(person: Person, video_id: str) -> None:
    """As a page does: the clip's URLs, and its playlists, which carry a token."""
    assets = person.get(f"/v1/videos/{video_id}").json()["assets"]
    (master,) = (asset["url"] for asset in assets if asset["kind"] == "HLS")
    playlist = httpx.get(master).raise_for_status().text
    (variant, *_) = (line for line in playlist.splitlines() if line and not line.startswith("#"))
    httpx.get(httpx.URL(master).join(variant)).raise_for_status()
    httpx.get(httpx.URL(master).copy_set_param("token", MARK))


async def test_a_run_from_upload_to_delivery_leaves_lines_of_one_shape_and_nothing_of_what_people_wrote(
    platform: Stack, person: MakePerson, clip: Path, tmp_path: Path
) -> None:
    alice, bob = person(f"{MARK}-alice"), person(f"{MARK}-bob")
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no video at all" * 1000)
    answers = iter([500])
    with receiver(lambda webhook_id: next(answers, 204)) as received:
        async with subscribed(bob) as browser:
            said = {"description": f"{MARK}@example.com", "url": f"{received.url}/{MARK}?key={MARK}"}
            webhook = register(alice, **said)["webhook"]
            assert bob.put(f"/v1/users/{alice.user_id}/follow").status_code == 204
            words: dict[str, Any] = {"title": f"My {MARK}", "description": f"{MARK}@example.com"}
            announced = words | {"filename": f"{MARK}.mp4", "fingerprint": MARK}
            make_mistakes(alice, alice.initiate(1_000, **announced)["upload_id"])
            await asyncio.to_thread(lambda: alice.upload(noise, **announced).becomes("REJECTED_FORMAT"))
            uploaded = await asyncio.to_thread(alice.upload, clip, **announced)
            await asyncio.to_thread(uploaded.becomes, "READY")
            assert alice.patch(f"/v1/videos/{uploaded.video_id}", words | {"title": MARK}).status_code == 200
            shown = {"visibility": "public", "notify_followers": True}
            assert alice.post(f"/v1/videos/{uploaded.video_id}/publish", shown).status_code == 200
            await browser.came(1, seconds=60)
        await asyncio.to_thread(delivered, alice, webhook["webhook_id"], 1)
    watch(alice, uploaded.video_id)
    assert alice.delete(f"/v1/videos/{uploaded.video_id}").status_code in (200, 204)
    for job in ("upload-reconcile", "catalog-unstick-videos"):
        await asyncio.to_thread(platform.run_job, job)

    def purged() -> bool | None:
        told = (line for process, line in lines(platform) if process == "media" and "outputs_purged" in line)
        return any(uploaded.video_id in line for line in told) or None

    await asyncio.to_thread(until, purged, seconds=30, what="the log telling of the purge")
    events = {event.name for event in logged_events(ROOT)} | {"library_log"}
    seen = set()
    for process, line in lines(platform):
        for what, pattern in FORBIDDEN.items():
            assert not pattern.search(line), f"{what} in the log of {process}: {line}"
        told = json.loads(line)
        assert list(told)[:4] == ["timestamp", "level", "service", "event"], line
        assert AT.fullmatch(told["timestamp"]), line
        assert told["level"] in LEVELS.values(), line
        assert told["event"] in events, line
        seen.add((process, told["event"]))
    assert {
        ("gateway", "http_request_answered"),
        ("upload", "upload_completed"),
        ("media", "transcode_queued"),
        ("media-worker", "transcode_completed"),
        ("catalog", "video_status_changed"),
        ("notify", "notification_written"),
        ("notify", "webhook_created"),
        ("upload-reconcile", "job_done"),
    } <= seen


@pytest.mark.parametrize(
    "line", ["a@example.com", "https://u:p@host/", "x-amz-signature=1f", "Bearer abc", "?token=abc"]
)
def test_what_is_looked_for_would_be_found(line: str) -> None:
    assert any(pattern.search(line) for pattern in FORBIDDEN.values())
