"""Each layer of the sandbox against programs that try to get out: alone, all together, and, to show that the attacks
are ones, without any.
"""

import ctypes
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.media.sandbox import LAYERS, PYTHON, Layer, Limits, NotConfined, Offer, confined, offer

LIMITS = Limits(wall_seconds=60, cpu_seconds=20, memory_bytes=1024**3, file_bytes=1024**2)


@dataclass(frozen=True)
class Outside:
    """What an attacker would like to reach. `visited` are the listeners that somebody came to."""

    directory: Path
    victim: subprocess.Popen[bytes]
    listeners: dict[str, socket.socket]

    @property
    def visited(self) -> list[str]:
        return [name for name, listener in self.listeners.items() if _has_visitor(listener)]

    def names(self) -> dict[str, object]:
        """What the attacks call these things."""
        return {
            "secret": str(self.directory / "secret"),
            "directory": str(self.directory),
            "library": str(self.directory / "readable" / "library"),
            "tcp": self.listeners["tcp"].getsockname(),
            "udp": self.listeners["udp"].getsockname(),
            "unix": self.listeners["unix"].getsockname(),
            "abstract": self.listeners["abstract"].getsockname(),
            "victim": self.victim.pid,
            "worker": os.getpid(),
        }


def _has_visitor(listener: socket.socket) -> bool:
    try:
        if listener.type is socket.SOCK_DGRAM:
            listener.recv(16)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    directory = tmp_path / "outside"
    (directory / "readable").mkdir(parents=True)
    (directory / "secret").write_text("very secret")
    (directory / "readable" / "library").write_text("code")
    with ExitStack() as opened:
        kinds = {
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(directory / "socket")),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0nextplay-test-{os.getpid()}"),
        }
        listeners: dict[str, socket.socket] = {}
        for name, (family, kind, address) in kinds.items():
            listener = opened.enter_context(socket.socket(family, kind))
            listener.bind(address)
            if kind is socket.SOCK_STREAM:
                listener.listen()
            listener.setblocking(False)
            listeners[name] = listener
        victim = opened.enter_context(_victim())
        yield Outside(directory, victim, listeners)


@contextmanager
def _victim() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True)
class Attack:
    """A program that raises OSError if it is kept out, and the layers that keep it out, each by itself.

    `alone`: it becomes another program, so that nothing can follow it. `landlock`: the first version of Landlock that
    keeps it out.
    """

    program: str
    stopped_by: tuple[Layer, ...]
    alone: bool = False
    landlock: int = 1

    def is_stopped_by(self, layer: Layer) -> bool:
        """Whether the layer keeps it out on this kernel."""
        return layer in self.stopped_by and (layer != "landlock" or self.landlock <= LANDLOCK_VERSION)


LANDLOCK_VERSION = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)
"""Of this kernel: from the fourth on it refuses TCP, from the sixth on signals and abstract sockets too."""
NUMBERS = {
    "x86_64": {"unshare": 272, "io_uring_setup": 425, "keyctl": 250, "memfd_create": 319, "ptrace": 101},
    "aarch64": {"unshare": 97, "io_uring_setup": 425, "keyctl": 219, "memfd_create": 279, "ptrace": 117},
}[platform.machine()]
ALL = ("namespaces", "landlock", "seccomp")
FILES = ("namespaces", "landlock")
CONNECT = "import socket; socket.socket(socket.AF_{family}, socket.SOCK_STREAM).connect({name})"
LIST = "import os\nif 'secret' not in os.listdir(directory): raise FileNotFoundError(directory)"
NOTICE = """
import fcntl, os
read_end, write_end = os.pipe()
fcntl.fcntl(read_end, fcntl.F_SETOWN, victim)
fcntl.fcntl(read_end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
os.write(write_end, b"x")
"""
OWN = "import os; open('own', 'w').write('#!/bin/true'); os.chmod('own', 0o700); os.execv('./own', ['own'])"


def call(name: str, *arguments: str) -> str:
    """A system call that has no function in Python."""
    return (
        "import ctypes\n"
        f"if ctypes.CDLL(None, use_errno=True).syscall({', '.join((str(NUMBERS[name]), *arguments))}) < 0:\n"
        "    raise OSError(ctypes.get_errno(), 'refused')"
    )


