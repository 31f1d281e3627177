"""The directory that holds one local platform: its data, keys, ports, logs and what runs in it."""

import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: what child processes run in."""

DEFAULT_HOME = ROOT / ".nextplay"

NEEDED_DISK_BYTES = 500_000_000

_SOCKET_PATH_LIMIT = 100


class Trouble(Exception):
    """What keeps the platform from running, in one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Home:
    """Paths inside one home, and the keys that were made for it. `open_home` makes the directories."""

    path: Path
    keys: Mapping[str, str]

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def tokens(self) -> Path:
        """One file `<service>.jwt` per service, renewed by the supervisor."""
        return self.path / "tokens"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def lock_file(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    def log_of(self, process: str) -> Path:
        return self.logs / f"{process}.log"


def open_home(path: Path) -> Home:
    """Makes the directories and keys where they are missing; keys of an existing home stay."""
    path = path.resolve()
    if len(str(path)) > _SOCKET_PATH_LIMIT - len("/control.sock"):
        raise Trouble(
            f"The path {path} has {len(str(path))} characters, and the supervisor's socket allows "
            f"{_SOCKET_PATH_LIMIT - len('/control.sock')}; choose a shorter one with --home."
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(stat.S_IRWXU)
        check_disk(path)
        for name in ("logs", "data", "tokens"):
            (path / name).mkdir(exist_ok=True)
        return Home(path, _keys(path / "keys.json"))
    except OSError as error:
        raise Trouble(f"The platform's directory {path} cannot be used: {error.strerror}.") from error


def check_disk(path: Path) -> None:
    """Raises `Trouble` when the file system of `path` has too little room to start with."""
    free = shutil.disk_usage(path).free
    if free < NEEDED_DISK_BYTES:
        raise Trouble(
            f"The disk that holds {path} has {free / 1e6:.0f} MB free, and the platform needs at least "
            f"{NEEDED_DISK_BYTES / 1e6:.0f} MB; free some space or choose another disk with --home."
        )


def replace(path: Path, content: bytes) -> None:
    """Writes the file in one step, so that nobody ever sees half of it; only the owner may read it."""
    beside = path.with_suffix(f".{os.getpid()}.new")
    beside.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
    beside.write_bytes(content)
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """As `replace`."""
    replace(path, f"{json.dumps(value, indent=2)}\n".encode())


def _keys(path: Path) -> dict[str, str]:
    """Passwords, S3 keys and keys of tokens: random, made once, so that earlier data stays readable."""
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    roles = [f"{context}{suffix}" for context in ("upload", "media", "catalog", "notify") for suffix in ("", "_owner")]
    wanted = {f"postgres:{role}": 24 for role in ("postgres", "replica", *roles)} | {
        "playback": 32,
        "page-token": 32,
        "vapid": 32,
        "webhook": 32,
    }
    for identity in ("admin", "nextplay", "kafka", "upload", "media", "catalog"):
        wanted |= {f"s3:{identity}:access": 10, f"s3:{identity}:secret": 20}
    missing = {name: secrets.token_hex(size) for name, size in wanted.items() if name not in keys}
    if missing:
        keys |= missing
        write_json(path, keys)
    return keys


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Holds the home for one supervisor; the kernel lets go when the holder dies, however it dies."""
    with home.lock_file.open("a+") as lock:
        for attempt in range(20):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # `supervisor_pid` holds the lock for the moment in which it looks.
                if attempt == 19:
                    raise Trouble(f"The platform in {home.path} is already running.") from None
                time.sleep(0.02)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def supervisor_pid(path: Path) -> int | None:
    """The process that holds the home in `path` at this moment, or None."""
    lock_file = path / "supervisor.lock"
    if not lock_file.exists():
        return None
    with lock_file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read() or 0) or None
    return None
