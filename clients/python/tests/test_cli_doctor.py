"""Each check of `nextplay doctor` can fail, and then says what to do."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nextplay_client.cli.doctor.examine import examine
from nextplay_client.cli.doctor.place import Finding
from nextplay_client.errors import NextPlayError

ORIGIN = "https://app.example.com"


def a_token(**claims: object) -> str:
    body = (
        base64.urlsafe_b64encode(json.dumps({"sub": "a user", "tier": "free"} | claims).encode()).decode().rstrip("=")
    )
    return f"e30.{body}.c2ln"


class Platform:
    """A gateway with its S3, in which one thing is broken."""

    def __init__(self, broken: str) -> None:
        self.broken = broken
        self.address = ""
        self.removed: list[str] = []

    def answer(self, verb: str, path: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body."""
        match verb, path:
            case "GET", "/openapi.json":
                shifted = formatdate(time.time() + (3600 if self.broken == "clock" else 0), usegmt=True)
                return 200, {"Date": shifted}, "<html>" if self.broken == "gateway" else '"/v1/uploads/initiate"'
            case "GET", "/v1/videos":
                if self.broken == "token":
                    return self._problem(401, "UNAUTHENTICATED")
                return 200, {}, json.dumps({"videos": [] if self.broken == "no video" else [self._video()]})
            case "GET", "/v1/feed/discover":
                return 200, {}, '{"videos": []}'
            case "POST", "/v1/uploads/initiate":
                if self.broken in ("upload", "rate"):
                    return self._problem(
                        429 if self.broken == "rate" else 503,
                        "RATE_LIMITED" if self.broken == "rate" else "UNAVAILABLE",
                    )
                return 200, {}, '{"upload_id": "u1", "video_id": "v1"}'
            case "POST", "/v1/uploads/u1/parts/presign":
                at = "http://127.0.0.1:1" if self.broken == "storage" else self.address
                headers = [{"name": "Content-Type", "value": "video/mp4"}]
                return 200, {}, json.dumps({"presigned_url": f"{at}/s3/part?signature", "headers": headers})
            case "OPTIONS", "/s3/part":
                allowed = "https://other.example" if self.broken == "cors" else "*"
                return 200, {"Access-Control-Allow-Origin": allowed, "Access-Control-Allow-Methods": "PUT, GET"}, ""
            case "PUT", "/s3/part":
                if self.broken == "put":
                    return 403, {}, "<Error><Code>SignatureDoesNotMatch</Code></Error>"
                exposed = {} if self.broken == "etag" else {"Access-Control-Expose-Headers": "ETag"}
                return 200, {"ETag": '"e"'} | exposed, ""
            case "DELETE", _:
                self.removed.append(path)
                return self._problem(503, "UNAVAILABLE") if self.broken == "clean-up" else (204, {}, "")
            case "GET", "/hls/master.m3u8":
                return 200, {}, "<html>" if self.broken == "playlist" else "#EXTM3U\n#EXT-X-STREAM-INF:\nv/720.m3u8\n"
            case "GET", "/hls/v/720.m3u8":
                return 200, {}, "#EXTM3U\n#EXTINF:6,\nsegment.ts\n"
            case "GET", "/hls/v/segment.ts":
                return 404 if self.broken == "segment" else 200, {}, "bytes"
            case "GET", "/thumbnail.jpg":
                kind = "text/html" if self.broken == "thumbnail" else "image/jpeg"
                return 403 if self.broken == "picture" else 200, {"Content-Type": kind}, "picture"
            case _:
                return 403, {}, ""

    def _video(self) -> dict[str, str]:
        return {"hls_url": f"{self.address}/hls/master.m3u8", "thumbnail_url": f"{self.address}/thumbnail.jpg"}

    def _problem(self, status: int, code: str) -> tuple[int, dict[str, str], str]:
        told: dict[str, Any] = {"code": code, "detail": f"{code} it is.", "next_action": "Do this.", "errors": []}
        return status, {}, json.dumps(told)


