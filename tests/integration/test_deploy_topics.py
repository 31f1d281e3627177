"""`python -m deploy.topics` makes the topics that the chart's values declare."""

import json
import os
import subprocess
import sys
from uuid import uuid4

from deploy.local.stack import Stack
from deploy.topics import Topics, wanted

KEEPING = {"replicationFactor": 1, "minInsyncReplicas": 1, "retentionHours": 24}


def declared(*topics: dict[str, object]) -> dict[str, object]:
    return {"topics": list(topics), "kafka": KEEPING}


def created(servers: str, topics: dict[str, object]) -> subprocess.CompletedProcess[str]:
    settings = {"NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS": servers, "NEXTPLAY_TOPICS": json.dumps(topics)}
    command = [sys.executable, "-m", "deploy.topics"]
    return subprocess.run(
        command, check=False, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60
    )


def test_missing_topics_are_created_with_their_dead_letters_and_those_that_are_there_stay(stack: Stack) -> None:
    name = f"nextplay.t{uuid4().hex}.v1"
    topics = declared({"name": name, "partitions": 2, "deadLetters": True})

    first, second = created(stack.kafka, topics), created(stack.kafka, topics)

    assert json.loads(first.stdout) == {"created": [name, f"{name}.dlq"]}, first.stderr
    assert json.loads(second.stdout) == {"created": []}, second.stderr


def test_a_broker_that_is_not_there_is_told_in_a_sentence() -> None:
    ended = created("127.0.0.1:1", declared({"name": "nextplay.t.v1", "partitions": 1, "deadLetters": False}))
    assert ended.returncode == 1
    assert "NEXTPLAY_KAFKA_" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_wrong_settings_are_listed_by_name() -> None:
    ended = created("", declared({"name": "nextplay.t.v1", "partitions": 0, "deadLetters": False}))
    assert ended.returncode == 2
    assert "NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS" in ended.stderr
    assert "NEXTPLAY_TOPICS at topics.0.partitions: 0 is wrong" in ended.stderr


def test_topics_are_made_with_the_values_settings_and_dead_letters_are_kept_longer() -> None:
    topics = declared(
        {"name": "a", "partitions": 3, "deadLetters": True},
        {"name": "b", "partitions": 1, "deadLetters": False, "retentionHours": 1},
    )
    made = {topic.name: topic for topic in wanted(Topics.model_validate(topics))}

    hours = {name: int(topic.topic_configs["retention.ms"]) / 3_600_000 for name, topic in made.items()}
    assert hours == {"a": 24, "a.dlq": 96, "b": 1}
    assert [(made[name].num_partitions, made[name].replication_factor) for name in ("a", "a.dlq")] == [(3, 1), (1, 1)]
    assert {topic.topic_configs["min.insync.replicas"] for topic in made.values()} == {"1"}
