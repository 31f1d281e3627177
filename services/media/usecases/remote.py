"""Runs that a service outside carries out: what is heard of them, and the end of those that nobody wants any more."""

from collections.abc import Sequence
from uuid import UUID

from chassis.telemetry import logger
from services.media.domain.remote import News, RemoteStatus
from services.media.ports import Begin, Remote

log = logger(__name__)


async def hear(begin: Begin, news: News) -> None:
    """Write down what the service says; in whatever order and however often it does. Raises Unavailable."""
    async with begin() as tx:
        changed = await tx.store.record_news(news)
    log.info("remote_job_heard", run_id=news.run_id, remote_id=news.remote_id, status=news.status, changed=changed)


async def claim_unwanted(begin: Begin) -> Sequence[tuple[UUID, str]]:
    """Runs whose video was deleted or whose job went on without them, with the service's ids."""
    async with begin() as tx:
        return await tx.store.take_unwanted()


async def cancel(begin: Begin, remote: Remote, unwanted: tuple[UUID, str]) -> None:
    """End the service's job. Raises Fault, and Unavailable; then it comes again."""
    run_id, remote_id = unwanted
    await remote.cancel(remote_id)
    async with begin() as tx:
        await tx.store.record_news(News(run_id, remote_id, RemoteStatus.CANCELED))
    log.info("remote_job_cancelled", run_id=run_id, remote_id=remote_id)
