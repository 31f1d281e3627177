"""Starting, asking and stopping a local platform from Python: what the command line and the tests use."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local import control
from deploy.local.apache_kafka import require_java
from deploy.local.home import ROOT, Home, Trouble, open_home, supervisor_pid
from deploy.local.shape import LEAST, Shape

_START_SECONDS = 180
_STOP_SECONDS = 60


def start(
    home: Path,
    *,
    only_infrastructure: bool = False,
    shape: Shape = LEAST,
    with_parent: bool = False,
    progress: Callable[[control.Message], None] = lambda status: None,
) -> control.Message:
    """Starts the platform in `home` and returns its status when everything is ready. Where the infrastructure alone
    runs, the services are added. `shape` says of what the platform consists.

    `progress` gets the status a few times a second. Raises `Trouble` when it already runs or something keeps failing;
    then nothing that was started here is left running. `with_parent` ends the platform together with the caller.
    """
    opened = open_home(home)
    if (pid := supervisor_pid(opened.path)) is not None:
        if only_infrastructure:
            raise Trouble(f"The platform in {opened.path} is already running (process {pid}).")
        control.ask(opened.path, "add-platform")
        return wait_until_ready(opened.path, progress)
    if shape.kafka == "apache":
        require_java()
    options = {"--only=infrastructure": only_infrastructure, "--with-parent": with_parent}
    child = _launch(opened, [*shape.options(), *(option for option, wanted in options.items() if wanted)])
    try:
        return wait_until_ready(opened.path, progress, child)
    except BaseException:
        stop(opened.path)
        raise


def wait_until_ready(
    home: Path,
    progress: Callable[[control.Message], None] = lambda status: None,
    supervisor: subprocess.Popen[bytes] | None = None,
) -> control.Message:
    """The status once every process is ready. Raises `Trouble` when one keeps failing, the supervisor ended, or it
    takes more than three minutes."""
    deadline = time.monotonic() + _START_SECONDS
    status: control.Message = {"processes": []}
    while time.monotonic() < deadline:
        if supervisor is not None and supervisor.poll() is not None:
            raise Trouble(_last_line(home / "logs" / "supervisor.log"))
        with contextlib.suppress(FileNotFoundError, ConnectionError):
            status = control.ask(home, "status")
            progress(status)
            for process in status["processes"]:
                if process["failing"]:
                    raise Trouble(f"{process['failing']} Its last line: {_last_line(Path(process['log']))}")
            if status["ready"]:
                return status
        time.sleep(0.1)
    late = ", ".join(
        f"{p['name']} (log {p['log']})" for p in status["processes"] if p["state"] not in {"ready", "done"}
    )
    raise Trouble(f"The platform was not ready after {_START_SECONDS} seconds; still waiting for {late}.")


def stop(home: Path) -> bool:
    """Stops the platform in `home` and returns when nothing of it runs; False when nothing ran."""
    pid = supervisor_pid(home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while supervisor_pid(home) is not None:
        if time.monotonic() > deadline:
            raise Trouble(
                f"The supervisor (process {pid}) did not stop within {_STOP_SECONDS} seconds; "
                f"read {home / 'logs' / 'supervisor.log'}."
            )
        time.sleep(0.05)
    return True


def _launch(home: Home, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """The supervisor in a session of its own, so that Ctrl-C in this terminal does not reach it."""
    with home.log_of("supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "supervise", "--home", str(home.path), *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _last_line(log: Path) -> str:
    """What a person wants to read first of a log: of a service's, which is JSON, the last error."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    errors = [entry for line in lines[-50:] if (entry := _entry(line)).get("level") == "ERROR"]
    if errors:
        stack = str(errors[-1].get("stack", "")).strip().splitlines()
        return f"{errors[-1].get('event')}: {stack[-1]}" if stack else str(errors[-1])
    return lines[-1].strip() if lines else "(the log is empty)"


def _entry(line: str) -> control.Message:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
