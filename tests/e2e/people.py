"""People who use a platform through its REST API, and clips for them to upload."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import imageio_ffmpeg

PART_BYTES = 10 * 1024 * 1024

T = TypeVar("T")


def until(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """What `look` finds, looking ten times a second; the test fails when it finds nothing in time."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Person:
    """A user with a token: every request is one of the public API's."""

    user_id: str
    http: httpx.Client

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def post(self, path: str, body: Mapping[str, object] | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, json=dict(body or {}), headers=named)

    def put(self, path: str) -> httpx.Response:
        return self.http.put(path)

    def patch(self, path: str, body: Mapping[str, object]) -> httpx.Response:
        return self.http.patch(path, json=dict(body))

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    def initiate(self, size: int, **changes: object) -> dict[str, Any]:
        """Announce a file; `changes` replace or add fields."""
        reply = self.post("/v1/uploads/initiate", announcement(size) | changes)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def send(self, upload_id: str, number: int, data: bytes) -> str:
        """Presign and PUT one part, as the specification's client does; its ETag."""
        reply = self.post(
            f"/v1/uploads/{upload_id}/parts/presign", {"part_number": number, "content_length": len(data)}
        )
        assert reply.status_code == 200, reply.text
        sent = httpx.put(
            reply.json()["presigned_url"],
            content=data,
            headers={"Content-Type": "video/mp4", "Content-Length": str(len(data))},
            timeout=30,
        )
        assert sent.status_code == 200, sent.text
        return sent.headers["ETag"]

    def upload(self, clip: Path, **changes: object) -> "Uploaded":
        """The whole upload of a clip, completed."""
        data = clip.read_bytes()
        initiated = self.initiate(len(data), **changes)
        parts = [
            {"part_number": number, "etag": self.send(initiated["upload_id"], number, data[start : start + PART_BYTES])}
            for number, start in enumerate(range(0, len(data), PART_BYTES), start=1)
        ]
        reply = self.post(f"/v1/uploads/{initiated['upload_id']}/complete", {"parts": parts})
        assert reply.status_code == 200, reply.text
        return Uploaded(self, initiated["video_id"], initiated["upload_id"], reply.json())


@dataclass(frozen=True)
class Uploaded:
    """A completed upload."""

    owner: Person
    video_id: str
    upload_id: str
    completed: dict[str, Any] = field(repr=False)

    def status(self) -> dict[str, Any]:
        return status_of(self.owner, self.video_id)

    def becomes(self, *wanted: str, seconds: float = 90) -> dict[str, Any]:
        """The status once it is one of `wanted`."""
        return becomes(self.owner, self.video_id, *wanted, seconds=seconds)


def status_of(owner: Person, video_id: str) -> dict[str, Any]:
    """Where an own video stands."""
    reply = owner.get(f"/v1/videos/{video_id}/status")
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def becomes(owner: Person, video_id: str, *wanted: str, seconds: float = 90) -> dict[str, Any]:
    """The status of a video once it is one of `wanted`; like every client, it asks again after a 503."""

    def look() -> dict[str, Any] | None:
        reply = owner.get(f"/v1/videos/{video_id}/status")
        if reply.status_code == 503 and "retry-after" in reply.headers:
            return None
        assert reply.status_code == 200, reply.text
        return dict(reply.json()) if reply.json()["status"] in wanted else None

    return until(look, seconds=seconds, what=f"the video {video_id} being {' or '.join(wanted)}")


def announcement(size: int) -> dict[str, object]:
    """The specification's body of an initiate."""
    return {
        "title": "My Video",
        "category": "sports",
        "visibility": "public",
        "filename": "video.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": size,
    }


def make_clip(
    path: Path,
    *,
    seconds: float,
    size: str = "640x360",
    codec: str = "libx264",
    fps: int = 30,
    sound: bool = True,
    picture: str | None = None,
) -> Path:
    """A moving test picture, or another one that FFmpeg makes (`picture`), with a tone unless told otherwise."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    command += ["-f", "lavfi", "-t", str(seconds), "-i", picture or f"testsrc2=size={size}:rate={fps}"]
    if sound:
        command += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac"]
    command += ["-c:v", codec, "-pix_fmt", "yuv420p"]
    command += ["-preset", "ultrafast"] if codec == "libx264" else ["-deadline", "realtime", "-cpu-used", "8"]
    subprocess.run([*command, str(path)], check=True, timeout=120)
    return path


def execute(dsn: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Run one statement on a context's database from outside the platform; its rows."""

    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result(timeout=30)
