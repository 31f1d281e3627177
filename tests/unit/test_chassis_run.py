"""Starting, watching and stopping a process."""

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis import run
from chassis.errors import Unavailable
from chassis.run import Service
from chassis.status_server import status_server


class Journal(list[str]):
    @asynccontextmanager
    async def part(self, name: str, *, fails: bool = False, hangs: bool = False) -> AsyncIterator[str]:
        self.append(f"open {name}")
        yield name
        if hangs:
            await asyncio.sleep(3600)
        if fails:
            raise RuntimeError(name)
        self.append(f"close {name}")

    async def loop(self, name: str) -> None:
        try:
            self.append(f"run {name}")
            await asyncio.sleep(3600)
        finally:
            self.append(f"end {name}")


async def stopped(service: Service) -> None:
    await asyncio.sleep(0)
    service.stop()


async def test_parts_and_tasks_close_in_reverse_order() -> None:
    journal, service = Journal(), Service("trial")

    async def compose(service: Service) -> None:
        assert await service.enter(journal.part("pool")) == "pool"
        service.task("relay", journal.loop("relay"))
        await service.enter(journal.part("server"))
        asyncio.get_running_loop().call_later(0.01, service.stop)

    assert await service.operate(compose) == 0
    assert journal == [
        "open pool",
        "open server",
        "run relay",
        "close server",
        "end relay",
        "close pool",
    ]


@pytest.mark.parametrize("ending", ["raises", "returns"])
async def test_a_task_that_ends_stops_the_process_with_the_reason(
    ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal, service = Journal(), Service("trial")

    async def loop() -> None:
        if ending == "raises":
            raise ValueError("the broker said no")

    async def compose(service: Service) -> None:
        await service.enter(journal.part("pool"))
        service.task("relay", loop())

    assert await service.operate(compose) == 1
    assert journal == ["open pool", "close pool"]
    [ended] = [record for record in caplog.records if record.getMessage() == "task_ended"]
    assert vars(ended)["fields"]["task"] == "relay"
    expected = "ValueError('the broker said no')" if ending == "raises" else "it returned"
    assert vars(ended)["fields"]["reason"] == expected


async def test_a_failing_start_closes_what_was_open(caplog: pytest.LogCaptureFixture) -> None:
    journal, service = Journal(), Service("trial")

    async def compose(service: Service) -> None:
        await service.enter(journal.part("pool"))
        raise OSError("the port is in use")

    assert await service.operate(compose) == 1
    assert journal == ["open pool", "close pool"]
    assert "process_failed" in caplog.messages


async def test_a_task_that_dies_during_the_start_ends_the_start() -> None:
    journal, service = Journal(), Service("trial")

    async def dies() -> None:
        raise ValueError

    async def compose(service: Service) -> None:
        service.task("consumer", dies())
        await service.enter(journal.part("pool"))
        await asyncio.sleep(3600)

    assert await service.operate(compose) == 1
    assert journal == ["open pool", "close pool"]


async def test_a_part_that_fails_or_hangs_while_closing_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PART_SECONDS", 0.05)
    journal, service = Journal(), Service("trial")

    async def compose(service: Service) -> None:
        await service.enter(journal.part("pool"))
        await service.enter(journal.part("broken", fails=True))
        await service.enter(journal.part("slow", hangs=True))
        service.task("stopper", stopped(service))

    assert await service.operate(compose) == 0
    assert journal[-1] == "close pool"
    assert caplog.messages.count("part_not_closed") == 2


async def test_a_task_that_ignores_its_cancellation_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PART_SECONDS", 0.05)
    journal, service, released = Journal(), Service("trial"), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await released.wait()

    async def compose(service: Service) -> None:
        await service.enter(journal.part("pool"))
        service.task("stubborn", stubborn())
        asyncio.get_running_loop().call_later(0.01, service.stop)

    assert await service.operate(compose) == 0
    released.set()
    assert journal[-1] == "close pool"
    assert "task_not_stopped" in caplog.messages


async def test_readiness_follows_the_checks_and_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHECK_SECONDS", 0.05)
    service, seen = Service("trial"), dict[str, Mapping[str, str]]()
    works = True

    async def check() -> None:
        if not works:
            raise Unavailable("The database is not reachable at the moment.")

    async def compose(service: Service) -> None:
        nonlocal works
        service.check("postgres", check)
        seen["starting"] = await service.unready()

    async def watch() -> None:
        nonlocal works
        seen["running"] = await service.unready()
        works = False
        seen["broken"] = await service.unready()
        service.check("slow", lambda: asyncio.sleep(3600))
        service.check("buggy", lambda: asyncio.wait_for(failing(), 1))
        seen["worse"] = await service.unready()
        service.stop()
        seen["stopping"] = await service.unready()

    async def failing() -> None:
        raise ValueError("inner text")

    async def compose_and_watch(service: Service) -> None:
        await compose(service)
        watching = asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(watch()))
        assert watching

    assert await service.operate(compose_and_watch) == 0
    assert seen == {
        "starting": {"process": "is starting"},
        "running": {},
        "broken": {"postgres": "The database is not reachable at the moment."},
        "worse": {
            "postgres": "The database is not reachable at the moment.",
            "slow": "gave no answer within 0.05 s",
            "buggy": "ValueError",
        },
        "stopping": {"process": "is stopping"},
    }


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    reply = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return reply


