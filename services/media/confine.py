"""The program that stands between a worker and untrusted bytes: it gives up what the command must not have, then
becomes the command.

    python -I -S confine.py '{"parent": PID, "limits": {"RLIMIT_CPU": 60, …}}' COMMAND ARGUMENT…

The order matters: first what needs rights, then what takes them away, the command last. Layers that the kernel
offers beyond these (namespaces, file and system call rules) belong between `limits` and `exec`.

Imports the standard library only, and little of it: it starts once per probe and per encode.
"""

import ctypes
import json
import os
import resource
import signal
import sys

NOT_CONFINED = 97
"""The exit code that says that the command was not run at all."""
CPU_GRACE_SECONDS = 5
"""Between SIGXCPU, which tells what happened, and SIGKILL."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine(parent: int, limits: dict[str, int]) -> None:
    """Die with the worker, gain no privileges, stay within the limits."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl option {option} was refused")
    if os.getppid() != parent:
        raise ProcessLookupError("the worker is gone")
    os.umask(0o077)
    for name, value in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        wanted = value + CPU_GRACE_SECONDS if name == "RLIMIT_CPU" else value
        highest = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (min(value, highest), highest))


if __name__ == "__main__":
    try:
        confine(**json.loads(sys.argv[1]))
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is ours, without a shell
    except Exception as error:
        print(f"not confined: {error!r}", file=sys.stderr)  # noqa: T201
        raise SystemExit(NOT_CONFINED) from error
