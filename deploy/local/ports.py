"""Which TCP ports of 127.0.0.1 a home uses: a block that no other home has, kept for the next start, or what the
caller sets."""

import json
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.home import Trouble, write_json

# Below the range from which the kernel takes ports for outgoing connections (32,768 and up), which could otherwise
# hold one of ours when we start; 10,000 more is below it too, which SeaweedFS's admin wants.
_FIRST, _LAST, _BLOCK = 20_000, 22_700, 50

_LOCK = "supervisor"
"""The first port of a block. The supervisor holds it, so that two homes which start at once never choose the same."""


def variable(name: str) -> str:
    """The environment variable that sets a port: `gateway` is NEXTPLAY_LOCAL_GATEWAY_PORT."""
    return f"NEXTPLAY_LOCAL_{name.upper().replace('-', '_')}_PORT"


@contextmanager
def reserve(file: Path, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """The port of each name, written to `file`; other homes keep off them inside the block.

    The ports of the last time are taken again where they are free. One that the caller set and that is taken raises
    `Trouble`.
    """
    kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    wanted = {name: port for name in names if (port := _wanted(name))}
    for name, port in wanted.items():
        if not is_free(port):
            raise Trouble(f"Port {port}, set by {variable(name)} for {name}, is in use by another program.")
    others = [name for name in names if name not in wanted]
    starts = list(range(_FIRST, _LAST, _BLOCK))
    random.shuffle(starts)
    for start in [kept[_LOCK], *starts] if _LOCK in kept else starts:
        with socket.socket() as lock:
            ports = {_LOCK: start} | {name: start + 1 + number for number, name in enumerate(others)} | wanted
            if _bind(lock, start) and all(is_free(ports[name]) for name in others):
                lock.listen()  # two sockets could share a port on which neither listens
                if ports != kept:
                    write_json(file, ports)
                yield ports
                return
    raise Trouble(f"No {_BLOCK} free TCP ports in a row were found between {_FIRST} and {_LAST} of 127.0.0.1.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection of our last run that lingers in TIME_WAIT does not keep a server from binding.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bind(probe, port)


def _bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _wanted(name: str) -> int:
    value = os.environ.get(variable(name), "")
    if not value:
        return 0
    if not value.isdecimal() or not 1 <= int(value) <= 65_535:
        raise Trouble(f"{variable(name)} is {value!r}, and a port is a number from 1 to 65535.")
    return int(value)
