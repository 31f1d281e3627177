"""Nothing sticks: a video about which nothing was heard for too long is asked after, and the answer is applied.

So a video ends even when an event about it was lost for good: the next event implies it, or this finds it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chassis import telemetry
from chassis.clock import Clock
from chassis.consumer import NotYet
from chassis.errors import DeadlineExceeded, Failure, Unavailable
from services.catalog import metrics
from services.catalog.domain.states import Cause, Fact, Outcome, apply
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Reason, Status, Video
from services.catalog.ports import Begin, Tx
from services.catalog.ports.peers import Answer, AskPeer
from services.catalog.ports.videos import Quiet
from services.catalog.usecases import events
from services.catalog.usecases.facts import fact_from
from services.catalog.usecases.settling import settle

AT_ONCE = 500
GIVE_UP_AFTER = 3

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a video may be UPLOADING, and UPLOADED or PROCESSING without a fact, before its owner is asked; and how
    long after its claim one whose upload has not started.

    Upload accepts nothing later than 60 s after it claimed, so that an upload which it does not know after `claimed`
    will never be known.
    """

    uploading: timedelta
    processing: timedelta
    claimed: timedelta = timedelta(minutes=2)


async def unstick_videos(
    begin: Begin, ask_upload: AskPeer, ask_media: AskPeer, patience: Patience, clock: Clock
) -> Mapping[str, int]:
    """Ask after up to 500 quiet videos, the quietest first; how many came to what.

    A video whose owner cannot be asked is counted as `unanswered` and looked at again by a later run, after the others;
    when three in a row are, somebody is away and this run ends. Raises an ExceptionGroup, when all have been asked
    after, of what nobody expected.
    """
    async with begin() as tx:
        quiet = await tx.store.videos.find_quiet(patience.claimed, patience.uploading, patience.processing, AT_ONCE)
    counts, away, unexpected = Counter[str](), 0, list[Exception]()
    for video in quiet:
        try:
            outcome, away = await _unstick(begin, ask_upload, ask_media, video, clock), 0
        except (Failure, NotYet) as error:
            log.warning("quiet_video_not_answered", video_id=video.video_id, reason=str(error))
            outcome, away = "unanswered", away + isinstance(error, Unavailable | DeadlineExceeded)
        except Exception as error:
            log.error("quiet_video_not_asked_after", cause=error, video_id=video.video_id)
            unexpected.append(error)
            outcome, away = "unanswered", 0
        if outcome == "unanswered":
            async with begin() as tx:
                await tx.store.videos.ask_later(video.video_id)
        counts[outcome] += 1
        metrics.UNSTUCK.add(1, {"outcome": outcome})
        if away == GIVE_UP_AFTER:
            break
    if unexpected:
        raise ExceptionGroup(f"{len(unexpected)} of {len(quiet)} quiet videos could not be asked after", unexpected)
    return counts


async def _unstick(begin: Begin, ask_upload: AskPeer, ask_media: AskPeer, quiet: Quiet, clock: Clock) -> str:
    """Ask outside of any transaction, apply inside of one."""
    if quiet.status in (Status.DRAFT, Status.UPLOADING):
        answer = await ask_upload(quiet.video_id, quiet.generation)
        async with begin() as tx:
            return await _hear(tx, quiet, _fact(answer) or _lost(quiet, clock()), clock())
    job = await ask_media(quiet.video_id, quiet.generation)
    if job.known:
        async with begin() as tx:
            return await _hear(tx, quiet, _fact(job), clock())
    # A retry's original is known from the generation that uploaded it; upload knows no upload of the retry's own.
    upload = None if quiet.has_original else _fact(await ask_upload(quiet.video_id, quiet.generation))
    async with begin() as tx:
        return await _request_job(tx, quiet, upload, clock())


async def _hear(tx: Tx, quiet: Quiet, fact: Fact | None, now: datetime) -> str:
    """Apply an answer. One that tells nothing new is not noted, because every run may be given it."""
    video = await _lock_quiet(tx, quiet)
    if video is None:
        return "moved on"
    outcome = apply(video, fact, now) if fact else None
    if outcome and outcome.transitions:
        await settle(tx, outcome)
        return "moved"
    await tx.store.videos.save(replace(outcome.video if outcome else video, heard_at=now))
    return "waiting"


async def _request_job(tx: Tx, quiet: Quiet, upload: Fact | None, now: datetime) -> str:
    """Media knows no job: ask it for one of this same generation, of which it makes one at most."""
    video = await _lock_quiet(tx, quiet)
    if video is None:
        return "moved on"
    if upload is not None and upload.cause is Cause.UPLOAD_COMPLETED:
        video = apply(video, upload, now).video
    if video.original is None:
        log.error("original_not_known", video_id=video.video_id, generation=video.generation)
        await tx.store.videos.save(replace(video, heard_at=now))
        return "original not known"
    await settle(tx, Outcome(replace(video, heard_at=now), Entry("VideoRetryRequested", now, video.generation)))
    tx.emit(events.retry_requested(video, video.original))
    return "job requested"


async def _lock_quiet(tx: Tx, quiet: Quiet) -> Video | None:
    """The video, if it still is where it was when its owner was asked, and nothing was heard of it since."""
    video = await tx.store.videos.lock(quiet.video_id)
    was = (quiet.generation, quiet.status, quiet.heard_at)
    if video is None or (video.generation, video.status, video.heard_at) != was:
        return None
    return video


def _lost(quiet: Quiet, now: datetime) -> Fact:
    """Upload knows no such upload, or none any more, so it will not complete."""
    reason = Reason("MULTIPART_LOST", "The upload is not known any more.", "upload")
    if quiet.status is Status.DRAFT:
        reason = Reason("UPLOAD_NOT_STARTED", "The upload could not be started.", "upload")
    return Fact(Cause.UPLOAD_FAILED, quiet.generation, now, reason=reason)


def _fact(answer: Answer) -> Fact | None:
    return fact_from(answer.fact, answer.time) if answer.fact is not None and answer.time is not None else None
