"""The `nextplay` command killed in the middle of an upload, and the same command again."""

import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from tests.e2e.bucket import keys_below, read_object
from tests.e2e.forward_proxy import Moment, Proxy, forward_proxy
from tests.e2e.people import PART_BYTES, until
from tests.e2e.shell import Shell, shell

SIZE = 3 * PART_BYTES + 1_000_000
PARTS = [1, 2, 3, 4]


def named(moment: str) -> Moment:
    return lambda name, sent_bytes: name == moment


def sent(share: float) -> Moment:
    return lambda name, sent_bytes: name == "sending" and sent_bytes >= share * SIZE


MOMENTS = {
    "before it is announced": named("before POST /v1/uploads/initiate"),
    "announced, and the answer is lost": named("after POST /v1/uploads/initiate"),
    "before the first part is signed": named("before POST /v1/uploads/ID/parts/presign-batch"),
    "signed, and the answer is lost": named("after POST /v1/uploads/ID/parts/presign-batch"),
    "the first byte": sent(0),
    "a quarter": sent(0.25),
    "half": sent(0.5),
    "three quarters": sent(0.75),
    "nearly all": sent(0.97),
    "before it is completed": named("before POST /v1/uploads/ID/complete"),
    "completed, and the answer is lost": named("after POST /v1/uploads/ID/complete"),
}


@pytest.fixture(scope="module", autouse=True)
def _originals_stay(platform: Stack) -> Iterator[None]:
    """Without the worker, which deletes what is no video."""
    platform.hold("media-worker")
    try:
        yield
    finally:
        platform.release("media-worker")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with forward_proxy() as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Four parts of other bytes each time."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(SIZE))
    return path


def active_upload(platform: Stack, user: str) -> dict[str, object] | None:
    """The only upload under way of a user, as who resumes it sees it."""
    headers = {"Authorization": f"Bearer {platform.issuer.user_token(user)}"}
    with httpx.Client(base_url=platform.gateway, headers=headers, timeout=20) as http:
        uploads = http.get("/v1/uploads").raise_for_status().json()["uploads"]
        assert len(uploads) <= 1
        return http.get(f"/v1/uploads/{uploads[0]['upload_id']}").raise_for_status().json() if uploads else None


def begin(carol: Shell, file: Path, proxy: Proxy) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        carol.arguments("upload", file, "--no-check"),
        env=carol.environment | {"HTTP_PROXY": proxy.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reached(proxy: Proxy, process: "subprocess.Popen[str]") -> None:
    """Wait for the moment at which the proxy stops."""

    def look() -> bool | None:
        assert process.poll() is None, process.communicate()
        return proxy.stopped.is_set() or None

    until(look, seconds=60, what="the moment to stop at")


def stored(platform: Stack, user: str) -> bytes:
    """The only original of a user; empty where there is none yet."""
    keys = keys_below(platform, f"uploads/{user_id(user)}/")
    assert len(keys) <= 1
    return b"".join(read_object(platform, key) for key in keys)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_killed_at_any_moment_the_same_command_sends_only_what_is_missing(
    platform: Stack, proxy: Proxy, file: Path, moment: Moment
) -> None:
    carol = shell(platform, "carol")
    proxy.stop_at(moment)
    killed = begin(carol, file, proxy)
    try:
        reached(proxy, killed)
    finally:
        killed.kill()
        killed.communicate()
        proxy.let_go()
    left = active_upload(platform, carol.user)
    missing = left["parts_missing"] if left else [] if stored(platform, carol.user) else PARTS

    done = carol.run("upload", file, "--no-check", "--json", HTTP_PROXY=proxy.url)
    assert done.status == 0, done.err
    assert sorted(proxy.parts) == missing
    if left:
        assert done.document["video"]["video_id"] == left["video_id"]
    assert hashlib.sha256(stored(platform, carol.user)).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert len(carol.json("videos")["videos"]) == 1


def test_ctrl_c_says_how_to_resume_and_the_same_command_does(platform: Stack, proxy: Proxy, file: Path) -> None:
    carol = shell(platform, "carol")
    proxy.stop_at(lambda name, sent_bytes: bool(proxy.parts))
    interrupted = begin(carol, file, proxy)
    try:
        reached(proxy, interrupted)
        interrupted.send_signal(signal.SIGINT)
        out, err = interrupted.communicate(timeout=20)
    finally:
        interrupted.kill()
        proxy.let_go()
    assert (interrupted.returncode, out) == (130, "")
    assert "this command sends only what is missing" in err
    assert f"nextplay upload {file} --no-check --user {carol.user}" in err
    assert "Traceback" not in err
    left = active_upload(platform, carol.user)
    assert left is not None
    told = carol.run("why", str(left["video_id"]))
    assert re.search(r"It is being uploaded: \d of 4 parts are stored", told.out)
    assert "it sends only what is missing" in told.out

    done = carol.run("upload", file, "--no-check", HTTP_PROXY=proxy.url)
    assert done.status == 0, done.err
    assert sorted(proxy.parts) == left["parts_missing"]
    assert proxy.parts != PARTS


def test_a_token_that_was_typed_is_not_shown_again(platform: Stack, proxy: Proxy, file: Path) -> None:
    carol = shell(platform, "carol")
    token = platform.issuer.user_token(carol.user)
    proxy.stop_at(sent(0.1))
    command = [*carol.arguments("upload", file, "--no-check")[:-2], "--token", token, "--url", platform.gateway]
    interrupted = subprocess.Popen(
        command, env=carol.environment | {"HTTP_PROXY": proxy.url}, stderr=subprocess.PIPE, text=True
    )
    try:
        reached(proxy, interrupted)
        interrupted.send_signal(signal.SIGINT)
        _, err = interrupted.communicate(timeout=20)
    finally:
        interrupted.kill()
        proxy.let_go()
    assert "--token TOKEN" in err
    assert token not in err
