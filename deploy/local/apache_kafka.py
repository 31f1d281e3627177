"""Apache Kafka 4 as the broker of the local platform: one node, KRaft, three partitions of each topic at least.

It is a Java program; Maven fetches its jars, the versions of which stand in kafka/pom.xml, into the cache beside the
sample clip.
"""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from deploy.local.home import ROOT, Home, Trouble
from deploy.local.process import Process
from deploy.local.readiness import accepts

PARTITIONS = 3
CONTROLLER = "kafka-controller"
"""The port by which a home has Apache Kafka."""

_HERE = Path(__file__).with_name("kafka")
_JARS = ROOT / ".cache" / "kafka"
_FETCH_SECONDS = 600
_HEAP = ("-Xms64m", "-Xmx320m")


def require_java() -> None:
    """Raises `Trouble` where something is missing that Apache Kafka needs."""
    missing = [program for program in ("java", "mvn") if not shutil.which(program)]
    if missing:
        raise Trouble(
            f"Apache Kafka needs a Java runtime (17 or newer) and Maven, and {' and '.join(missing)} "
            f"{'was' if len(missing) == 1 else 'were'} not found on the PATH. Install them (on Debian: apt-get install "
            "openjdk-17-jre-headless maven), or start without KAFKA=apache."
        )


def apache_kafka(home: Home, ports: Mapping[str, int], set_up: list[str]) -> list[Process]:
    """The step that prepares its files, `set_up`, and the broker."""
    command = ["java", *_HEAP, f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}", "-cp", f"{_JARS}/*"]
    return [
        Process("kafka-files", set_up),
        Process(
            "kafka",
            [*command, "kafka.Kafka", str(_settings_file(home))],
            ready=accepts(ports["kafka"]),
            waits_for=["kafka-files"],
        ),
    ]


def prepare(home: Home, ports: Mapping[str, int]) -> None:
    """Fetches the jars where they are missing, and makes the directory of the log, complete or not at all."""
    _fetch()
    data = home.data / "apache-kafka"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports[CONTROLLER]}",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports['kafka']},CONTROLLER://127.0.0.1:{ports[CONTROLLER]}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports['kafka']}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 3,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    file = _settings_file(home)
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    if not (data / "meta.properties").exists():
        shutil.rmtree(data, ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        format_log = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(file)]
        _run(["java", "-Xmx128m", "-cp", f"{_JARS}/*", *format_log], "make the directory of its log")


def _fetch() -> None:
    """Complete or not at all, and anew when the versions change."""
    wanted = (_HERE / "pom.xml").read_text()
    if (_JARS / "pom.xml").exists() and (_JARS / "pom.xml").read_text() == wanted:
        return
    unfinished = _JARS.with_name("kafka.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pom = ["-f", str(_HERE / "pom.xml"), f"-DoutputDirectory={unfinished}"]
    _run(["mvn", "-q", "-B", "dependency:copy-dependencies", *pom], "be fetched by Maven")
    shutil.copy2(_HERE / "pom.xml", unfinished)
    shutil.rmtree(_JARS, ignore_errors=True)
    unfinished.rename(_JARS)


def _run(command: list[str], purpose: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    if done.returncode:
        raise Trouble(f"Apache Kafka could not {purpose}: {(done.stderr or done.stdout).strip()[-500:]}")


def _settings_file(home: Home) -> Path:
    return home.path / "kafka.properties"
