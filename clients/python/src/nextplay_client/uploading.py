"""The bytes: a file in parts straight to S3, three at a time."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import stamina

from nextplay_client.errors import Unreachable
from nextplay_client.types import PresignedPart

PARALLEL_PARTS = 3
CHUNK_BYTES = 256 * 1024
TIMEOUT = httpx.Timeout(60.0, connect=5.0)


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload is; sent after each chunk, from several threads but one at a time."""

    sent_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Part:
    """A slice of the file: its number from 1, its offset and its length in bytes."""

    number: int
    offset: int
    length: int


Presign = Callable[[list[Part]], list[PresignedPart]]
OnProgress = Callable[[UploadProgress], None]


def cut(total_bytes: int, part_bytes: int) -> list[Part]:
    """The parts of a file: all `part_bytes` long but the last."""
    return [
        Part(number, offset, min(part_bytes, total_bytes - offset))
        for number, offset in enumerate(range(0, total_bytes, part_bytes), start=1)
    ]


def checksum(path: Path, part: Part) -> str:
    """The SHA-256 of a part as it is in the file now, base64. Raises OSError."""
    digest = hashlib.sha256()
    for chunk in _read(path, part):
        digest.update(chunk)
    return base64.b64encode(digest.digest()).decode()


class _Refused(Exception):
    """S3 refused the part; 403 means that the signature is over, 400 that it got other bytes than were signed."""


class _Counter:
    """Bytes sent, counted over all threads; a part that is sent again counts once."""

    def __init__(self, total_bytes: int, on_progress: OnProgress | None) -> None:
        self._lock = threading.Lock()
        self._sent: dict[int, int] = {}
        self._total = total_bytes
        self._on_progress = on_progress

    def sent(self, part: Part, bytes_of_part: int) -> None:
        with self._lock:
            self._sent[part.number] = max(bytes_of_part, self._sent.get(part.number, 0))
            if self._on_progress:
                self._on_progress(UploadProgress(sum(self._sent.values()), self._total))


def send_parts(path: Path, parts: list[Part], presign: Presign, on_progress: OnProgress | None) -> dict[int, str]:
    """Send the parts with at most three under way and return the ETag of each.

    Each part is signed anew before each attempt, so an expired signature costs one retry. At most three chunks of
    256 KiB are in memory. Raises Unreachable when a part failed five times; parts that arrived stay with S3.
    """
    counter = _Counter(sum(part.length for part in parts), on_progress)
    with httpx.Client(timeout=TIMEOUT) as s3, ThreadPoolExecutor(PARALLEL_PARTS) as pool:
        sending = {part.number: pool.submit(_send_part, s3, path, part, presign, counter) for part in parts}
        try:
            return {number: future.result() for number, future in sending.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _send_part(s3: httpx.Client, path: Path, part: Part, presign: Presign, counter: _Counter) -> str:
    try:
        for attempt in stamina.retry_context(
            on=(httpx.TransportError, _Refused), attempts=5, timeout=None, wait_initial=0.5, wait_max=10.0
        ):
            with attempt:
                signed = presign([part])[0]
                response = s3.put(
                    signed["presigned_url"],
                    content=_chunks(path, part, counter),
                    headers={header["name"]: header["value"] for header in signed["headers"]},
                )
                if response.status_code != 200:
                    raise _Refused(f"S3 answered {response.status_code}")
                return response.headers["etag"]
    except (httpx.TransportError, _Refused) as error:
        raise Unreachable(f"Part {part.number} could not be sent after 5 attempts: {error}") from error
    raise AssertionError("unreachable: the retry context returns or raises")


def _chunks(path: Path, part: Part, counter: _Counter) -> Iterator[bytes]:
    """The part as it is sent, and counted."""
    sent = 0
    for chunk in _read(path, part):
        yield chunk
        sent += len(chunk)
        counter.sent(part, sent)


def _read(path: Path, part: Part) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.offset)
        left = part.length
        while left:
            chunk = file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise OSError(f"{path} became shorter while it was uploaded")
            yield chunk
            left -= len(chunk)
