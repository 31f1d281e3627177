"""The check for known vulnerabilities, with its real tools against stand-ins of OSV and of npm's registry."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import __main__ as audit
from deploy.audit.vulnerabilities import Found, NoData, find_npm, npm_audit, passed_over, pip_audit

LEFTPAD = {
    "id": 1,
    "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
    "title": "Pads to the right",
    "severity": "high",
    "vulnerable_versions": "<2.0.0",
}
REQUESTS = {
    "id": "GHSA-dddd-eeee-ffff",
    "aliases": ["CVE-2018-1"],
    "summary": "Tells the password",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
        }
    ],
}


needs_npm = pytest.mark.skipif(find_npm() is None, reason="there is no npm; `make web` fetches one")


@contextmanager
def answering(status: int, reply: dict[str, Any]) -> Iterator[str]:
    """A server that answers every POST with this, and knows nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            body = json.dumps(reply).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def python_lock(tmp_path: Path) -> Path:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"requests==2.19.0 \\\n    --hash=sha256:{'0' * 64}\n")
    return lock


@pytest.fixture
def npm_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = {"name": "x", "version": "1.0.0", "dependencies": {"left-pad": "1.0.0"}}
    packages = {"": project, "node_modules/left-pad": {"version": "1.0.0", "integrity": "sha512-AAAA"}}
    (tmp_path / "package.json").write_text(json.dumps(project))
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps({**project, "lockfileVersion": 3, "requires": True, "packages": packages}))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    return lock


def options(url: str, directory: Path) -> tuple[str, ...]:
    return "--osv-url", f"{url}/v1/query", "--cache-dir", str(directory / "pip")


def test_a_python_package_with_a_known_vulnerability_is_found(python_lock: Path, tmp_path: Path) -> None:
    with answering(200, {"vulns": [REQUESTS]}) as url:
        found = pip_audit(python_lock, *options(url, tmp_path))
    names = frozenset({"GHSA-dddd-eeee-ffff", "CVE-2018-1"})
    assert found == [Found("requests 2.19.0", names, "mended in 2.20.0")]


def test_a_python_package_without_one_is_not(python_lock: Path, tmp_path: Path) -> None:
    with answering(200, {}) as url:
        assert pip_audit(python_lock, *options(url, tmp_path)) == []


def test_data_about_python_that_cannot_be_reached_is_no_clean_result(python_lock: Path, tmp_path: Path) -> None:
    with answering(503, {}) as url, pytest.raises(NoData):
        pip_audit(python_lock, *options(url, tmp_path))
    with pytest.raises(NoData, match="refused"):
        pip_audit(python_lock, *options("http://127.0.0.1:9", tmp_path))


@needs_npm
def test_an_npm_package_with_a_known_vulnerability_is_found(npm_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, {"left-pad": [LEFTPAD]}) as url:
        monkeypatch.setenv("npm_config_registry", url)
        found = npm_audit(npm_lock)
    assert found == [Found("left-pad <2.0.0", frozenset({"GHSA-aaaa-bbbb-cccc"}), "Pads to the right")]


@needs_npm
def test_data_about_npm_that_cannot_be_reached_is_no_clean_result(
    npm_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(405, {}) as url:
        monkeypatch.setenv("npm_config_registry", url)
        with pytest.raises(NoData, match="405"):
            npm_audit(npm_lock)


def _found(lock: Path) -> list[Found]:
    return [Found("requests 2.19.0", frozenset({"GHSA-dddd-eeee-ffff"}), "not mended yet")]


def _clean(lock: Path) -> list[Found]:
    return []


def _unreached(lock: Path) -> list[Found]:
    raise NoData("name or service not known")


@pytest.mark.parametrize(
    ("python", "npm", "status", "told"),
    [
        (_clean, _clean, 0, "requirements.lock: no known"),
        (_found, _clean, 1, "requests 2.19.0: GHSA-dddd-eeee-ffff"),
        (_found, _unreached, 1, "web/package-lock.json was not checked: name or service not known"),
        (_clean, _unreached, 3, "web/package-lock.json was not checked: name or service not known"),
    ],
)
def test_the_exit_status_tells_found_from_clean_from_unknown(
    python: Any, npm: Any, status: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "pip_audit", python)
    monkeypatch.setattr(audit, "npm_audit", npm)
    assert audit.main() == status
    assert told in capsys.readouterr().out


def ignoring(directory: Path, until: str) -> Path:
    file = directory / "ignored.toml"
    file.write_text(f'[[ignored]]\nid = "CVE-2018-1"\nuntil = {until}\nreason = "We have no password."\n')
    return file


def test_what_is_ignored_with_a_reason_is_passed_over_until_its_day(tmp_path: Path) -> None:
    file = ignoring(tmp_path, "2026-03-31")
    assert passed_over(file, date(2026, 3, 31)) == {"CVE-2018-1"}
    assert passed_over(file, date(2026, 4, 1)) == frozenset()


@pytest.mark.parametrize("entry", ['id = "CVE-1"\nuntil = 2026-03-31', 'id = "CVE-1"\nreason = "It is fine."'])
def test_what_is_ignored_needs_a_reason_and_a_day(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "ignored.toml"
    file.write_text(f"[[ignored]]\n{entry}\n")
    with pytest.raises(ValueError, match="needs an id, a reason and a date"):
        passed_over(file, date(2026, 1, 1))
