"""Apache Kafka behind TLS and a password, as a cluster has it: the settings of services, and the job for topics."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import SecretStr
from secured_broker import PASSWORD, USER, SecuredBroker, secured_broker

from chassis import kafka
from chassis.errors import Unavailable
from chassis.kafka import connection_options, open_consumer, open_producer
from chassis.settings import KafkaSettings
from deploy.local.values import VALUES_FILE
from tests.conftest import BROKER

pytestmark = pytest.mark.skipif(BROKER != "apache", reason="TLS and passwords of Apache Kafka: `make test-kafka`")

TOPIC = "nextplay.upload.events.v1"
HOUR_MS = 3_600_000


@pytest_asyncio.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredBroker]:
    async with secured_broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started


@pytest.fixture(scope="module")
def values() -> Any:
    """The chart's, but for the one broker that there is instead of three."""
    read = yaml.safe_load(VALUES_FILE.read_text())
    return {"topics": read["topics"], "kafka": read["kafka"] | {"replicationFactor": 1}}


@pytest.fixture(scope="module")
def topics(broker: SecuredBroker, values: Any) -> list[str]:
    """Those that the job made."""
    ended = topics_job(broker, values, NEXTPLAY_KAFKA_SASL_PASSWORD=PASSWORD)
    assert ended.returncode == 0, ended.stderr
    return list(json.loads(ended.stdout)["created"])


def topics_job(broker: SecuredBroker, topics: Any, **more: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS": broker.servers,
        "NEXTPLAY_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "NEXTPLAY_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "NEXTPLAY_KAFKA_SASL_USERNAME": USER,
        "NEXTPLAY_KAFKA_CA": broker.ca,
        "NEXTPLAY_TOPICS": json.dumps(topics),
    }
    command = [sys.executable, "-m", "deploy.topics"]
    environment = {**os.environ, **settings, **more}
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)


async def test_what_is_sent_by_tls_with_a_password_is_received(broker: SecuredBroker, topics: list[str]) -> None:
    async with (
        open_producer(broker.settings()) as producer,
        open_consumer(broker.settings(), group_id="readers", auto_offset_reset="earliest") as consumer,
    ):
        consumer.subscribe([TOPIC])
        await producer.send_and_wait(TOPIC, b"sent", key=b"a")
        async with asyncio.timeout(30):
            record = await consumer.getone()
        await consumer.commit()
    assert (record.key, record.value) == (b"a", b"sent")


WRONG: list[tuple[str, Callable[[SecuredBroker], dict[str, object]], str]] = [
    ("password", lambda _: {"sasl_password": SecretStr("wrong")}, "refuses the user nextplay by SCRAM-SHA-512"),
    ("user", lambda _: {"sasl_username": "nobody"}, "refuses the user nobody by SCRAM-SHA-512"),
    ("mechanism", lambda _: {"sasl_mechanism": "PLAIN"}, "refuses the user nextplay by PLAIN"),
    ("authority", lambda broker: {"ca": broker.other_ca}, "has a certificate that is not trusted"),
    ("trust", lambda _: {"ca": None}, "has a certificate that is not trusted"),
    ("protocol", lambda _: {"security_protocol": "PLAINTEXT"}, "does not speak PLAINTEXT"),
]


@pytest.mark.parametrize(("change", "sentence"), [pytest.param(*wrong[1:], id=wrong[0]) for wrong in WRONG])
async def test_a_wrong_setting_is_told_by_its_sentence(
    broker: SecuredBroker, change: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "START_SECONDS", 0.5)
    with pytest.raises(Unavailable) as told:
        async with open_producer(broker.settings(**change(broker))):
            pass
    assert f"{broker.servers} {sentence}" in str(told.value)
    assert "NEXTPLAY_KAFKA_" in str(told.value)
    assert "wrong" not in str(told.value)


def test_the_job_that_makes_the_topics_tells_why_it_was_refused(broker: SecuredBroker, values: Any) -> None:
    ended = topics_job(broker, values, NEXTPLAY_KAFKA_SASL_PASSWORD="wrong")
    assert ended.returncode == 1
    assert "refuses the user nextplay by SCRAM-SHA-512" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_the_topics_have_the_settings_of_the_values(
    broker: SecuredBroker, topics: list[str], values: Any
) -> None:
    keeping = values["kafka"]
    expected = {}
    for topic in values["topics"]:
        hours = topic.get("retentionHours", keeping["retentionHours"])
        expected[topic["name"]] = (topic["partitions"], hours)
        if topic["deadLetters"]:
            expected[f"{topic['name']}.dlq"] = (1, 4 * hours)

    described = await _described(broker.settings(), topics)

    assert described == {
        name: (partitions, str(hours * HOUR_MS), str(keeping["minInsyncReplicas"]))
        for name, (partitions, hours) in expected.items()
    }


async def _described(settings: KafkaSettings, topics: list[str]) -> dict[str, tuple[int, str, str]]:
    """Of each topic its partitions, `retention.ms` and `min.insync.replicas`, as the broker has them."""
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    try:
        partitions = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(topics)}
        replies = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])
    finally:
        await admin.close()
    found = {}
    for reply in replies:
        for _, _, _, name, entries in reply.resources:
            configs = {entry[0]: entry[1] for entry in entries}
            found[name] = (partitions[name], configs["retention.ms"], configs["min.insync.replicas"])
    return found
