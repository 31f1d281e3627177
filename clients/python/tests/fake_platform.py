"""The platform and its S3 as one local HTTP server, as far as uploads, waiting and lists need it.

with FakePlatform() as platform:
    platform.faults.append(lambda request: 503 if request.is_part(2) else None)
    with Client(platform.address, "token") as client: ...
    assert platform.object_of(upload_id) == b"..."
"""

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
PART_BYTES = 300_000


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Json

    @property
    def part(self) -> int:
        """The number of the part that is sent; 0 of other requests."""
        return int(self.path.rpartition("/")[2]) if self.path.startswith("/s3/") else 0


Reply = tuple[int, Json] | tuple[int, Json, dict[str, str]]
Fault = Callable[[Request], "int | Reply | Literal['cut', 'lose the answer'] | None"]


@dataclass
class Upload:
    """An upload, and what S3 holds of it."""

    upload_id: str
    announced: Json
    video_id: str
    status: str = "INITIATED"
    parts: dict[int, bytes] = field(default_factory=dict)
    signed: dict[int, str] = field(default_factory=dict)
    object: bytes | None = None


@dataclass
class FakePlatform:
    """`clock_ahead` is how far its clock is ahead of ours, `url_seconds` how long its URLs live. Each fault is asked
    about each request: the status, the reply, 'cut' (nothing is done, nothing answered) or 'lose the answer'.
    `answers` are replies of other paths, one after the other; the last one stays.
    """

    clock_ahead: timedelta = timedelta()
    url_seconds: float = 600
    faults: list[Fault] = field(default_factory=list)
    answers: dict[str, list[Reply]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    most_parts_at_once: int = 0
    meet: threading.Barrier | None = None
    address: str = ""

    def __enter__(self) -> "FakePlatform":
        self._lock = threading.RLock()
        self._idle = threading.Condition()
        self._busy = 0
        self._parts_now = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While a request comes and is answered."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def settle(self) -> None:
        """Wait until every request that has begun is done."""
        with self._idle:
            assert self._idle.wait_for(lambda: self._busy == 0, timeout=10), "requests are not done within 10 s"

    def calls(self, verb: str, ending: str) -> list[Request]:
        """The requests so far whose path ends so."""
        return [request for request in self.requests if request.verb == verb and request.path.endswith(ending)]

    def sent_parts(self) -> list[int]:
        """The numbers of the parts that were sent so far, ascending, each as often as it was sent."""
        return sorted(request.part for request in self.requests if request.part)

    def answer(self, request: Request, data: bytes) -> Reply | Literal["cut"]:
        """What a request is answered."""
        with self._lock:
            self.requests.append(request)
        fault = next((said for ask in self.faults if (said := ask(request)) is not None), None)
        if fault == "cut":
            return "cut"
        if isinstance(fault, int):
            return fault, {"code": f"FAULT_{fault}", "detail": "A fault.", "next_action": "", "errors": []}
        if isinstance(fault, tuple):
            return fault
        reply = self._once(request, data)
        return "cut" if fault == "lose the answer" else reply

    def _once(self, request: Request, data: bytes) -> Reply:
        """The reply; to a repeated command the one that it had."""
        key = request.headers.get("idempotency-key")
        if key is None or "presign" in request.path:
            return self._route(request, data)
        with self._lock:
            if key not in self.replies:
                self.replies[key] = self._route(request, data)
            return self.replies[key]

    def _route(self, request: Request, data: bytes) -> Reply:
        _, first, *rest = request.path.split("/")
        if first == "s3":
            return self._put(self.uploads[rest[0]], request, data)
        with self._lock:
            match [request.verb, *rest]:
                case ["GET", "uploads"]:
                    return 200, {"uploads": self._listed(request.query), "next_page_token": ""}
                case ["POST", "uploads", "initiate"]:
                    return self._initiate(request.body)
                case ["GET", "uploads", upload_id] if upload_id in self.uploads:
                    return 200, self._told(self.uploads[upload_id])
                case ["POST", "uploads", upload_id, "parts", "presign-batch"] if upload_id in self.uploads:
                    return self._presign(self.uploads[upload_id], request.body["parts"])
                case ["POST", "uploads", upload_id, "complete"] if upload_id in self.uploads:
                    return self._complete(self.uploads[upload_id], request.body.get("parts"))
                case ["PATCH", "videos", _]:
                    return 200, {}
                case ["DELETE", "uploads", upload_id] if upload_id in self.uploads:
                    self.uploads[upload_id].status = "ABORTED"
                    return 204, {}
            if left := self.answers.get(request.path):
                return left.pop(0) if len(left) > 1 else left[0]
            return problem(404, "NOT_FOUND")

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    def _listed(self, query: dict[str, str]) -> list[Json]:
        active = [upload for upload in self.uploads.values() if upload.status in ("INITIATED", "IN_PROGRESS")]
        wanted = query.get("fingerprint")
        return [self._told(upload) for upload in reversed(active) if upload.announced["fingerprint"] == wanted]

    def _initiate(self, body: Json) -> Reply:
        upload = Upload(str(uuid.uuid4()), body, body.get("video_id") or str(uuid.uuid4()))
        self.uploads[upload.upload_id] = upload
        told = {"s3_upload_id": "x", "part_size_bytes": PART_BYTES, "part_count": 1}
        return 200, self._told(upload) | told

    def _told(self, upload: Upload) -> Json:
        return {
            "upload_id": upload.upload_id,
            "video_id": upload.video_id,
            "status": upload.status,
            "parts_received": [
                {"part_number": number, "size_bytes": len(data), "etag": etag(data)}
                for number, data in sorted(upload.parts.items())
            ],
            "server_time": self._now().isoformat(),
        }

    def _presign(self, upload: Upload, parts: list[Json]) -> Reply:
        if upload.status not in ("INITIATED", "IN_PROGRESS"):
            return problem(409, "UPLOAD_NOT_ACTIVE")
        upload.status = "IN_PROGRESS"
        until = self._now() + timedelta(seconds=self.url_seconds)
        for part in parts:
            upload.signed[part["part_number"]] = part["checksum_sha256"]
        signed = [
            {
                "part_number": part["part_number"],
                "presigned_url": f"{self.address}/s3/{upload.upload_id}/{part['part_number']}"
                f"?until={until.timestamp()}&length={part['content_length']}",
                "headers": [
                    {"name": "Content-Length", "value": str(part["content_length"])},
                    {"name": "x-amz-checksum-sha256", "value": part["checksum_sha256"]},
                ],
                "expires_at": until.isoformat(),
            }
            for part in parts
        ]
        return 200, {"parts": signed, "server_time": self._now().isoformat()}

    def _put(self, upload: Upload, request: Request, data: bytes) -> Reply:
        with self._lock:
            self._parts_now += 1
            self.most_parts_at_once = max(self.most_parts_at_once, self._parts_now)
        if self.meet is not None:
            self.meet.wait(timeout=10)
        try:
            with self._lock:
                if float(request.query["until"]) < self._now().timestamp():
                    return problem(403, "AccessDenied")
                if request.headers["x-amz-checksum-sha256"] != sha256(data):
                    return problem(400, "BadDigest")
                upload.parts[request.part] = data
                return 200, {}, {"ETag": etag(data)}
        finally:
            with self._lock:
                self._parts_now -= 1

    def _complete(self, upload: Upload, named: list[Json] | None) -> Reply:
        if upload.object is None:
            if any(sha256(data) != upload.signed[number] for number, data in upload.parts.items()):
                return problem(409, "PART_MISMATCH")
            if {part["part_number"]: part["etag"] for part in named or []} != {
                number: etag(data) for number, data in upload.parts.items()
            }:
                return problem(409, "PARTS_MISSING")
            upload.object = b"".join(data for _, data in sorted(upload.parts.items()))
            upload.status = "COMPLETED"
        return 200, {"video_id": upload.video_id, "status": "UPLOADED", "sequence": 3}


def problem(status: int, code: str, **more: object) -> Reply:
    """A refusal as the platform words them."""
    told = {"status": status, "code": code, "detail": f"{code}.", "next_action": "Do this.", "errors": []}
    return status, told | {"trace_id": "0" * 32} | more


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _handler(platform: FakePlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            with platform.at_work():
                self._answer_whole(int(self.headers.get("content-length", 0)))

        def _answer_whole(self, length: int) -> None:
            data = self.rfile.read(length)
            if len(data) < length:
                self.close_connection = True
                return
            at = urlsplit(self.path)
            is_json = at.path.startswith("/v1/") and data
            request = Request(
                self.command,
                at.path,
                {name: values[0] for name, values in parse_qs(at.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(data) if is_json else {},
            )
            reply = platform.answer(request, data)
            if reply == "cut":
                self.close_connection = True
                return
            status, told, headers = (*reply, {})[:3]
            stream = told.get("stream")
            body = b"" if status == 204 else stream.encode() if stream is not None else json.dumps(told).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "text/event-stream" if stream is not None else "application/json")
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            return

    return Handler
