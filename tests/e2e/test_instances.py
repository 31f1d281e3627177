"""Two instances of every service behind the gateway: any one may die at any time, and nobody notices."""

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.apache_kafka import PARTITIONS, READY_SECONDS
from deploy.local.lifecycle import start, stop
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from tests.conftest import BROKER
from tests.e2e.broker import EVENT_TOPICS, in_thread
from tests.e2e.conftest import MakePerson
from tests.e2e.people import becomes, until

SERVICES = ("upload", "media", "media-worker", "catalog", "notify")
INSTANCES = [instance for service in SERVICES for instance in (service, f"{service}-2")]
RELAY_SECONDS = 5.0
RELAY_LOCK = """
    SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND a.usename = $1
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Stack]:
    """A platform with two instances of everything but the gateway."""
    with tempfile.TemporaryDirectory(prefix="nextplay-two-") as directory:
        home = Path(directory)
        start(home, shape=Shape(kafka=BROKER, scale=2), with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


@contextmanager
def polling(person: "MakePerson", platform: Stack) -> Iterator[list[int]]:
    """Somebody who lists videos all the time; the status of each answer."""
    statuses: list[int] = []
    reader, stopping = person("reader"), threading.Event()

    def poll() -> None:
        while not stopping.is_set():
            statuses.append(reader.get("/v1/videos").status_code)
            stopping.wait(0.05)

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(poll)
        try:
            yield statuses
        finally:
            stopping.set()
            ended.result(timeout=30)


def test_calls_are_shared_between_both_instances(platform: Stack, person: MakePerson) -> None:
    reader = person("reader")

    def answered(instance: str) -> float:
        url = f"http://127.0.0.1:{platform.ports[f'{instance}-metrics']}/metrics"
        lines = httpx.get(url, timeout=10, trust_env=False).text.splitlines()
        counts = [
            line for line in lines if line.startswith("rpc_server_duration_seconds_count") and "ListVideos" in line
        ]
        return sum(float(line.rpartition(" ")[2]) for line in counts)

    def ask() -> None:
        assert reader.get("/v1/videos").status_code == 200

    def both() -> tuple[float, float] | None:
        ask()
        counts = answered("catalog"), answered("catalog-2")
        return counts if all(counts) else None

    # The gateway is ready with one connection; the other may come a moment later.
    before = until(both, seconds=30, what="a call at each instance")
    for _ in range(20):
        ask()
    until(
        lambda: (answered("catalog") - before[0] >= 9 and answered("catalog-2") - before[1] >= 9) or None,
        seconds=10,
        what="half of twenty calls at each instance",
    )


@pytest.mark.parametrize(
    "instances", [pytest.param(SERVICES, id="the first"), pytest.param(INSTANCES, id="all", marks=pytest.mark.long)]
)
def test_a_clip_gets_through_whichever_instance_dies_meanwhile(
    platform: Stack, person: MakePerson, clip: Path, instances: Sequence[str]
) -> None:
    # Ten uploads an hour is what one user may start, and there are ten instances.
    alice, bob = person("alice", "paid"), person("bob")
    bob.put(f"/v1/users/{alice.user_id}/follow")
    with polling(person, platform) as statuses:
        for dying in instances:
            uploaded = alice.upload(clip)
            before = platform.pid(dying)
            platform.kill(dying)
            becomes(alice, uploaded.video_id, "READY", seconds=90)
            published = alice.post(f"/v1/videos/{uploaded.video_id}/publish")
            assert published.status_code == 200, f"{dying}: {published.text}"
            platform.wait_ready(dying, other_than=before)
    assert set(statuses) == {200}

    def told() -> bool | None:
        inbox = bob.get("/v1/notifications", page_size=50).json()["notifications"]
        return len({entry["video_id"] for entry in inbox}) == len(instances) == len(inbox) or None

    until(told, seconds=30, what="a notification of each publication, once")


@pytest.mark.parametrize("service", ["upload", "media", "catalog"])
def test_the_relay_of_a_schema_moves_to_another_instance(platform: Stack, service: str) -> None:
    def connection_that_relays() -> int | None:
        async def ask() -> int | None:
            connection = await asyncpg.connect(platform.dsn("postgres"), timeout=5)
            try:
                return await connection.fetchval(RELAY_LOCK, service)  # type: ignore[no-any-return]
            finally:
                await connection.close()

        return in_thread(ask())  # type: ignore[no-any-return]

    first = until(connection_that_relays, seconds=20, what="an instance that relays")
    # Workers relay what they write too.
    relaying = max((one for one in INSTANCES if one.startswith(service)), key=lambda name: last_relay(platform, name))
    platform.hold(relaying)
    try:
        until(
            lambda: now if (now := connection_that_relays()) not in (None, first) else None,
            seconds=RELAY_SECONDS,
            what=f"another instance of {service} relaying",
        )
    finally:
        platform.release(relaying)


def last_relay(platform: Stack, name: str) -> str:
    """When the instance began to relay, as its log tells; empty if it never did."""
    lines = platform.home.log_of(name).read_text().splitlines()
    return max((json.loads(line)["timestamp"] for line in lines if '"relay_started"' in line), default="")


@pytest.mark.skipif(BROKER != "apache", reason="partitions and rebalances of Apache Kafka: `make test-kafka`")
def test_topics_of_events_have_three_partitions_or_more(platform: Stack) -> None:
    async def partitions() -> dict[str, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka)
        await admin.start()
        try:
            described = await admin.describe_topics(list(EVENT_TOPICS))
            return {topic["topic"]: len(topic["partitions"]) for topic in described}
        finally:
            await admin.close()

    found = in_thread(partitions())
    assert set(found) == set(EVENT_TOPICS)
    assert min(found.values()) >= PARTITIONS


def test_a_clip_gets_through_a_restart_of_the_broker(platform: Stack, person: MakePerson, clip: Path) -> None:
    carol = person("carol")
    uploaded = carol.upload(clip)
    before, log = platform.pid("kafka"), platform.home.log_of("catalog")
    lines_before = len(log.read_text().splitlines())
    platform.kill("kafka")
    platform.wait_ready("kafka", other_than=before, seconds=READY_SECONDS)
    becomes(carol, uploaded.video_id, "READY", seconds=120)
    complaints = [json.loads(line) for line in log.read_text().splitlines()[lines_before:] if '"library_log"' in line]
    assert complaints
    said_at: dict[str, datetime] = {}
    for line in complaints:
        at, message = datetime.fromisoformat(line["timestamp"]), line["message"]
        assert at - said_at.get(message, datetime.min.replace(tzinfo=UTC)) > timedelta(seconds=9), f"again: {message}"
        said_at[message] = at
