"""Creates the topics of events: `python -m deploy.topics`, once before each upgrade.

Reads how to reach Kafka from NEXTPLAY_KAFKA_…, and from NEXTPLAY_TOPICS, which the chart fills from its values, the
JSON object {"topics": [{name, partitions, deadLetters, retentionHours?}], "kafka": {replicationFactor,
minInsyncReplicas, retentionHours}}.
"""

import asyncio
import json
import sys
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.kafka import connection_options, why_unreachable
from chassis.settings import KafkaSettings, load

_HOUR_MS = 3_600_000


class Topic(BaseModel):
    """A topic; with `deadLetters` there is `<name>.dlq` beside it, in one partition."""

    model_config = ConfigDict(frozen=True)
    name: str
    partitions: int = Field(ge=1)
    deadLetters: bool
    retentionHours: int | None = Field(None, ge=1)


class Keeping(BaseModel):
    """How the broker keeps every topic."""

    replicationFactor: int = Field(ge=1)
    minInsyncReplicas: int = Field(ge=1)
    retentionHours: int = Field(ge=1)


class Topics(BaseModel):
    topics: list[Topic]
    kafka: Keeping


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_")
    topics: Topics
    kafka: KafkaSettings


class NotCreated(Exception):
    """A topic that the broker refused, with the name of its error."""


def wanted(topics: Topics) -> list[NewTopic]:
    """Every topic with its settings, dead-letter topics too. What is set aside is kept four times as long, because a
    person has to look at it."""
    keeping, all_of_them = topics.kafka, []
    for topic in topics.topics:
        hours = topic.retentionHours or keeping.retentionHours
        all_of_them.append(_new(topic.name, topic.partitions, hours, keeping))
        if topic.deadLetters:
            all_of_them.append(_new(f"{topic.name}.dlq", 1, 4 * hours, keeping))
    return all_of_them


def _new(name: str, partitions: int, hours: int, keeping: Keeping) -> NewTopic:
    configs = {"min.insync.replicas": str(keeping.minInsyncReplicas), "retention.ms": str(hours * _HOUR_MS)}
    return NewTopic(name, partitions, keeping.replicationFactor, topic_configs=configs)


async def create_missing(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> list[str]:
    """Create those that are not there; their names. What is there stays as it is: another number of partitions would
    take the events of a video out of their order. Raises `NotCreated`, `KafkaError`."""
    existing = set(await admin.list_topics())
    missing = [topic for topic in topics if topic.name not in existing]
    reply: Any = await admin.create_topics(missing) if missing else None
    for name, code, *_ in reply.topic_errors if reply else []:
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise NotCreated(
                f"The broker refused to create the topic {name} ({for_code(code).__name__}): look at the rights of its "
                "user, NEXTPLAY_KAFKA_SASL_USERNAME."
            )
    return [topic.name for topic in missing]


async def _create(settings: Settings) -> list[str]:
    options = connection_options(settings.kafka)
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        return await create_missing(admin, wanted(settings.topics))
    finally:
        await admin.close()


def main() -> int:
    """0 when all are there; 1 with the reason if the broker refused or did not answer; 2 for wrong settings."""
    settings = load(Settings)
    try:
        created = asyncio.run(_create(settings))
    except NotCreated as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except (KafkaError, OSError) as error:
        reason = asyncio.run(why_unreachable(settings.kafka)) or f"{error}."
        print(f"The topics were not created. {reason}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"created": created}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