ATTACKS: Mapping[str, Attack] = {
    "reads a file": Attack("open(secret).read()", FILES),
    "reads a file of the system's": Attack("open('/etc/passwd').read()", FILES),
    "lists a directory": Attack(LIST, FILES),
    "writes a file": Attack("open(directory + '/planted', 'w').write('x')", FILES),
    "changes what it may read": Attack("open(library, 'w').write('x')", FILES),
    "follows its own link": Attack("import os; os.symlink(secret, 'link'); open('link').read()", ALL),
    "removes a file": Attack("import os; os.unlink(secret)", FILES),
    "connects by TCP": Attack(CONNECT.format(family="INET", name="tcp"), ALL, landlock=4),
    "sends by UDP": Attack(
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', udp)", ("namespaces", "seccomp")
    ),
    "listens": Attack(
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()", ("landlock", "seccomp"), landlock=4
    ),
    "connects to a socket among the files": Attack(
        CONNECT.format(family="UNIX", name="unix"), ("namespaces", "seccomp")
    ),
    "connects to a socket without a file": Attack(CONNECT.format(family="UNIX", name="abstract"), ALL, landlock=6),
    "kills another process": Attack("import os; os.kill(victim, 9)", ALL, landlock=6),
    "has the kernel signal another process": Attack(NOTICE, ("namespaces", "seccomp")),
    "starts a process": Attack("import os\nif os.fork() == 0: os._exit(0)", ("seccomp",)),
    "asks for io_uring": Attack(call("io_uring_setup", "8", "ctypes.create_string_buffer(120)"), ("seccomp",)),
    "asks for a key ring": Attack(call("keyctl", "0", "-3", "1"), ("seccomp",)),
    "makes a file without a name": Attack(call("memfd_create", "b'x'", "0"), ("seccomp",)),
    "makes namespaces of its own": Attack(call("unshare", "0x10000000"), ("seccomp",)),
    "runs another program": Attack("import os; os.execv('/bin/true', ['true'])", FILES, alone=True),
    "runs what it wrote": Attack(OWN, ALL, alone=True),
}
TOGETHER = tuple(name for name, attack in ATTACKS.items() if not attack.alone)
ALONE = tuple(name for name, attack in ATTACKS.items() if attack.alone)

PROGRAM = """
import json
results = {}
for name, program in json.loads(attacks).items():
    try:
        exec(program)
        results[name] = "got in"
    except OSError as error:
        results[name] = f"kept out: {error}"
print(json.dumps(results))
"""


async def launch(
    attacks: Mapping[str, str], outside: Outside, layers: frozenset[Layer] | None, limits: Limits = LIMITS
) -> dict[str, str]:
    """What became of the attacks; nothing, where one of them ended the program with success."""
    inside = outside.directory.parent / "inside"
    inside.mkdir(exist_ok=True)
    names = {**outside.names(), "attacks": json.dumps(attacks)}
    program = "\n".join(f"{name} = {value!r}" for name, value in names.items()) + PROGRAM
    command = [sys.executable, "-I", "-S", "-c", program]
    readable = (*PYTHON, outside.directory / "readable")
    async with confined(command, directory=inside, limits=limits, readable=readable, layers=layers) as child:
        said = await child.stdout.read()
        code = await child.ended()
    assert code == 0, child.complaints
    return dict(json.loads(said)) if said else {}


def programs(*names: str) -> dict[str, str]:
    return {name: ATTACKS[name].program for name in names}


def needs(*layers: Layer) -> None:
    """Skip where the machine does not offer a layer, with the reason."""
    for layer in layers:
        if layer in offer().missing:
            pytest.skip(f"this machine does not offer {layer}: {offer().missing[layer]}")


def kept_out(results: Mapping[str, str]) -> set[str]:
    return {name for name, result in results.items() if result.startswith("kept out")}


