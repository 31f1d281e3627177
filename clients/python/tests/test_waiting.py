"""Waiting for a video, against a gateway that is a local HTTP server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nextplay_client import Client
from nextplay_client.errors import ApiError


@contextmanager
def answering(*answers: tuple[int, dict[str, object]]) -> Iterator[Client]:
    """A client of a gateway that answers with these in order: a problem, a stream with one status, or 204."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, told = left.pop(0)
            streams = code == 200 and self.path.endswith("/events")
            body = f"data: {json.dumps(told)}\n\n" if streams else json.dumps(told)
            self.send_response(code)
            if code != 204:
                self.send_header("content-type", "text/event-stream" if streams else "application/json")
            self.end_headers()
            if code != 204:
                self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}", "token") as client:
                yield client
        finally:
            server.shutdown()


def test_waiting_goes_on_while_the_server_says_later() -> None:
    with answering(
        (503, {"code": "UNAVAILABLE"}), (504, {"code": "DEADLINE_EXCEEDED"}), (200, {"status": "READY", "sequence": 5})
    ) as it:
        assert it.wait("01a2")["status"] == "READY"


def test_a_watch_ends_where_there_is_nothing_more_to_see() -> None:
    with answering((204, {})) as it:
        assert list(it.watch("01a2", after_sequence=7)) == []


def test_waiting_ends_at_a_refusal() -> None:
    with answering((404, {"code": "VIDEO_NOT_FOUND"})) as it, pytest.raises(ApiError) as refused:
        it.wait("01a2")
    assert refused.value.code == "VIDEO_NOT_FOUND"
