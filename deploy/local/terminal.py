"""What the person at the terminal sees of a start and of what runs: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from deploy.local.control import Message
from deploy.local.home import ROOT

_REMIND_SECONDS = 5

console = Console(highlight=False)


@contextmanager
def start_progress() -> Iterator[Callable[[Message], None]]:
    """A function that takes the platform's status again and again and tells what is ready, and what is waited for."""
    started = time.monotonic()
    told: set[str] = set()
    reminded = started

    with console.status("Starting the platform ...") as spinner:

        def show(status: Message) -> None:
            nonlocal reminded
            now = time.monotonic()
            for process in status["processes"]:
                finished = process["state"] in {"ready", "done"}
                if finished and process["name"] not in told:
                    told.add(process["name"])
                    reminded = now
                    console.print(f"  {now - started:5.1f} s  {process['name']} {process['state']}")
                if not finished:
                    told.discard(process["name"])
            waiting = "Waiting for " + ", ".join(_pending(status))
            spinner.update(waiting)
            if not console.is_terminal and now - reminded > _REMIND_SECONDS:
                reminded = now
                console.print(f"  {now - started:5.1f} s  {waiting}", soft_wrap=True)

        yield show


def show_addresses(home: Path, addresses: Message) -> None:
    """What is where. Keys and passwords are left to stack.json, which only the owner may read."""
    gateway = addresses["gateway"]
    lines = {
        "REST API": gateway
        and f"{gateway} (described at {gateway}/{'docs' if addresses['studio'] else 'openapi.json'})",
        "Studio": addresses["studio"],
        "Token issuer": addresses["identity"],
        "S3": f"{addresses['s3']['endpoint']} (bucket {addresses['s3']['bucket']})",
        "Kafka": addresses["kafka"],
        "PostgreSQL": _server(addresses["postgres"]),
        "Its replica": _server(addresses.get("replica")),
        "Keys, processes": relative(home / "stack.json"),
        "Logs": relative(home / "logs"),
    }
    for name, value in lines.items():
        if value:
            console.print(f"{name:17}{value}", soft_wrap=True)


def show_state(status: Message) -> None:
    """One line for everything."""
    what = "The platform" if status["platform"] else "The infrastructure"
    failing = [process["name"] for process in status["processes"] if process["failing"]]
    others = [process["name"] for process in status["processes"] if process["state"] not in {"ready", "done"}]
    if status["ready"]:
        console.print(f"{what} is ready.")
    elif failing:
        console.print(f"{what} is not ready: {', '.join(failing)} keeps failing.", soft_wrap=True)
    else:
        console.print(f"{what} is not ready: waiting for {', '.join(others)}.", soft_wrap=True)
    console.print()


def show_processes(status: Message) -> None:
    """Every process, with what is wrong with it."""
    for process in status["processes"]:
        pid = process["pid"] or ""
        restarts = f"restarts: {process['restarts']}" if process["restarts"] else ""
        line = f"{process['name']:17}{process['state']:11}{pid:<9}{process['failing'] or restarts}"
        console.print(line.rstrip(), soft_wrap=True)
    console.print()


def _server(dsns: Mapping[str, str] | None) -> str | None:
    if dsns is None:
        return None
    dsn = urlsplit(next(iter(dsns.values())))
    return f"{dsn.hostname}:{dsn.port}{dsn.path} (roles {', '.join(dsns)})"


def relative(path: Path) -> str:
    """A path as one would type it in the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _pending(status: Message) -> list[str]:
    """What is being started now; what waits for it is not worth telling yet."""
    return [process["name"] for process in status["processes"] if process["state"] not in {"ready", "done", "waiting"}]
