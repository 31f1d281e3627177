"""The local stack survives what happens on a developer's machine: kills, second starts, taken ports, full disks."""

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aioboto3
import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.home import ROOT, Trouble, open_home, supervisor_pid
from deploy.local.lifecycle import start, stop
from deploy.local.process import remains_of
from deploy.local.stack import Stack, attach

TOPIC = "nextplay.analytics.v1"
INFRASTRUCTURE = ("postgres", "s3", "kafka")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home whose stack these tests may kill."""
    with TemporaryDirectory(prefix="nextplay-kill-") as directory:
        yield Path(directory)
        stop(Path(directory))


@pytest.fixture
def running(home: Path) -> Stack:
    """The stack of `home`, started where the test before left it stopped."""
    if supervisor_pid(home) is None:
        start(home, only_infrastructure=True, with_parent=True)
    return attach(home)


async def test_data_survives_the_kill_of_everything_at_once(running: Stack, home: Path) -> None:
    await remember(running, "before the kill")
    pids = running.addresses["processes"]

    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: supervisor_pid(home) is None)
    start(home, only_infrastructure=True, with_parent=True)

    assert await remembered(attach(home)) == "before the kill"


async def test_nothing_outlives_a_killed_supervisor(running: Stack, home: Path) -> None:
    await remember(running, "before the supervisor's kill")

    os.kill(running.addresses["processes"]["supervisor"], signal.SIGKILL)

    eventually(lambda: not remains_of(home))
    start(home, only_infrastructure=True, with_parent=True)
    assert await remembered(attach(home)) == "before the supervisor's kill"


@pytest.mark.parametrize("name", INFRASTRUCTURE)
async def test_a_killed_process_is_started_again_with_its_data(running: Stack, name: str) -> None:
    await remember(running, f"before {name} was killed")
    killed = running.pid(name)

    running.kill(name)
    running.wait_ready(name, other_than=killed)

    assert await remembered(running) == f"before {name} was killed"


def test_what_a_crash_left_running_is_ended_by_the_next_start(running: Stack, home: Path) -> None:
    stop(home)
    marked = {**os.environ, "NEXTPLAY_LOCAL_HOME": str(home.resolve())}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=marked) as orphan:
        eventually(lambda: bool(remains_of(home)))

        start(home, only_infrastructure=True, with_parent=True)

        assert orphan.wait(timeout=5) == -signal.SIGKILL


def test_a_second_start_says_that_it_already_runs(running: Stack, home: Path) -> None:
    with pytest.raises(Trouble, match=rf"already running \(process {supervisor_pid(home)}\)"):
        start(home, only_infrastructure=True)

    second = command("up", "--only", "infrastructure", home=home)

    assert second.returncode == 0
    assert second.stdout.startswith(f"The platform is already running (process {supervisor_pid(home)}, since ")
    assert running.status["ready"]
    with_replica = command("up", "--replica", home=home)
    assert with_replica.returncode == 1
    assert "It has no replica" in with_replica.stderr


def test_the_status_begins_with_one_line_for_everything(running: Stack, home: Path) -> None:
    assert command("status", home=home).stdout.startswith("The infrastructure is ready.\n")
    running.hold("kafka")
    try:
        shown = command("status", home=home).stdout
    finally:
        running.release("kafka")
    assert shown.startswith("The infrastructure is not ready: waiting for kafka.\n")


def test_cleaning_up_says_what_it_did(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_home(home)

    assert command("clean", home=home).stdout == f"Removed {home.resolve()} with its data.\n"
    assert command("clean", home=home).stdout == f"There is nothing to remove: {home.resolve()} does not exist.\n"


def test_a_clean_stop_leaves_nothing_running(running: Stack, home: Path) -> None:
    ports = running.ports

    assert command("down", home=home).stdout == "Stopped.\n"

    assert not remains_of(home)
    assert supervisor_pid(home) is None
    assert not (home / "stack.json").exists()
    for name in INFRASTRUCTURE:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[name]), timeout=1)
    assert command("down", home=home).stdout == f"Nothing runs in {home.resolve()}.\n"


def test_a_restart_keeps_the_ports_and_the_keys(running: Stack, home: Path) -> None:
    before = {name: value for name, value in running.addresses.items() if name != "processes"}
    stop(home)

    start(home, only_infrastructure=True, with_parent=True)

    assert {name: value for name, value in attach(home).addresses.items() if name != "processes"} == before


def test_stack_json_is_for_its_owner_alone_and_names_every_process(running: Stack, home: Path) -> None:
    file = home / "stack.json"
    described = json.loads(file.read_text())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert described.keys() == {
        *("gateway", "studio", "identity", "s3", "kafka", "postgres", "otlp", "processes"),
    }
    assert described["studio"] is described["gateway"] is None  # there is infrastructure alone
    assert described["s3"].keys() == {"endpoint", "access_key", "secret_key", "bucket", "region"}
    assert described["postgres"].keys() == {"upload", "media", "catalog", "notify"}
    for name, pid in described["processes"].items():
        assert psutil.pid_exists(pid), name


def test_everything_listens_on_this_machine_alone(running: Stack) -> None:
    for name, pid in running.addresses["processes"].items():
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1", name


def test_a_process_that_keeps_dying_is_told_with_its_log(running: Stack, home: Path) -> None:
    stop(home)
    version = home / "data" / "postgres" / "PG_VERSION"
    real = version.read_text()
    version.write_text("9.6\n")
    try:
        with pytest.raises(
            Trouble, match=r"postgres ended 3 times in a row, last with status 1; read \S+/postgres.log"
        ):
            start(home, only_infrastructure=True, with_parent=True)
    finally:
        version.write_text(real)

    assert not remains_of(home)


def test_a_taken_port_that_was_asked_for_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = command("up", "--only", "infrastructure", home=tmp_path, NEXTPLAY_LOCAL_POSTGRES_PORT=str(port))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Port {port}, set by NEXTPLAY_LOCAL_POSTGRES_PORT for postgres, is in use by another program.\n"
    )
    assert not remains_of(tmp_path)


def test_a_port_that_is_no_number_is_named(tmp_path: Path) -> None:
    refused = command("up", "--only", "infrastructure", home=tmp_path, NEXTPLAY_LOCAL_S3_PORT="eighty")

    assert refused.stderr == "NEXTPLAY_LOCAL_S3_PORT is 'eighty', and a port is a number from 1 to 65535.\n"


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=12_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(Trouble, match="has 12 MB free, and the platform needs at least 500 MB"):
        open_home(tmp_path / "home")


def test_a_home_whose_path_is_too_long_for_the_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="choose a shorter one with --home"):
        open_home(tmp_path / ("long" * 30))


def test_a_clip_that_does_not_exist_is_told_before_anything_starts(tmp_path: Path) -> None:
    refused = command("run", "--clip", "missing.mp4", home=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr == "The clip missing.mp4 does not exist or is not a file.\n"
    assert not remains_of(tmp_path)


@pytest.mark.parametrize(("name", "size", "said"), [("clip.avi", 10, "ends with .avi"), ("clip.mp4", 0, "has 0 bytes")])
def test_a_clip_that_no_upload_takes_is_told_before_anything_starts(
    tmp_path: Path, name: str, size: int, said: str
) -> None:
    clip = tmp_path / name
    clip.write_bytes(bytes(size))

    refused = command("run", "--clip", str(clip), home=tmp_path / "home")

    assert refused.returncode == 1
    assert said in refused.stderr
    assert not (tmp_path / "home").exists()


def test_a_machine_without_a_fitting_python_is_told_what_to_install(tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "local" / "install.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "local" / "install.sh", script)

    refused = subprocess.run(
        [script], env={**os.environ, "PYTHON": "/bin/false"}, capture_output=True, text=True, timeout=30, check=False
    )

    assert refused.returncode == 1
    assert refused.stderr.startswith("NextPlay needs Python 3.11 or newer, and none was found on the PATH;")


async def remember(stack: Stack, word: str) -> None:
    """Writes a word to PostgreSQL, S3 and Kafka; each has acknowledged it when this returns."""
    connection = await asyncpg.connect(stack.dsn("postgres"), timeout=10)
    await connection.execute("CREATE TABLE IF NOT EXISTS remembered (word text)")
    await connection.execute("INSERT INTO remembered VALUES ($1)", word)
    await connection.close()
    async with s3_client(stack) as client:
        await client.put_object(Bucket=stack.s3["bucket"], Key="remembered", Body=word.encode())
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, acks="all", enable_idempotence=False)
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, word.encode(), partition=0)
    finally:
        await producer.stop()


async def remembered(stack: Stack) -> str:
    """The last word, which all three must agree on."""
    connection = await asyncpg.connect(stack.dsn("postgres"), timeout=10)
    rows = [row["word"] for row in await connection.fetch("SELECT word FROM remembered")]
    await connection.close()
    async with s3_client(stack) as client:
        reply = await client.get_object(Bucket=stack.s3["bucket"], Key="remembered")
        stored: str = (await reply["Body"].read()).decode()
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, end - 1)
        record = await asyncio.wait_for(consumer.getone(partition), timeout=10)
    finally:
        await consumer.stop()
    assert stored in rows
    assert record.value == stored.encode()
    return stored


def s3_client(stack: Stack) -> AbstractAsyncContextManager[Any]:
    s3 = stack.s3
    session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
    return session.client("s3", endpoint_url=s3["endpoint"])


def command(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line, as `make` calls it."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments, "--home", str(home)],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
