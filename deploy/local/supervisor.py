"""The one process that owns a local platform: starts everything in order, restarts what dies, runs the jobs, answers
the command line, and stops everything in reverse order."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from deploy.local import control, identity, ports
from deploy.local.apache_kafka import CONTROLLER
from deploy.local.home import Home, Trouble, exclusive, write_json
from deploy.local.infrastructure import PORTS, infrastructure, postgres_data, postgres_dsn, s3_access, socket_files
from deploy.local.process import Process, end_remains, forget_dead_postmaster
from deploy.local.schedule import Schedule
from deploy.local.shape import Shape
from deploy.local.values import Values, read_values
from deploy.local.watch import Watch, end, keep_running
from deploy.local.workloads import WEB, job_process, port_names, workloads

RETRY_SECONDS = 10.0

_PR_SET_PDEATHSIG = 1


@dataclass
class Supervision:
    """Everything that is watched; `keepers` has the task that keeps each process, and those of tokens and jobs."""

    home: Home
    values: Values
    ports: dict[str, int]
    issuer: identity.Issuer
    platform: bool = False
    started_at: float = field(default_factory=time.time)
    watches: dict[str, Watch] = field(default_factory=dict)
    keepers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    schedule: Schedule | None = None


def supervise(home: Home, *, platform: bool, shape: Shape, with_parent: bool = False) -> None:
    """Runs until SIGTERM or SIGINT. `with_parent`: stops when the process that started us is gone."""
    if with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    with exclusive(home):
        for name in end_remains(home.path):
            print(f"ended what an earlier run left behind: {name}", flush=True)
        for server in ("postgres", "replica"):
            forget_dead_postmaster(postgres_data(home, server))
        values = read_values()
        more = ["replica"] * shape.replica + [CONTROLLER] * (shape.kafka == "apache")
        names = [*PORTS, *more, "identity", *port_names(values, shape.scale)]
        chosen = ports.choose(home.path / "ports.json", names)
        issuer = identity.open_issuer(home, chosen["identity"])
        with identity.serve(issuer, chosen["identity"]):
            try:
                asyncio.run(_supervise(Supervision(home, values, chosen, issuer), platform=platform))
            finally:
                for left_behind in socket_files(chosen):
                    left_behind.unlink(missing_ok=True)


async def _supervise(supervision: Supervision, *, platform: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with control.serve(supervision.home, partial(_answer, supervision)):
        supervision.keepers["service-tokens"] = asyncio.create_task(_renew_service_tokens(supervision))
        try:
            _watch(supervision, infrastructure(supervision.home, supervision.ports))
            if platform:
                _add_platform(supervision)
            await stopping.wait()
        finally:
            await _stop(supervision)


def _add_platform(supervision: Supervision) -> None:
    """Services and jobs on top of the infrastructure."""
    home, values, chosen = supervision.home, supervision.values, supervision.ports
    supervision.platform = True
    _watch(supervision, workloads(home, chosen, values))
    jobs = {name: (job.schedule, job_process(home, chosen, values, name)) for name, job in values.jobs.items()}
    supervision.schedule = Schedule(home, jobs)
    supervision.keepers["jobs"] = asyncio.create_task(supervision.schedule.run())


def _watch(supervision: Supervision, processes: Sequence[Process]) -> None:
    supervision.watches |= {process.name: Watch(process) for process in processes}
    for process in processes:
        supervision.keepers[process.name] = asyncio.create_task(
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
    if _ready(supervision):
        write_json(supervision.home.stack_file, _stack(supervision))


async def _renew_service_tokens(supervision: Supervision) -> None:
    """Long before they expire, and again soon where that failed, as it does on a full disk."""
    while True:
        wait = identity.SERVICE_TOKEN_SECONDS / 3
        try:
            identity.write_service_tokens(supervision.home, supervision.issuer, supervision.values.contexts)
        except OSError as error:
            wait = RETRY_SECONDS
            print(f"{time.strftime('%H:%M:%S')} service-tokens not renewed: {error}", flush=True)
        await asyncio.sleep(wait)


async def _stop(supervision: Supervision) -> None:
    """Ends each process once everything that uses it has ended."""
    supervision.home.stack_file.unlink(missing_ok=True)
    for other in supervision.keepers.keys() - supervision.watches.keys():
        supervision.keepers[other].cancel()
    stopping: dict[str, asyncio.Task[None]] = {}

    async def stop_one(name: str) -> None:
        users = [
            other
            for other, watch in supervision.watches.items()
            if name in (*watch.process.waits_for, *watch.process.stops_before)
        ]
        await asyncio.gather(*(stopping[other] for other in users))
        supervision.keepers[name].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervision.keepers[name]

    for name in reversed(supervision.watches):
        stopping[name] = asyncio.create_task(stop_one(name))
    await asyncio.gather(*stopping.values(), return_exceptions=True)
    end_remains(supervision.home.path)


async def _answer(supervision: Supervision, message: control.Message) -> control.Message:
    watches = supervision.watches
    match message:
        case {"request": "status"}:
            return _status(supervision)
        case {"request": "add-platform"}:
            if supervision.platform:
                raise Trouble(f"The platform in {supervision.home.path} is already running (process {os.getpid()}).")
            _add_platform(supervision)
        case {"request": "hold", "name": str(name)} if name in watches:
            watches[name].wanted.clear()
            await end(watches[name])
        case {"request": "release", "name": str(name)} if name in watches:
            watches[name].failures = 0
            watches[name].wanted.set()
        case {"request": "run-job", "name": str(name)} if supervision.schedule and name in supervision.values.jobs:
            return {"status": await supervision.schedule.run_now(name)}
        case {"name": str(name)}:
            known = [*watches, *supervision.values.jobs]
            raise Trouble(f"The platform has no process or job {name!r}; it has {', '.join(known)}.")
        case _:
            raise Trouble("The supervisor does not know this request.")
    return {}


def _ready(supervision: Supervision) -> bool:
    return all(watch.ready.is_set() for watch in supervision.watches.values())


def _status(supervision: Supervision) -> control.Message:
    watches = supervision.watches
    return {
        "pid": os.getpid(),
        "started_at": supervision.started_at,
        "platform": supervision.platform,
        "ready": _ready(supervision),
        "stack": _stack(supervision),
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


def _stack(supervision: Supervision) -> control.Message:
    """The content of stack.json; what does not run is null."""
    home, chosen = supervision.home, supervision.ports

    def dsns(server: str) -> dict[str, str]:
        return {context: postgres_dsn(home, chosen, context, server) for context in supervision.values.contexts}

    gateway = f"http://127.0.0.1:{chosen['gateway']}" if supervision.platform else None
    return {
        "gateway": gateway,
        "studio": f"{gateway}/studio/" if gateway and (WEB / "index.html").exists() else None,
        "identity": supervision.issuer.url,
        "s3": s3_access(home, chosen),
        "kafka": f"127.0.0.1:{chosen['kafka']}",
        "postgres": dsns("postgres"),
        **({"replica": dsns("replica")} if "replica" in chosen else {}),
        "otlp": None,
        "processes": {"supervisor": os.getpid()}
        | {name: watch.pid for name, watch in supervision.watches.items() if watch.pid},
    }
