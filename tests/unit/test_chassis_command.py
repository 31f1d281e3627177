"""The command line that every context has. What the commands start is replaced; each has tests of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import command
from chassis.run import Service
from chassis.settings import HostPort, TelemetrySettings


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_TRIAL_")
    metrics_bind: HostPort = "127.0.0.1:1"
    telemetry: TelemetrySettings


class WorkerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_TRIAL_WORKER_")
    metrics_bind: HostPort = "127.0.0.1:2"
    telemetry: TelemetrySettings


Main = Callable[..., int]


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

    def operate(parsers: Any) -> None:
        actions = parsers.add_parser("things").add_subparsers(required=True)
        actions.add_parser("end").set_defaults(run=lambda settings, asked: 3 if settings.metrics_bind else 0)

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
            operate=operate,
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


def test_what_operators_do_gets_the_settings_and_its_exit_code_counts(call: Main) -> None:
    assert call("things", "end") == 3


@pytest.mark.parametrize(
    "arguments",
    [[], ["unknown"], ["job"], ["job", "unknown"], ["things"], ["things", "begin"], ["serve", "--fast"]],
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
    for expected in ("serve", "worker", "migrate", "job", "expire-trials", "things", "exit codes: 0"):
        assert expected in said


def test_a_context_without_worker_and_jobs_has_no_such_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(service: Service, settings: Settings) -> None: ...

    monkeypatch.setattr("sys.argv", ["trial", "worker"])
    with pytest.raises(SystemExit):
        command.main("trial", Settings, serve=serve, migrations="chassis.migrations")
    assert "{serve,migrate}" in capsys.readouterr().err
