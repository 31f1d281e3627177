"""A process that is killed at any moment of an upload: the next one sends what is missing, and there is one video."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_platform import PART_BYTES, FakePlatform, Request

from nextplay_client import Client

# Verb, end of the path, which of these requests, and whether the platform still does what it asks for.
MOMENTS = [
    ("GET", "/uploads", 1, False),
    ("POST", "/initiate", 1, False),
    ("POST", "/initiate", 1, True),
    ("POST", "/presign-batch", 1, False),
    ("POST", "/presign-batch", 1, True),
    ("PUT", "/1", 1, False),
    ("PUT", "/2", 1, True),
    ("PUT", "/5", 1, False),
    ("PUT", "/5", 1, True),
    ("POST", "/presign-batch", 2, True),
    ("POST", "/complete", 1, False),
    ("POST", "/complete", 1, True),
]
PROGRAM = """
import sys
from nextplay_client import Client
from nextplay_client.uploading import upload
upload.PART_BYTES = int(sys.argv[3])
with Client(sys.argv[1], "token") as client:
    print(client.upload(sys.argv[2], title="A title", category="sports", preflight=False)["video_id"])
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"".join(bytes([number]) * PART_BYTES for number in range(1, 6)))
    return path


@pytest.fixture
def client(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr("nextplay_client.uploading.upload.PART_BYTES", PART_BYTES)
    with Client(platform.address, "token") as client:
        yield client


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: " ".join(map(str, moment)))
def test_what_a_killed_process_sent_is_not_sent_again(
    moment: tuple[str, str, int, bool], platform: FakePlatform, client: Client, clip: Path
) -> None:
    verb, ending, which, done = moment
    command = [sys.executable, "-c", PROGRAM, platform.address, str(clip), str(PART_BYTES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:

        def kill(request: Request) -> str | None:
            if (request.verb, len(platform.calls(verb, ending))) != (verb, which) or not request.path.endswith(ending):
                return None
            os.kill(child.pid, signal.SIGKILL)
            return "lose the answer" if done else "cut"

        platform.faults.append(kill)
        assert child.wait(timeout=60) == -signal.SIGKILL, child.stderr and child.stderr.read()
    platform.settle()
    platform.faults.clear()
    there = {number for upload in platform.uploads.values() for number in upload.parts}
    platform.requests.clear()

    completed = client.upload(clip, title="A title", category="sports", preflight=False)

    assert platform.sent_parts() == sorted({1, 2, 3, 4, 5} - there)
    (upload,) = platform.uploads.values()
    assert upload.object == clip.read_bytes()
    assert completed["video_id"] == upload.video_id
