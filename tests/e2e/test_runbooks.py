"""What a runbook tells somebody to type at night works."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.home import ROOT
from deploy.local.stack import Stack

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
    """A command of ours with `--help` in place of its arguments, so that it is known without being done."""
    words = [word for word in shlex.split(command) if not word.startswith("-") or word == "-m"]
    known = [word for word in words if not word.isupper()]
    if known[0] == "python":
        return [sys.executable, *known[1:], "--help"]
    return [str(Path(sys.executable).with_name(known[0])), *known[1:], "--help"]


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
def test_the_commands_of_a_page_exist(page: Path) -> None:
    for command in commands(page):
        if command.startswith(("python -m services", "nextplay ")):
            ended = subprocess.run(started(command), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert ended.returncode == 0, f"{command}: {ended.stderr}"
            if " job " in command:
                assert command.split()[-1] in ended.stdout, command


def test_the_pages_are_looked_through() -> None:
    every = [command for page in PAGES for command in commands(page)]
    assert sum(command.startswith("psql") for command in every) >= 10
    assert "python -m services.media job retry-failed-jobs" in every
