"""The `nextplay` command as people and scripts run it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack

NEXTPLAY = str(Path(sys.executable).with_name("nextplay"))


@dataclass(frozen=True)
class Done:
    """A command that has ended: its status, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The only line of JSON on standard output."""
        [line] = self.out.splitlines()
        return json.loads(line)

    @property
    def documents(self) -> list[Any]:
        """Every line of JSON on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """What standard error says in JSON of why it failed."""
        return json.loads(self.err.splitlines()[-1])["error"]


@dataclass(frozen=True)
class Shell:
    """Runs the command as one user of the local stack, somebody new each time."""

    platform: Stack
    user: str

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own NextPlay or proxies, notes in the platform's home, and times in UTC."""
        home = self.platform.home.path
        inherited = {
            name: value for name, value in os.environ.items() if not name.upper().startswith(("NEXTPLAY_", "NO_PROXY"))
        }
        return inherited | {
            "NEXTPLAY_STACK": str(home / "stack.json"),
            "XDG_STATE_HOME": str(home / "state"),
            "TZ": "UTC",
        }

    def arguments(self, command: str, *arguments: str | Path) -> Sequence[str]:
        """The command line."""
        return [NEXTPLAY, command, *map(str, arguments), "--user", self.user]

    def run(self, command: str, *arguments: str | Path, **environment: str) -> Done:
        """Run a command without a terminal; it never shows a traceback."""
        done = subprocess.run(
            self.arguments(command, *arguments),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, command: str, *arguments: str | Path) -> Any:
        """The one document that a command prints, which has to succeed and to say nothing else."""
        done = self.run(command, *arguments, "--json")
        assert (done.status, done.err) == (0, ""), done
        return done.document


def shell(platform: Stack, name: str) -> Shell:
    """A shell of somebody new, so that tests share neither videos nor rate limits."""
    return Shell(platform, f"{name}-{uuid.uuid4().hex[:8]}")
