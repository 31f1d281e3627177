"""The command line that every context has. What the commands start is replaced; each has tests of its own."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message import Message
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import command, dead_letters
from chassis.dead_letters import DeadLetter
from chassis.run import Service
from chassis.settings import HostPort, TelemetrySettings
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted, UploadStarted


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_TRIAL_")
    metrics_bind: HostPort = "127.0.0.1:1"
    telemetry: TelemetrySettings


class WorkerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_TRIAL_WORKER_")
    metrics_bind: HostPort = "127.0.0.1:2"
    telemetry: TelemetrySettings


Main = Callable[..., int]
CONSUMES: list[type[Message]] = [UploadStarted, UploadCompleted]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was run: ("run" or "job", name, metrics bind or the job's function)."""
    seen: list[tuple[Any, ...]] = []

    def run(name: str, compose: object, *, telemetry: object, metrics_bind: str) -> int:
        seen.append(("run", name, metrics_bind))
        return 0

    def run_once(name: str, job: Callable[[Any], Awaitable[object]], *, telemetry: object) -> int:
        seen.append(("job", name, job))
        return 1

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "run_once", run_once)
    return seen


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, started: list[tuple[Any, ...]]) -> Main:
    async def serve(service: Service, settings: Settings) -> None: ...
    async def work(service: Service, settings: WorkerSettings) -> None: ...
    async def expire(service: Service, settings: Settings) -> str:
        return settings.metrics_bind

    def main(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["trial", *arguments])
        return command.main(
            "trial",
            Settings,
            serve=serve,
            worker=work,
            worker_settings=WorkerSettings,
            jobs={"expire-trials": expire},
            migrations="chassis.migrations",
            consumes=CONSUMES,
        )

    return main


def test_serve_and_worker_run_with_settings_of_their_own(call: Main, started: list[tuple[Any, ...]]) -> None:
    assert call("serve") == 0
    assert call("worker") == 0
    assert started == [("run", "trial", "127.0.0.1:1"), ("run", "trial-worker", "127.0.0.1:2")]


async def test_a_job_runs_once_with_the_settings_and_its_exit_code(call: Main, started: list[tuple[Any, ...]]) -> None:
    assert call("job", "expire-trials") == 1
    [(_, name, job)] = started
    assert name == "trial-expire-trials"
    assert await job(None) == "127.0.0.1:1"


async def test_migrate_works_on_the_schema_and_as_the_owner(
    call: Main, started: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_TRIAL_POSTGRES_OWNER_DSN", "postgresql://trial_owner@db/nextplay")
    applied: list[Any] = []

    async def migrate(dsn: str, schema: str, directory: Any) -> list[str]:
        applied.extend([dsn, schema, sorted(file.name for file in directory.iterdir() if file.name.endswith(".sql"))])
        return ["0001_create_trials.sql"]

    monkeypatch.setattr(command, "migrate", migrate)
    call("migrate")
    [(_, name, job)] = started
    assert name == "trial-migrate"
    assert await job(None) == ["0001_create_trials.sql"]
    assert applied[:2] == ["postgresql://trial_owner@db/nextplay", "trial"]
    assert "0001_create_outbox.sql" in applied[2]


def test_migrate_asks_for_nothing_but_the_owners_dsn(
    call: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NEXTPLAY_TRIAL_POSTGRES_OWNER_DSN", raising=False)
    with pytest.raises(SystemExit) as stopped:
        call("migrate")
    assert stopped.value.code == 2
    assert "NEXTPLAY_TRIAL_POSTGRES_OWNER_DSN: is not set" in capsys.readouterr().err


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked about dead letters; two are open."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setenv("NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")

    async def listing(settings: Any, consumer: str, topics: set[str]) -> list[DeadLetter]:
        asked.append(("list", consumer, topics))
        at = datetime(2026, 1, 2, tzinfo=UTC)
        return [DeadLetter(f"trial/t/0/{n}", consumer, "t", "UploadStarted", "e", "k", "why", at) for n in range(2)]

    async def closing(settings: Any, consumer: str, topics: set[str], ids: list[str] | None, decision: str) -> int:
        asked.append((decision, consumer, ids))
        return 2 if ids is None else len([name for name in ids if name.startswith("trial/")])

    monkeypatch.setattr(dead_letters, "list_dead_letters", listing)
    monkeypatch.setattr(dead_letters, "close_dead_letters", closing)
    return asked


def test_dead_letters_are_listed_one_json_object_a_line(
    call: Main, letters: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("dead-letters", "list") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in printed] == ["trial/t/0/0", "trial/t/0/1"]
    assert letters == [("list", "trial", {"nextplay.upload.events.v1"})]


def test_dead_letters_are_decided_about_by_id_or_all(call: Main, letters: list[tuple[Any, ...]]) -> None:
    assert call("dead-letters", "retry", "--all") == 0
    assert call("dead-letters", "drop", "--id", "trial/t/0/0", "--id", "trial/t/0/1") == 0
    assert call("dead-letters", "drop", "--id", "other") == 1, "a letter that does not exist was not decided about"
    assert [asked[0] for asked in letters] == ["retried", "dropped", "dropped"]
    assert [asked[2] for asked in letters] == [None, ["trial/t/0/0", "trial/t/0/1"], ["other"]]


@pytest.mark.parametrize(
    "arguments",
    [[], ["unknown"], ["job"], ["job", "unknown"], ["dead-letters"], ["dead-letters", "retry"], ["serve", "--fast"]],
)
def test_a_wrong_command_line_exits_with_2_and_the_usage(
    call: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert stopped.value.code == 2
    assert "usage: python -m services.trial" in capsys.readouterr().err


def test_help_names_every_command_and_the_exit_codes(call: Main, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        call("--help")
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for expected in ("serve", "worker", "migrate", "job", "dead-letters", "exit codes: 0"):
        assert expected in said


def test_a_context_without_worker_and_jobs_has_no_such_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(service: Service, settings: Settings) -> None: ...

    monkeypatch.setattr("sys.argv", ["trial", "worker"])
    with pytest.raises(SystemExit):
        command.main("trial", Settings, serve=serve, migrations="chassis.migrations")
    assert "{serve,migrate,dead-letters}" in capsys.readouterr().err
