"""Cutting a file and sending its parts, against an S3 that is a local HTTP server."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import stamina

from nextplay_client.errors import Unreachable
from nextplay_client.types import PresignedPart
from nextplay_client.uploading import Part, Presign, UploadProgress, checksum, cut, send_parts


@pytest.fixture(autouse=True)
def _without_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


class Store:
    """Keeps what was PUT; refuses the first `refusals` requests with `status`."""

    def __init__(self, refusals: int, status: int) -> None:
        self.parts: dict[str, bytes] = {}
        self.refusals = refusals
        self.status = status
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()
        self.three_arrived = threading.Barrier(3)


@contextmanager
def serving(store: Store, *, meet: bool = False) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with store.lock:
                store.under_way += 1
                store.most_under_way = max(store.most_under_way, store.under_way)
                refused = store.refusals > 0
                store.refusals -= refused
            if meet:
                store.three_arrived.wait(timeout=10)
            with store.lock:
                store.under_way -= 1
                if not refused:
                    store.parts[self.path] = body
            self.send_response(store.status if refused else 200)
            self.send_header("etag", f'"{self.path}"')
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def signer(address: str, asked: list[int]) -> Presign:
    def presign(parts: list[Part]) -> list[PresignedPart]:
        asked.extend(part.number for part in parts)
        return [
            {
                "part_number": part.number,
                "presigned_url": f"{address}/{part.number}",
                "headers": [{"name": "Content-Length", "value": str(part.length)}],
                "expires_at": "2030-01-01T00:00:00Z",
            }
            for part in parts
        ]

    return presign


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def test_a_file_is_cut_into_equal_parts_and_a_shorter_last_one() -> None:
    assert cut(25, 10) == [Part(1, 0, 10), Part(2, 10, 10), Part(3, 20, 5)]


def test_a_file_of_exactly_one_part_is_one_part() -> None:
    assert cut(10, 10) == [Part(1, 0, 10)]


def test_all_bytes_arrive_and_progress_ends_at_the_whole(clip: Path) -> None:
    store, seen = Store(0, 200), list[UploadProgress]()
    parts = cut(clip.stat().st_size, 300_000)
    with serving(store) as address:
        etags = send_parts(clip, parts, signer(address, []), seen.append)
    assert b"".join(store.parts[f"/{part.number}"] for part in parts) == clip.read_bytes()
    assert etags == {part.number: f'"/{part.number}"' for part in parts}
    assert seen[-1] == UploadProgress(clip.stat().st_size, clip.stat().st_size)
    assert [p.sent_bytes for p in seen] == sorted(p.sent_bytes for p in seen)


def test_the_checksum_of_a_part_is_that_of_its_bytes_alone(clip: Path) -> None:
    data = clip.read_bytes()
    for part in cut(len(data), 300_000):
        wanted = hashlib.sha256(data[part.offset : part.offset + part.length]).digest()
        assert base64.b64decode(checksum(clip, part)) == wanted


def test_three_parts_are_under_way_at_once_and_never_four(clip: Path) -> None:
    store = Store(0, 200)
    with serving(store, meet=True) as address:
        send_parts(clip, cut(clip.stat().st_size, clip.stat().st_size // 6 + 1), signer(address, []), None)
    assert store.most_under_way == 3


def test_a_part_whose_signature_is_over_is_signed_again(clip: Path) -> None:
    store, asked = Store(1, 403), list[int]()
    with serving(store) as address:
        send_parts(clip, cut(clip.stat().st_size, 2_000_000), signer(address, asked), None)
    assert asked == [1, 1]
    assert store.parts["/1"] == clip.read_bytes()


def test_a_part_that_fails_five_times_is_given_up_with_its_number(clip: Path) -> None:
    store, asked = Store(99, 500), list[int]()
    with serving(store) as address, pytest.raises(Unreachable, match="Part 1 could not be sent after 5 attempts"):
        send_parts(clip, cut(clip.stat().st_size, 2_000_000), signer(address, asked), None)
    assert asked == [1] * 5
