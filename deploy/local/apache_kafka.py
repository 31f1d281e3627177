"""Apache Kafka 4 as the broker of the local platform: one node, KRaft, three partitions of each topic at least.

It is a Java program; Maven fetches its jars, the versions of which stand in kafka/pom.xml, into the cache beside the
sample clip. `python -m deploy.local.apache_kafka` sees to it that all is there, or says what is not.
"""

import base64
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.home import ROOT, Home, Trouble
from deploy.local.process import Process
from deploy.local.readiness import accepts

PARTITIONS = 3
CONTROLLER = "kafka-controller"
"""The port by which a home has Apache Kafka."""

READY_SECONDS = 180.0
"""A start takes 3 s, and a minute where others want the processors, after a kill above all."""

_HERE = Path(__file__).with_name("kafka")
_JARS = ROOT / ".cache" / "kafka"
_FETCH_SECONDS = 600
# No folder in /tmp, in which it tells how it fares; and a start for half of the processor time (2.8 instead of 5.6 s).
_JAVA = ("java", "-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{_JARS}/*")


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
    return [
        Process("kafka-files", set_up),
        Process(
            "kafka",
            broker_command(_settings_file(home)),
            ready=accepts(ports["kafka"]),
            waits_for=["kafka-files"],
            ready_seconds=READY_SECONDS,
        ),
    ]


def prepare(home: Home, ports: Mapping[str, int]) -> None:
    """Fetches the jars where they are missing, and makes the broker's files."""
    fetch()
    listeners = {"PLAINTEXT": ports["kafka"], "CONTROLLER": ports[CONTROLLER]}
    lay_out(_settings_file(home), home.data / "apache-kafka", listeners)


def broker_command(settings_file: Path) -> list[str]:
    """What runs a broker, after `lay_out`."""
    options = ("-Xms64m", "-Xmx320m", f"-Djava.io.tmpdir={settings_file.parent}")
    logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
    return [*_JAVA, *options, logging, "kafka.Kafka", str(settings_file)]


def lay_out(
    settings_file: Path,
    data: Path,
    listeners: Mapping[str, int],
    more: Mapping[str, object] | None = None,
    format_options: Sequence[str] = (),
) -> None:
    """Writes the settings of a broker, and makes the directory of its log, complete or not at all.

    `listeners` are the ports by security protocol, of clients first, and CONTROLLER; `more` are settings beside those
    that every broker here has, and `format_options` what its log knows from the beginning.
    """
    addresses = [f"{name}://127.0.0.1:{port}" for name, port in listeners.items()]
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{listeners['CONTROLLER']}",
        "listeners": ",".join(addresses),
        "advertised.listeners": addresses[0],
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in listeners
        ),
        "inter.broker.listener.name": next(iter(listeners)),
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 3,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        **(more or {}),
    }
    settings_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    if not (data / "meta.properties").exists():
        shutil.rmtree(data, ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        format_log = ["format", "--cluster-id", cluster, "--config", str(settings_file), *format_options]
        _run([*_JAVA, "-Xmx128m", "kafka.tools.StorageTool", *format_log], "make the directory of its log")


def fetch() -> None:
    """Has Maven fetch the jars where they are missing: complete or not at all, and anew when the versions change."""
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
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"Apache Kafka could not {purpose} within {_FETCH_SECONDS} seconds.") from error
    if done.returncode:
        raise Trouble(f"Apache Kafka could not {purpose}: {(done.stderr or done.stdout).strip()[-500:]}")


def _settings_file(home: Home) -> Path:
    return home.path / "kafka.properties"


def main() -> int:
    """0 where Apache Kafka can be started; 1 with the reason where it cannot."""
    try:
        require_java()
        fetch()
        _run([*_JAVA, "kafka.tools.StorageTool", "random-uuid"], "run with this Java")
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