async def test_the_status_server_answers_probes_and_nothing_else() -> None:
    reasons: dict[str, str] = {}

    async def unready() -> Mapping[str, str]:
        return reasons

    async with status_server("127.0.0.1:0", unready, {"cores": 2}) as port:
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        reply = await ask(port, b"GET /readyz?probe=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reply.endswith(b'{"unready": {}, "cores": 2}')
        reasons["postgres"] = "is away"
        reply = await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 503")
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["unready"] == {"postgres": "is away"}
        assert b"process_resident_memory_bytes" in await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert (await ask(port, b"GET /other HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
        assert await ask(port, b"nonsense\r\n\r\n") == b""
        assert await ask(port, b"GET /" + b"x" * 20_000) == b""


PROGRAM = """
    import asyncio, sys
    from chassis.run import run, run_once
    from chassis.settings import TelemetrySettings

    async def wait():
        await asyncio.sleep(3600)

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    async def compose(service):
        service.task("loop", stubborn() if "stubborn" in sys.argv else wait())
        if "slow_start" in sys.argv:
            print("composing", flush=True)
            await wait()
        asyncio.get_running_loop().call_soon(lambda: print("ready", flush=True))

    async def job(service):
        if "fails" in sys.argv:
            raise ValueError("the reason")
        if "waits" in sys.argv:
            print("working", flush=True)
            await wait()
        return 42

    if "job" in sys.argv:
        sys.exit(run_once("trial-job", job, telemetry=TelemetrySettings()))
    sys.exit(run("trial", compose, telemetry=TelemetrySettings(), metrics_bind="127.0.0.1:0"))
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM))

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(file), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def events(errors: str) -> list[str]:
    return [json.loads(line)["event"] for line in errors.splitlines()]


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    assert process.stdout.readline().strip() == line


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["ready", "composing"])
def test_a_signal_stops_the_process_orderly(
    program: Callable[..., subprocess.Popen[str]], signum: signal.Signals, when: str
) -> None:
    process = program("slow_start") if when == "composing" else program()
    wait_for(process, when)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert events(errors)[-2:] == ["process_stopping", "process_stopped"]


def test_a_second_signal_ends_the_process_at_once(program: Callable[..., subprocess.Popen[str]]) -> None:
    process = program("stubborn")
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    while "process_stopping" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert events(errors) == ["stop_forced"]


def test_a_job_logs_its_result_and_tells_by_its_exit_code(program: Callable[..., subprocess.Popen[str]]) -> None:
    done = program("job")
    _, errors = done.communicate(timeout=20)
    assert done.returncode == 0, errors
    [line] = [json.loads(line) for line in errors.splitlines() if "job_done" in line]
    assert (line["service"], line["result"]) == ("trial-job", 42)

    failed = program("job", "fails")
    _, errors = failed.communicate(timeout=20)
    assert failed.returncode == 1
    assert "the reason" in errors

    interrupted = program("job", "waits")
    wait_for(interrupted, "working")
    interrupted.send_signal(signal.SIGTERM)
    interrupted.communicate(timeout=20)
    assert interrupted.returncode == 1
