"""AWS Elemental MediaConvert through aioboto3: create a job, ask about it, cancel it.

Every call has a deadline and at most three tries; what goes wrong is a Fault. Permissions needed: CreateJob, GetJob and
CancelJob of mediaconvert, and iam:PassRole for the role that jobs take.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import HttpUrl

from chassis.telemetry import logger
from services.media.domain.outcomes import Fault, service_away
from services.media.domain.remote import News, RemoteStatus

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import MediaConvertClient
    from types_aiobotocore_mediaconvert.type_defs import CreateJobRequestTypeDef, JobTypeDef

CALL_SECONDS = 30.0

log = logger(__name__)


@asynccontextmanager
async def open_mediaconvert(region: str, endpoint: HttpUrl | None = None) -> AsyncIterator["MediaConvert"]:
    """The service of a region, with the default AWS credentials. Opening sends nothing."""
    url = str(endpoint) if endpoint else None
    config = AioConfig(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
    async with aioboto3.Session().client("mediaconvert", region_name=region, endpoint_url=url, config=config) as client:
        yield MediaConvert(client)


@dataclass(frozen=True)
class MediaConvert:
    """The jobs of one account and region."""

    client: "MediaConvertClient"

    async def create(self, request: Mapping[str, Any]) -> News:
        """Submit a job; the same one again when its token was used in the last minute."""
        async with _call():
            reply = await self.client.create_job(**cast("CreateJobRequestTypeDef", dict(request)))
        return _news(UUID(request["UserMetadata"]["run_id"]), reply["Job"])

    async def ask(self, run_id: UUID, remote_id: str) -> News:
        """How the run's job is."""
        async with _call():
            reply = await self.client.get_job(Id=remote_id)
        return _news(run_id, reply["Job"])

    async def cancel(self, remote_id: str) -> None:
        """Let a job end; one that has ended or does not exist is fine."""
        async with _call(fine=("ConflictException", "NotFoundException")):
            await self.client.cancel_job(Id=remote_id)


def _news(run_id: UUID, job: "JobTypeDef") -> News:
    return News(
        run_id,
        remote_id=job["Id"],
        status=RemoteStatus(job["Status"]),
        percent=job.get("JobPercentComplete", 0),
        error_code=job.get("ErrorCode"),
        error_message=job.get("ErrorMessage"),
    )


@asynccontextmanager
async def _call(fine: tuple[str, ...] = ()) -> AsyncIterator[None]:
    """A deadline around a call, and its errors as faults. A bad request stays bad, all else can be mended."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in fine:
            return
        log.error("mediaconvert_refused", cause=error, operation=error.operation_name, refusal=code)
        if code == "BadRequestException":
            raise Fault("TRANSCODER_ERROR", "The converting service did not take it.", transient=False) from error
        raise service_away("refused us") from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise service_away("did not answer") from error
