"""The open dead letters of a consumer, and decisions about them. What a letter is: chassis/dead_letters."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from chassis.clock import utc_now
from chassis.dead_letters import dead_letter_topic
from chassis.errors import Unavailable
from chassis.events import header_text
from chassis.kafka import open_consumer, open_producer, to_headers
from chassis.settings import KafkaSettings

READ_SECONDS = 60.0
FROM_BEGINNING = {"auto_offset_reset": "earliest"}
_OURS = ("dlq_id", "dlq_reason", "dlq_time", "dlq_left_out")

Decision: TypeAlias = Literal["retried", "dropped"]


@dataclass(frozen=True)
class DeadLetter:
    """One open dead letter. `id` names it (`<consumer>/<topic>/<partition>/<offset>` of the original record).
    `left_out` is the size of a value that was too large to be kept, in bytes, and empty for one that was kept."""

    id: str
    consumer: str
    topic: str
    event_type: str
    event_id: str
    key: str
    reason: str
    failed_at: datetime
    left_out: str = ""


Letter: TypeAlias = tuple[DeadLetter, ConsumerRecord[bytes, bytes]]


class DeadLetters:
    """The open dead letters of `consumer` on `topics` (the original ones).

    Their dead-letter topics are read once, from the beginning: whatever is asked later reads on to their present end,
    and so knows what others decided meanwhile.
    """

    def __init__(self, settings: KafkaSettings, consumer: str, topics: Collection[str]) -> None:
        self._settings, self._consumer = settings, consumer
        self._partitions = [TopicPartition(dead_letter_topic(topic), 0) for topic in topics]
        self._found: dict[str, Letter] = {}
        self._next: dict[TopicPartition, int] = {}

    async def read(self) -> list[Letter]:
        """Those that are open now, oldest first, with their records. Raises Unavailable, after a minute at most."""
        try:
            async with asyncio.timeout(READ_SECONDS), open_consumer(self._settings, **FROM_BEGINNING) as reader:
                await self._read_on(reader)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable("The event broker does not answer for the dead letters.") from error
        return sorted(self._found.values(), key=lambda letter: letter[0].failed_at)

    async def close(self, letter_id: str, decision: Decision) -> bool:
        """Decide about an open letter; False if there is none. "retried" publishes it to its original topic before.

        Every consumer of the topic gets a retried event again, under the same id; those that applied it know that. What
        was kept without its value is not retried: it stays open. Raises Unavailable.
        """
        for letter, record in await self.read():
            if letter.id == letter_id and (decision == "dropped" or not letter.left_out):
                try:
                    await _decide(self._settings, letter, record, decision)
                except KafkaError as error:
                    raise Unavailable("The event broker did not confirm the decision; it is safe to repeat.") from error
                return True
        return False

    async def _read_on(self, reader: AIOKafkaConsumer) -> None:
        reader.assign(self._partitions)
        # The last one that was read comes again, so that there is something to fetch: some brokers tell of an end that
        # is past, until somebody fetches, and send what is behind it all the same.
        for partition, offset in self._next.items():
            reader.seek(partition, offset - 1)
        ends = await reader.end_offsets(self._partitions)
        while any([await reader.position(one) < max(end, self._next.get(one, 0)) for one, end in ends.items()]):
            for partition, records in (await reader.getmany(timeout_ms=1000)).items():
                for record in records:
                    if record.offset >= self._next.get(partition, 0):
                        _fold(self._found, self._consumer, record)
                        self._next[partition] = record.offset + 1


async def _decide(
    settings: KafkaSettings, letter: DeadLetter, record: ConsumerRecord[bytes, bytes], decision: Decision
) -> None:
    async with open_producer(settings) as producer:
        if decision == "retried":
            original = [(name, value) for name, value in record.headers if name not in _OURS]
            await producer.send_and_wait(letter.topic, record.value, key=record.key, headers=original)
        decided = {"dlq_id": letter.id, "dlq_decision": decision, "dlq_time": utc_now().isoformat()}
        dead, key = dead_letter_topic(letter.topic), letter.id.encode()
        await producer.send_and_wait(dead, key=key, headers=to_headers(decided))


def _fold(found: dict[str, Letter], consumer: str, record: ConsumerRecord[bytes, bytes]) -> None:
    headers = header_text(record.headers)
    letter_id = headers.get("dlq_id", "")
    if not letter_id.startswith(f"{consumer}/"):
        return
    if "dlq_decision" in headers:
        found.pop(letter_id, None)
        return
    if not headers.keys() >= {"dlq_reason", "dlq_time"}:  # anybody's, and no reason to hide the letters behind it
        return
    letter = DeadLetter(
        id=letter_id,
        consumer=consumer,
        topic=record.topic.removesuffix(".dlq"),
        event_type=headers.get("ce_type", ""),
        event_id=headers.get("ce_id", ""),
        key=(record.key or b"").decode("utf-8", "replace"),
        reason=headers["dlq_reason"],
        failed_at=datetime.fromisoformat(headers["dlq_time"]),
        left_out=headers.get("dlq_left_out", ""),
    )
    found[letter_id] = (letter, record)
