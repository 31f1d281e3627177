"""Hostile files through the whole platform: refused, deleted, and the worker lives on."""

from functools import partial
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from deploy.local.stack import Stack
from services.media.sandbox import offer
from tests.e2e.bucket import keys_below
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Uploaded, make_clip, until


def a_program(clip: bytes) -> bytes:
    return Path(imageio_ffmpeg.get_ffmpeg_exe()).read_bytes()[:500_000]


def a_list_of_files(clip: bytes) -> bytes:
    return b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'http://127.0.0.1:9/clip.mp4'\n"


def a_clip_cut_short(clip: bytes) -> bytes:
    return clip[: len(clip) * 2 // 3]


def a_clip_with_nothing_in_its_samples(clip: bytes) -> bytes:
    begin, end = clip.index(b"mdat") + 4, clip.index(b"moov") - 4
    return clip[:begin] + bytes(end - begin) + clip[end:]


HOSTILE = (
    (a_program, "NOT_A_VIDEO"),
    (a_list_of_files, "NOT_A_VIDEO"),
    (a_clip_cut_short, "CORRUPT"),
    (a_clip_with_nothing_in_its_samples, "CORRUPT"),
)


def test_hostile_files_are_refused_and_deleted_and_the_worker_goes_on(
    person: MakePerson, platform: Stack, clip: Path, clips: Path
) -> None:
    alice = person("alice")
    worker = platform.pid("media-worker")
    uploads: list[tuple[Uploaded, str, str]] = []
    for spoil, code in HOSTILE:
        file = clips / f"{spoil.__name__}.mp4"
        file.write_bytes(spoil(clip.read_bytes()))
        uploads.append((alice.upload(file), code, "REJECTED_FORMAT"))
    long = make_clip(clips / "too-long.mp4", seconds=31, size="160x120", fps=5, sound=False)
    uploads.append((alice.upload(long), "DURATION_TOO_LONG", "REJECTED_TOO_LONG"))
    good = alice.upload(clip)

    for uploaded, code, wanted in uploads:
        status = uploaded.becomes("REJECTED_FORMAT", "REJECTED_TOO_LONG", "PROCESSING_FAILED", "READY")
        assert (status["status"], status["reason"]["code"]) == (wanted, code)
        assert status["reason"]["next_action"]
        gone = partial(lambda other: not originals(platform, other) or None, uploaded)
        until(gone, seconds=30, what="the original's deletion")
    good.becomes("READY")
    assert originals(platform, good)
    assert platform.pid("media-worker") == worker


def originals(platform: Stack, uploaded: Uploaded) -> set[str]:
    return keys_below(platform, f"uploads/{uploaded.owner.user_id}/{uploaded.video_id}/")


def test_readiness_tells_what_confines_ffmpeg(platform: Stack) -> None:
    told = httpx.get(f"http://127.0.0.1:{platform.ports['media-worker-metrics']}/readyz", timeout=10).json()
    if not offer().in_force:
        pytest.skip(f"this machine offers no layer: {dict(offer().missing)}")
    assert told["sandbox"] == {"in_force": sorted(offer().in_force), "missing": dict(offer().missing)}
