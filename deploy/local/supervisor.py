"""The one process that owns a local platform: starts everything in order, restarts what dies, answers the command
line, and stops everything in reverse order."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from deploy.local import control, ports
from deploy.local.home import Home, Trouble, exclusive, write_json
from deploy.local.infrastructure import PORTS, infrastructure, postgres_dsn, s3_access
from deploy.local.process import Process, end_remains
from deploy.local.values import read_values
from deploy.local.watch import Watch, end, keep_running

_PR_SET_PDEATHSIG = 1


@dataclass
class Supervision:
    """Everything that is watched; `tasks` has the keeper of each."""

    home: Home
    ports: dict[str, int]
    platform: bool
    started_at: float = field(default_factory=time.time)
    watches: dict[str, Watch] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


def supervise(home: Home, *, platform: bool, with_parent: bool = False) -> None:
    """Runs until SIGTERM or SIGINT. `with_parent`: stops when the process that started us is gone."""
    if with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    with exclusive(home):
        for name in end_remains(home.path):
            print(f"ended what an earlier run left behind: {name}", flush=True)
        chosen = ports.choose(home.path / "ports.json", PORTS)
        asyncio.run(_supervise(Supervision(home, chosen, platform)))


async def _supervise(supervision: Supervision) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with control.serve(supervision.home, partial(_answer, supervision)):
        try:
            _watch(supervision, infrastructure(supervision.home, supervision.ports))
            await stopping.wait()
        finally:
            await _stop(supervision)


def _watch(supervision: Supervision, processes: Sequence[Process]) -> None:
    supervision.watches |= {process.name: Watch(process) for process in processes}
    for process in processes:
        supervision.tasks[process.name] = asyncio.create_task(
            keep_running(
                supervision.watches[process.name],
                supervision.watches,
                supervision.home,
                partial(_on_change, supervision, process.name),
            )
        )


def _on_change(supervision: Supervision, name: str) -> None:
    watch = supervision.watches[name]
    print(f"{time.strftime('%H:%M:%S')} {name} {watch.state} {watch.trouble or watch.pid or ''}".rstrip(), flush=True)
    if all(other.ready.is_set() for other in supervision.watches.values()):
        write_json(supervision.home.stack_file, stack(supervision))


async def _stop(supervision: Supervision) -> None:
    """Ends each process once everything that waits for it has ended."""
    supervision.home.stack_file.unlink(missing_ok=True)

    async def stop_one(name: str) -> None:
        dependents = [other for other, watch in supervision.watches.items() if name in watch.process.waits_for]
        await asyncio.gather(*(stopping[other] for other in dependents))
        supervision.tasks[name].cancel()
        await asyncio.gather(supervision.tasks[name], return_exceptions=True)

    stopping: dict[str, asyncio.Task[None]] = {}
    for name in reversed(supervision.watches):
        stopping[name] = asyncio.create_task(stop_one(name))
    await asyncio.gather(*stopping.values())
    end_remains(supervision.home.path)


async def _answer(supervision: Supervision, message: control.Message) -> control.Message:
    match message:
        case {"request": "status"}:
            return _status(supervision)
        case {"request": "hold", "name": str(name)} if name in supervision.watches:
            supervision.watches[name].wanted.clear()
            await end(supervision.watches[name])
        case {"request": "release", "name": str(name)} if name in supervision.watches:
            supervision.watches[name].failures = 0
            supervision.watches[name].wanted.set()
        case {"name": str(name)}:
            raise Trouble(f"The platform has no process {name!r}; it has {', '.join(supervision.watches)}.")
        case _:
            raise Trouble("The supervisor does not know this request.")
    return {}


def _status(supervision: Supervision) -> control.Message:
    watches = supervision.watches
    return {
        "pid": os.getpid(),
        "started_at": supervision.started_at,
        "platform": supervision.platform,
        "ready": all(watch.ready.is_set() for watch in watches.values()),
        "stack": stack(supervision),
        "processes": [
            {
                "name": name,
                "state": watch.state,
                "pid": watch.pid,
                "restarts": watch.restarts,
                "waits_for": [other for other in watch.process.waits_for if not watches[other].ready.is_set()],
                "failing": watch.trouble,
                "log": str(supervision.home.log_of(name)),
            }
            for name, watch in watches.items()
        ],
    }


def stack(supervision: Supervision) -> control.Message:
    """The content of stack.json; what does not run is null."""
    home, chosen = supervision.home, supervision.ports
    return {
        "gateway": None,
        "studio": None,
        "identity": None,
        "s3": s3_access(home, chosen),
        "kafka": f"127.0.0.1:{chosen['kafka']}",
        "postgres": {context: postgres_dsn(home, chosen, context) for context in read_values().contexts},
        "otlp": None,
        "processes": {"supervisor": os.getpid()}
        | {name: watch.pid for name, watch in supervision.watches.items() if watch.pid},
    }
