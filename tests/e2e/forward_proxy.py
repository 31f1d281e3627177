"""An HTTP proxy between a client and the platform, which counts what passes and stops everything at a chosen moment."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit, urlunsplit

CHUNK_BYTES = 256 * 1024
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Moment = Callable[[str, int], bool]
"""Whether to stop here: `before POST /v1/uploads/initiate`, `after …`, or `sending` with the bytes of parts so far."""


class Proxy:
    """What passed, and where it stops."""

    def __init__(self) -> None:
        self.url = ""
        self.parts: list[int] = []
        self.stopped = threading.Event()
        self._moment: Moment | None = None
        self._sent_bytes = 0
        self._under_way = 0
        self._changed = threading.Condition()

    def stop_at(self, moment: Moment) -> None:
        """Let nothing pass from that moment on, and forget what passed before now."""
        self.parts, self._sent_bytes, self._moment = [], 0, moment
        self.stopped.clear()

    def let_go(self) -> None:
        """Cut what was stopped, as the end of the client does; returns when S3 has been told."""
        with self._changed:
            self._moment = None
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._under_way == 0, timeout=20)
        self.parts = []

    def _passes(self, moment: str, sent_bytes: int = 0) -> None:
        """Raises ConnectionAbortedError for what was stopped, once it is let go."""
        with self._changed:
            self._sent_bytes += sent_bytes
            if self._moment is None:
                return
            if self.stopped.is_set() or self._moment(moment, self._sent_bytes):
                self.stopped.set()
                self._changed.wait_for(lambda: self._moment is None, timeout=120)
                raise ConnectionAbortedError

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


@contextmanager
def forward_proxy() -> Iterator[Proxy]:
    """A proxy on a port of its own, for HTTP_PROXY."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            self.close_connection = True
            with proxy._counted():
                try:
                    self._pass_on()
                except OSError:
                    self.connection.close()

        def _pass_on(self) -> None:
            split = urlsplit(self.path)
            name = f"{self.command} {ID.sub('ID', split.path)}"
            proxy._passes(f"before {name}")
            server = http.client.HTTPConnection(split.netloc, timeout=30)
            try:
                path = urlunsplit(("", "", split.path, split.query, ""))
                server.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for header, value in self.headers.items():
                    if header.lower() not in ("proxy-connection", "connection"):
                        server.putheader(header, value)
                server.endheaders()
                left = int(self.headers.get("content-length", 0))
                while left:
                    chunk = self.rfile.read(min(CHUNK_BYTES, left))
                    if not chunk:
                        raise ConnectionAbortedError
                    proxy._passes("sending", len(chunk) if self.command == "PUT" else 0)
                    server.send(chunk)
                    left -= len(chunk)
                reply = server.getresponse()
                body = reply.read()
            finally:
                server.close()
            if self.command == "PUT" and "partNumber" in split.query and reply.status == 200:
                proxy.parts.append(int(parse_qs(split.query)["partNumber"][0]))
            proxy._passes(f"after {name}")
            self.send_response(reply.status)
            for header, value in reply.getheaders():
                if header.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(header, value)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _forward

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield proxy
        finally:
            proxy._moment = None
            server.shutdown()
