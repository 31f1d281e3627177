"""MediaConvert's events: EventBridge puts them into an SQS queue, from which every worker reads.

A message is deleted once what it says is written down. One that can't be understood, or not be written down, comes
again until the queue's redrive policy takes it to the dead-letter queue. Repeats and order are minded in the table.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import HttpUrl

from chassis.errors import Unavailable
from chassis.telemetry import logger
from services.media.domain.remote import News, RemoteStatus

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

DETAIL_TYPE = "MediaConvert Job State Change"
LONG_POLL_SECONDS = 20
CALL_SECONDS = 30.0
MOST_MESSAGES = 10
PAUSE_SECONDS = 5.0

# INPUT_INFORMATION, NEW_WARNING and QUEUE_HOP change nothing for us.
_STATUSES = {status.value: status for status in RemoteStatus} | {"STATUS_UPDATE": RemoteStatus.PROGRESSING}

log = logger(__name__)


def news_of(body: str) -> News | None:
    """What an event says; None when it is not about a run's progress. Raises ValueError for what is no such event."""
    try:
        event = json.loads(body)
        detail = event["detail"]
        status = _STATUSES.get(detail["status"])
        run_id = detail.get("userMetadata", {}).get("run_id")
        if event["detail-type"] != DETAIL_TYPE or status is None or run_id is None:
            return None
        progress = detail.get("jobProgress", {}).get("jobPercentComplete", 0)
        return News(
            UUID(run_id),
            remote_id=str(detail["jobId"]),
            status=status,
            percent=min(100, max(0, int(progress))),
            error_code=detail.get("errorCode"),
            error_message=detail.get("errorMessage"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event of MediaConvert: {error!r}") from error


@asynccontextmanager
async def open_events(queue_url: str, region: str, endpoint: HttpUrl | None = None) -> AsyncIterator["Events"]:
    """The queue of events, with the default AWS credentials. Opening sends nothing."""
    url = str(endpoint) if endpoint else None
    config = AioConfig(connect_timeout=3, read_timeout=25, retries={"mode": "standard", "total_max_attempts": 3})
    async with aioboto3.Session().client("sqs", region_name=region, endpoint_url=url, config=config) as client:
        yield Events(client, queue_url)


@dataclass(frozen=True)
class Events:
    """A queue of events. Permissions needed: sqs:ReceiveMessage, sqs:DeleteMessage."""

    client: "SQSClient"
    queue_url: str

    async def listen(self, record: Callable[[News], Awaitable[object]]) -> None:
        """Pass on what is heard, until cancelled. When `record` raises, the message comes again."""
        while True:
            try:
                for message in await self._receive():
                    await self._hear(message, record)
            except Unavailable as error:
                log.warning("events_not_heard", reason=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _receive(self) -> "list[MessageTypeDef]":
        async with _call():
            reply = await self.client.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=MOST_MESSAGES, WaitTimeSeconds=LONG_POLL_SECONDS
            )
        return reply.get("Messages", [])

    async def _hear(self, message: "MessageTypeDef", record: Callable[[News], Awaitable[object]]) -> None:
        try:
            if news := news_of(message["Body"]):
                await record(news)
        except Unavailable:
            raise
        except Exception:
            log.error("event_not_heard", message_id=message["MessageId"])
            return
        async with _call():
            await self.client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])


@asynccontextmanager
async def _call() -> AsyncIterator[None]:
    """A deadline around a call, and its errors as Unavailable: the events wait meanwhile, and jobs are asked about."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except (ClientError, BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable("The queue of events is not reachable at the moment.") from error
