"""Dead letters: events that a consumer could not apply, kept in `<topic>.dlq` until an operator decides.

A letter is the original record, its headers and more of ours:

    dlq_id        <consumer>/<topic>/<partition>/<offset> of the original record
    dlq_reason    why it could not be applied
    dlq_time      when it was given up
    dlq_left_out  only where the value was too large to be kept beside these headers: its bytes. The original record
                  has it; such a letter can be dropped and is not retried

A decision is a record of the same topic with the letter's `dlq_id`, `dlq_decision` (retried or dropped) and no value.
Letters without a decision are open. Nothing is ever rewritten, so this works on any broker. Each such topic has one
partition. Operators read and decide by operating/letters.py, which keeps apart who decided and why.
"""

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from chassis.clock import utc_now
from chassis.kafka import to_headers

MAX_REASON = 1000


async def send_dead_letter(
    producer: AIOKafkaProducer, record: ConsumerRecord[bytes, bytes], *, consumer: str, reason: str
) -> None:
    """Keep the record as a dead letter of `consumer`, without its value if it is too large. Raises KafkaError."""
    headers = {
        "dlq_id": f"{consumer}/{record.topic}/{record.partition}/{record.offset}",
        "dlq_reason": reason[:MAX_REASON],
        "dlq_time": utc_now().isoformat(),
    }
    topic, value = dead_letter_topic(record.topic), record.value or b""
    kept = [*record.headers, *to_headers(headers)]
    try:
        await producer.send_and_wait(topic, value, key=record.key, headers=kept)
    except (MessageSizeTooLargeError, RecordListTooLargeError):
        left_out = to_headers({"dlq_left_out": str(len(value))})
        await producer.send_and_wait(topic, b"", key=record.key, headers=kept + left_out)


def dead_letter_topic(topic: str) -> str:
    return f"{topic}.dlq"
