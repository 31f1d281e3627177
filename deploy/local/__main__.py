"""`python -m deploy.local up|down|run …`: the whole platform on this machine, without Docker. `make` calls it."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from deploy.local import control
from deploy.local.home import DEFAULT_HOME, Trouble, open_home, supervisor_pid
from deploy.local.shape import add_options, shape_of


def main() -> int:
    """Exit status: 0 done, 1 not (the reason is the last line on stderr), 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # lines of both keep their order in a pipe
    options.home = options.home.resolve()
    try:
        {
            "up": _up,
            "down": _down,
            "status": _status,
            "run": _run,
            "demo": _demo,
            "clean": _clean,
            "operate": _operate,
            "supervise": _supervise,
            "set-up": _set_up,
        }[options.command](options)
    except Trouble as trouble:
        print(trouble, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(options: argparse.Namespace) -> None:
    from deploy.local.lifecycle import start, wait_until_ready
    from deploy.local.run import already_runs
    from deploy.local.terminal import show_addresses, start_progress

    running = control.ask(options.home, "status") if supervisor_pid(options.home) is not None else None
    if running and options.replica and "replica" not in running["stack"]:
        raise Trouble(f"{already_runs(running)} It has no replica; start it again with `REPLICA=1 make up`.")
    if running and (running["platform"] or options.only):
        print(already_runs(wait_until_ready(options.home)))
        return
    with start_progress() as progress:
        status = start(options.home, only_infrastructure=bool(options.only), shape=shape_of(options), progress=progress)
    show_addresses(options.home, status["stack"])
    if not options.only:
        print("Next: `make demo` takes a clip through it, `make status` shows what runs, `make down` stops it.")


def _down(options: argparse.Namespace) -> None:
    from deploy.local.lifecycle import stop

    print("Stopped." if stop(options.home) else f"Nothing runs in {options.home}.")


def _status(options: argparse.Namespace) -> None:
    from deploy.local.terminal import show_addresses, show_processes, show_state

    if supervisor_pid(options.home) is None:
        print(f"Nothing runs in {options.home}.")
        return
    status = control.ask(options.home, "status")
    if options.json:
        print(json.dumps(status, indent=2))
    else:
        show_state(status)
        show_processes(status)
        show_addresses(options.home, status["stack"])


def _run(options: argparse.Namespace) -> None:
    from deploy.local.run import run

    run(options.home, options.clip, shape_of(options))


def _demo(options: argparse.Namespace) -> None:
    from deploy.local.run import demonstrate

    demonstrate(options.home, options.clip)


def _clean(options: argparse.Namespace) -> None:
    from deploy.local.lifecycle import stop
    from deploy.local.process import end_remains

    stopped = stop(options.home) or bool(end_remains(options.home))
    removed = options.home.exists()
    shutil.rmtree(options.home, ignore_errors=True)
    if options.home.exists():
        raise Trouble(f"{options.home} could not be removed whole; see what is left there, and who owns it.")
    did = " and ".join(["stopped the platform"] * stopped + [f"removed {options.home} with its data"] * removed)
    print(f"{did[0].upper()}{did[1:]}." if did else f"There is nothing to remove: {options.home} does not exist.")


def _operate(options: argparse.Namespace) -> None:
    """Becomes `python -m services.<context> …` with the settings of the platform's own processes."""
    from deploy.local.stack import attach

    if supervisor_pid(options.home) is None:
        raise Trouble(f"Nothing runs in {options.home}; start it with `make up`.")
    settings = attach(options.home).environment_beside(options.context)
    command = [sys.executable, "-m", f"services.{options.context}", *options.arguments]
    os.execve(sys.executable, command, os.environ | settings)  # noqa: S606 - our own program


def _supervise(options: argparse.Namespace) -> None:
    from deploy.local.supervisor import supervise

    home = open_home(options.home)
    supervise(home, platform=not options.only, shape=shape_of(options), with_parent=options.with_parent)


def _set_up(options: argparse.Namespace) -> None:
    from deploy.local.set_up import run_step

    home = open_home(options.home)
    run_step(options.step, home, json.loads((home.path / "ports.json").read_text()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in {
        "run": "start, take a clip through the platform, stay up until Ctrl-C",
        "up": "start in the background; returns when everything is ready",
        "down": "stop; the data stays",
        "status": "show what runs and where",
        "demo": "take a clip through the running platform or a temporary one",
        "clean": "stop and remove the data",
        "operate": "do what operators do: a context, and a command of `python -m services.<context>`",
        "supervise": "(used by up and run) own the processes",
        "set-up": "(used by the supervisor) one step of setting up the infrastructure",
    }.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--home", type=Path, default=DEFAULT_HOME, help="its directory (default: .nextplay)")
        if name in {"up", "supervise"}:
            command.add_argument("--only", choices=["infrastructure"], help="PostgreSQL, S3 and Kafka without services")
        if name in {"up", "run", "supervise"}:
            add_options(command)
        if name in {"run", "demo"}:
            command.add_argument("--clip", type=Path, help="an MP4 or MOV file (default: a sample that is made)")
        if name == "operate":
            command.add_argument("context", choices=["upload", "media", "catalog", "notify"])
            command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help="the command")
        if name == "status":
            command.add_argument("--json", action="store_true", help="everything, for programs")
        if name == "supervise":
            command.add_argument("--with-parent", action="store_true", help="stop when the caller is gone")
        if name == "set-up":
            command.add_argument("step")
    return parser


if __name__ == "__main__":
    sys.exit(main())
