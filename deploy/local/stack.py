"""A running local platform as Python code uses it: addresses, keys, tokens, and its processes by name."""

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import control
from deploy.local.home import Home, Trouble, open_home
from deploy.local.identity import Issuer, open_issuer
from deploy.local.infrastructure import postgres_dsn, s3_access
from deploy.local.lifecycle import wait_until_ready
from deploy.local.values import Context, read_values
from deploy.local.workloads import environment, environment_beside


@dataclass(frozen=True)
class Stack:
    """Whatever runs in one home. Make it with `attach`."""

    home: Home
    ports: Mapping[str, int]

    @property
    def status(self) -> dict[str, Any]:
        """Every process with its state, as the supervisor sees it now."""
        return control.ask(self.home.path, "status")

    @property
    def addresses(self) -> dict[str, Any]:
        """What stack.json holds."""
        stack: dict[str, Any] = self.status["stack"]
        return stack

    @property
    def s3(self) -> dict[str, str]:
        """endpoint, access_key, secret_key, bucket, region."""
        return s3_access(self.home, self.ports)

    @property
    def kafka(self) -> str:
        """host:port of the broker."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def gateway(self) -> str:
        """URL of the REST API; it answers when the platform was added."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def issuer(self) -> Issuer:
        """Signs tokens with the platform's own key, also wrong ones: `issuer.user_token("alice", exp=1)`."""
        return open_issuer(self.home, self.ports["identity"])

    def dsn(self, role: str, server: str = "postgres") -> str:
        """DSN of database `nextplay` as a context (`upload`), its owner (`upload_owner`) or the superuser
        (`postgres`); on the primary, or on the server `replica` where it runs."""
        return postgres_dsn(self.home, self.ports, role, server)

    def environment(self, context: Context | None) -> dict[str, str]:
        """The settings that the platform gives to a process of `context`, or to the gateway (None), but for the
        addresses that it binds."""
        return environment(self.home, self.ports, read_values(), context)

    def environment_beside(self, context: Context) -> dict[str, str]:
        """The whole settings of a short process of `context`, such as an operator's command."""
        return environment_beside(self.home, self.ports, read_values(), context)

    def add_platform(self) -> None:
        """Starts all services and jobs on top of the infrastructure; returns when they are ready."""
        control.ask(self.home.path, "add-platform")
        wait_until_ready(self.home.path)

    def pid(self, name: str) -> int | None:
        """The process of that name, None while it does not run."""
        return self._process(name)["pid"]  # type: ignore[no-any-return]

    def kill(self, name: str) -> None:
        """Ends it with SIGKILL, as a crash would; the supervisor starts it again."""
        pid = self.pid(name)
        if pid is None:
            raise Trouble(f"{name} does not run, so it cannot be killed.")
        os.kill(pid, signal.SIGKILL)

    def hold(self, name: str) -> None:
        """Stops it and keeps it stopped until `release`; returns when it has ended."""
        control.ask(self.home.path, "hold", name=name)

    def release(self, name: str) -> None:
        """Lets a held process run again; returns when it is ready."""
        control.ask(self.home.path, "release", name=name)
        self.wait_ready(name)

    def wait_ready(self, name: str, *, other_than: int | None = None, seconds: float = 60) -> int:
        """Its process id once it is ready; `other_than` skips the life that was just killed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            process = self._process(name)
            if process["state"] == "ready" and process["pid"] != other_than:
                return int(process["pid"])
            time.sleep(0.05)
        raise Trouble(f"{name} was not ready after {seconds} seconds; read {self.home.log_of(name)}.")

    def run_job(self, name: str) -> None:
        """Runs a job of the chart's values now, to its end. Raises `Trouble` when it fails."""
        status = control.ask(self.home.path, "run-job", name=name, timeout=150)["status"]
        if status != 0:
            raise Trouble(f"The job {name} ended with status {status}; read {self.home.log_of(name)}.")

    def _process(self, name: str) -> dict[str, Any]:
        for process in self.status["processes"]:
            if process["name"] == name:
                return process  # type: ignore[no-any-return]
        raise Trouble(f"The platform has no process {name!r}.")


def attach(path: Path) -> Stack:
    """The platform that runs in the home `path`."""
    home = open_home(path)
    return Stack(home, json.loads((home.path / "ports.json").read_text()))