def unharmed(outside: Outside) -> bool:
    return (
        sorted(path.name for path in outside.directory.iterdir()) == ["readable", "secret", "socket"]
        and (outside.directory / "readable" / "library").read_text() == "code"
        and outside.victim.poll() is None
        and not outside.visited
    )


@pytest.mark.parametrize("layer", sorted(LAYERS))
async def test_a_layer_keeps_its_attacks_out_by_itself(layer: Layer, outside: Outside) -> None:
    needs(layer)
    mine = [name for name in TOGETHER if ATTACKS[name].is_stopped_by(layer)]
    assert kept_out(await launch(programs(*mine), outside, frozenset({layer}))) == set(mine)
    assert unharmed(outside)


@pytest.mark.parametrize(
    ("attack", "layer"), [(name, layer) for name in ALONE for layer in sorted(ATTACKS[name].stopped_by)]
)
async def test_a_layer_lets_no_other_program_run(attack: str, layer: Layer, outside: Outside) -> None:
    needs(layer)
    assert kept_out(await launch(programs(attack), outside, frozenset({layer}))) == {attack}


async def test_what_the_machine_offers_keeps_every_attack_out(outside: Outside) -> None:
    needs(*LAYERS)
    assert kept_out(await launch(programs(*ATTACKS), outside, None)) == set(ATTACKS)
    assert unharmed(outside)


async def test_without_layers_the_attacks_succeed(outside: Outside) -> None:
    """Or they would prove nothing."""
    assert kept_out(await launch(programs(*TOGETHER), outside, frozenset())) == set()
    assert sorted(outside.visited) == ["abstract", "tcp", "udp", "unix"]
    assert outside.victim.wait(10) == -signal.SIGKILL
    for attack in ALONE:
        assert await launch(programs(attack), outside, frozenset()) == {}


@pytest.mark.parametrize("layers", [frozenset(), *(frozenset({layer}) for layer in sorted(LAYERS))], ids=str)
async def test_nobody_is_traced(layers: frozenset[Layer], outside: Outside) -> None:
    """Not even without layers: the program has no privilege, and a worker that has one is out of its reach."""
    needs(*layers)
    attacks = {
        "traces": call("ptrace", "16", "victim", "0", "0"),
        "reads the environment": "open(f'/proc/{worker}/environ').read()",
    }
    if not layers and os.geteuid() != 0:
        pytest.skip("the worker has no privilege itself, so that its own user's processes may trace each other")
    assert kept_out(await launch(attacks, outside, layers)) == set(attacks)


@pytest.mark.parametrize("layer", ["namespaces", "seccomp"])
async def test_threads_and_processes_are_bounded(layer: Layer, outside: Outside) -> None:
    needs(layer)
    bomb = """
import os, time
for number in range(1000):
    if os.fork() == 0: time.sleep(30); os._exit(0)
"""
    limits = replace(LIMITS, wall_seconds=30)
    assert kept_out(await launch({"starts a thousand processes": bomb}, outside, frozenset({layer}), limits))


async def test_a_program_without_layers_has_no_privilege(outside: Outside) -> None:
    inside = outside.directory.parent
    command = [sys.executable, "-I", "-S", "-c", "print(open('/proc/self/status').read())"]
    async with confined(command, directory=inside, limits=LIMITS, readable=PYTHON, layers=frozenset()) as child:
        status = dict(line.split(":\t", 1) for line in (await child.stdout.read()).decode().splitlines() if line)
    sets = [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    assert (status["NoNewPrivs"], {int(held, 16) for held in sets if held}) == ("1", {0})


async def test_a_required_layer_that_is_missing_is_named_with_its_reason() -> None:
    found = Offer(frozenset({"seccomp"}), {"landlock": "Landlock: Operation not supported"})
    found.require(["seccomp"])
    with pytest.raises(NotConfined, match=r"landlock \(Landlock: Operation not supported\)"):
        found.require(["seccomp", "landlock"])


async def test_a_layer_that_fails_lets_nothing_run(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("seccomp")
    monkeypatch.setattr("services.media.sandbox._system_calls", lambda: b"no program")
    with pytest.raises(NotConfined, match="seccomp filter"):
        await launch(programs("reads a file"), outside, frozenset({"seccomp"}))