@contextmanager
def serving(broken: str = "") -> Iterator[Platform]:
    platform = Platform(broken)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, body = platform.answer(self.command, self.path.partition("?")[0])
            self.send_response_only(status)
            for name, value in ({"Date": formatdate(usegmt=True)} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        platform.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield platform
        finally:
            server.shutdown()


def valid() -> str:
    return a_token(exp=time.time() + 3600)


def examined(broken: str = "", bearer: Callable[[], str] = valid) -> dict[str, Finding]:
    with serving(broken) as platform:
        return {finding.check: finding for finding in examine(platform.address, bearer, ORIGIN)}


def failed(findings: dict[str, Finding]) -> list[str]:
    return [name for name, finding in findings.items() if finding.outcome == "failed"]


def test_where_all_is_well_every_check_has_its_tick_and_the_upload_is_removed() -> None:
    with serving() as platform:
        found = list(examine(platform.address, lambda: a_token(exp=time.time() + 5400), ORIGIN))
        assert platform.removed == ["/v1/uploads/u1", "/v1/videos/v1"]
    assert {finding.outcome for finding in found} == {"ok"}
    assert "it ends in 1 h" in next(finding.said for finding in found if finding.check == "token")


def test_who_stops_in_between_leaves_no_upload_behind() -> None:
    with serving() as platform:
        findings = examine(platform.address, a_token, ORIGIN)
        assert next(finding for finding in findings if finding.check == "storage").outcome == "ok"
        assert platform.removed == []
        findings.close()
        assert platform.removed == ["/v1/uploads/u1", "/v1/videos/v1"]


@pytest.mark.parametrize(
    ("broken", "check", "said"),
    [
        ("gateway", "gateway", "not as a NextPlay gateway"),
        ("token", "token", "401 UNAUTHENTICATED"),
        ("clock", "clock", "behind the gateway"),
        ("upload", "upload", "503 UNAVAILABLE"),
        ("storage", "storage", "no answer from S3 at 127.0.0.1:1"),
        ("cors", "cors", "allowed origin https://other.example"),
        ("put", "put", "403 to a signed PUT of one byte (SignatureDoesNotMatch)"),
        ("etag", "etag", "does not show the ETag"),
        ("clean-up", "clean-up", "503 UNAVAILABLE"),
        ("playlist", "playlist", "what comes instead of a playlist is none"),
        ("segment", "playlist", "a segment was answered 404"),
        ("thumbnail", "thumbnail", "the thumbnail is text/html"),
        ("picture", "thumbnail", "the thumbnail was answered 403"),
    ],
)
def test_what_is_broken_is_the_only_check_that_fails_and_says_what_to_do(broken: str, check: str, said: str) -> None:
    findings = examined(broken)
    assert failed(findings) == [check]
    assert said in findings[check].said
    assert findings[check].advice


def test_nobody_at_the_address_skips_the_rest_and_says_where_to_look() -> None:
    found = {finding.check: finding for finding in examine("http://127.0.0.1:1", a_token, ORIGIN)}
    assert failed(found) == ["gateway"]
    assert "Connection refused" in found["gateway"].said
    assert "make up" in found["gateway"].advice
    assert {finding.outcome for name, finding in found.items() if name != "gateway"} == {"skipped"}


@pytest.mark.parametrize("address", ["not an address", "", "ftp://example.com"])
def test_what_is_no_address_fails_as_one_that_nobody_answers_at(address: str) -> None:
    assert failed({finding.check: finding for finding in examine(address, a_token, ORIGIN)}) == ["gateway"]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("abc", "not a JSON Web Token"),
        ("a.b.c", "not a JSON Web Token"),
        (a_token(exp="soon"), "not a JSON Web Token"),
    ],
)
def test_a_token_that_cannot_be_valid_is_told_without_asking(token: str, said: str) -> None:
    findings = examined(bearer=lambda: token)
    assert failed(findings) == ["token"]
    assert said in findings["token"].said


def test_without_a_token_the_checks_that_need_none_are_made() -> None:
    def none_given() -> str:
        raise NextPlayError("There is no token. Give one.")

    findings = examined(bearer=none_given)
    assert failed(findings) == ["token"]
    assert findings["token"].said == "There is no token. Give one."
    assert findings["clock"].outcome == "ok"
    assert {finding.outcome for name, finding in findings.items() if name not in ("gateway", "clock", "token")} == {
        "skipped"
    }


def test_a_token_that_has_ended_is_told_by_when_it_did_and_only_if_the_gateway_agrees() -> None:
    def ended() -> str:
        return a_token(exp=time.time() - 7200)

    refused = examined("token", bearer=ended)
    assert failed(refused) == ["token"]
    assert refused["token"].said == "the token ended 2 h ago"
    assert failed(examined(bearer=ended)) == [], "it is this machine's clock that is wrong"


def test_a_user_who_may_upload_no_more_this_hour_is_no_failure() -> None:
    findings = examined("rate")
    assert failed(findings) == []
    assert findings["upload"].outcome == "skipped"
    assert findings["playlist"].outcome == "ok"


def test_without_a_video_playback_is_left_out() -> None:
    findings = examined("no video")
    assert failed(findings) == []
    assert (findings["playlist"].outcome, findings["thumbnail"].outcome) == ("skipped", "skipped")
