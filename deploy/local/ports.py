"""Which TCP ports of 127.0.0.1 a home uses: chosen free, kept for the next start, or set by the caller.

Which names have one tells of what the platform consists: a replica, Apache Kafka, more instances than one.
"""

import json
import os
import random
import socket
from collections.abc import Collection, Iterable
from pathlib import Path

from deploy.local.home import Trouble, write_json

_FIRST, _LAST = 20_000, 22_700
"""Below the range from which the kernel takes ports for outgoing connections (32,768 and up), which could otherwise
hold one of ours when we start; 10,000 more is below it too, which SeaweedFS's admin wants."""


def variable(name: str) -> str:
    """The environment variable that sets a port: `gateway` is NEXTPLAY_LOCAL_GATEWAY_PORT."""
    return f"NEXTPLAY_LOCAL_{name.upper().replace('-', '_')}_PORT"


def choose(file: Path, names: Iterable[str]) -> dict[str, int]:
    """The port of each name. A kept port that someone else took meanwhile is replaced; a port that the caller set
    and that is taken raises `Trouble`."""
    kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    ports = {name: _wanted(name) or kept.get(name, 0) for name in names}
    taken = set(ports.values())
    for name, port in ports.items():
        if _wanted(name) and not is_free(port):
            raise Trouble(f"Port {port}, set by {variable(name)} for {name}, is in use by another program.")
        if not port or not is_free(port):
            ports[name] = free_port(taken)
            taken.add(ports[name])
    if ports != kept:
        write_json(file, ports)
    return ports


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection of our last run that lingers in TIME_WAIT does not keep a server from binding.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


def free_port(taken: Collection[int] = ()) -> int:
    """One that nobody binds, and none of `taken`."""
    candidates = random.sample(range(_FIRST, _LAST), k=_LAST - _FIRST)
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise Trouble(f"No TCP port between {_FIRST} and {_LAST} of 127.0.0.1 is free.")
