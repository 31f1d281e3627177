"""`python -m deploy.local up|down|status …`: the whole platform on this machine, without Docker."""

import argparse
import json
import sys
from pathlib import Path

from deploy.local import control
from deploy.local.home import DEFAULT_HOME, Trouble, open_home, supervisor_pid


def main() -> int:
    options = _parser().parse_args()
    try:
        match options.command:
            case "up":
                return _up(options)
            case "down":
                return _down(options)
            case "status":
                return _status(options)
            case "supervise":
                from deploy.local.supervisor import supervise

                supervise(open_home(options.home), platform=not options.only, with_parent=options.with_parent)
            case "set-up":
                from deploy.local.set_up import run_step

                home = open_home(options.home)
                run_step(options.step, home, json.loads((home.path / "ports.json").read_text()))
    except Trouble as trouble:
        print(trouble, file=sys.stderr, flush=True)
        return 1
    return 0


def _up(options: argparse.Namespace) -> int:
    from deploy.local.lifecycle import start

    seen: dict[str, str] = {}

    def show(status: control.Message) -> None:
        for process in status["processes"]:
            if seen.get(process["name"]) != process["state"]:
                seen[process["name"]] = process["state"]
                print(f"{process['name']}: {process['state']}", flush=True)

    status = start(options.home, only_infrastructure=bool(options.only), progress=show)
    print(json.dumps(status["stack"], indent=2))
    return 0


def _down(options: argparse.Namespace) -> int:
    from deploy.local.lifecycle import stop

    print("Stopped." if stop(options.home) else f"Nothing runs in {options.home}.")
    return 0


def _status(options: argparse.Namespace) -> int:
    if supervisor_pid(options.home) is None:
        print(f"Nothing runs in {options.home}.")
        return 1
    print(json.dumps(control.ask(options.home, "status"), indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "up": "start in the background; returns when everything is ready",
        "down": "stop",
        "status": "what runs",
        "supervise": argparse.SUPPRESS,
        "set-up": argparse.SUPPRESS,
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--home", type=Path, default=DEFAULT_HOME, help="its directory (default: .nextplay)")
        if name in {"up", "supervise"}:
            command.add_argument("--only", choices=["infrastructure"], help="PostgreSQL, S3 and Kafka without services")
        if name == "supervise":
            command.add_argument("--with-parent", action="store_true")
        if name == "set-up":
            command.add_argument("step")
    return parser


if __name__ == "__main__":
    sys.exit(main())
