"""What a runbook tells somebody to type at night works."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import read_values

EXAMPLES = {"VIDEO": "01890000-0000-7000-8000-000000000000", "ROW": "1"}
"""What stands for ids that have a form."""
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
ROLE = re.compile(r'psql "\$NEXTPLAY_(\w+?)_POSTGRES_(OWNER_)?DSN"')


def commands(page: Path) -> Iterator[str]:
    """What stands in blocks of shell, comments left out, and commands of ours between backticks. A query may go over
    several lines; everything else is a line."""
    text = page.read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        lines = re.sub(r"\s+#.*$", "", block, flags=re.MULTILINE)
        queries = re.findall(r'^psql .*?"$', lines, re.MULTILINE | re.DOTALL)
        yield from queries
        for query in queries:
            lines = lines.replace(query, "")
        yield from lines.split("\n")
    yield from re.findall(r"`((?:python|nextplay|make) [^`]+)`", text)


def started(command: str) -> list[str]:
    """A command of the client with `--help` in place of its arguments, so that it is known without being done."""
    name, *words = [word for word in shlex.split(command) if not word.startswith("-") and not word.isupper()]
    return [str(Path(sys.executable).with_name(name)), *words, "--help"]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Reads `python -m services.<context> …` as that program does, and does nothing; fails where it would refuse."""
    settings = SimpleNamespace(telemetry=None)
    monkeypatch.setattr("chassis.command._load", lambda _: settings)
    monkeypatch.setattr("chassis.command.run_once", lambda *_, **how: 0)
    monkeypatch.setattr("operating.desk._run", lambda *_: 0)

    def read(command: str) -> None:
        _, _, module, *words = shlex.split(command)
        monkeypatch.setattr("sys.argv", [module, *(EXAMPLES.get(word, word) for word in words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__")
        assert ended.value.code == 0, f"{command}: {capsys.readouterr().err}"

    return read


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_the_queries_of_a_page_are_answered_to_the_role_that_it_names(page: Path, platform: Stack) -> None:
    for command in commands(page):
        if not command.startswith("psql"):
            continue
        found = ROLE.match(command)
        role = f"{found[1].lower()}{'_owner' if found[2] else ''}" if found else "postgres"
        connection = await asyncpg.connect(platform.dsn(role), timeout=10)
        try:
            await connection.prepare(shlex.split(command)[-1])
        finally:
            await connection.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_exist(page: Path, typed: Callable[[str], None]) -> None:
    for command in commands(page):
        if command.startswith("python -m services"):
            typed(command)
        if command.startswith("nextplay "):
            ended = subprocess.run(started(command), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert ended.returncode == 0, f"{command}: {ended.stderr}"


def test_a_command_that_does_not_exist_would_be_seen(typed: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError, match="invalid choice: 'end'"):
        typed("python -m services.media jobs end JOB")


@pytest.mark.parametrize("page", ["operating.md", "kubernetes.md"])
def test_what_is_typed_in_a_cluster_exists_in_the_deployment_that_is_named(
    page: str, typed: Callable[[str], None]
) -> None:
    lines = re.findall(r"^kubectl exec .*$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        said = re.fullmatch(r"kubectl exec (-it )?deploy/nextplay-(\S+) -- (python -m services\.(\w+) .*)", line)
        assert said, line
        interactive, workload, command, context = said.groups()
        assert read_values().workloads[workload].context == context, line
        assert " --reason " not in line or interactive or " --yes" in line, f"nobody is asked: {line}"
        typed(command)


def test_the_pages_are_looked_through() -> None:
    every = [command for page in PAGES for command in commands(page)]
    assert sum(command.startswith("psql") for command in every) >= 1
    assert sum(command.startswith("python -m services") for command in every) >= 20
    assert "python -m services.media job retry-failed-jobs" in every
