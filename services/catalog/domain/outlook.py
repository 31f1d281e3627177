"""How far a video is, and about how long it will still take."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.catalog.domain.video import Status, Tier, Video

FRESH = timedelta(seconds=15)
"""How long what a run said about its remaining time is believed."""
TAKEN_UP = timedelta(seconds=2)
"""How long a free worker takes at most to begin with a video."""

_PRIORITY: dict[Tier, int] = {"paid": 0, "verified": 1, "free": 2}
_UPLOADING, _UPLOADED, _ALMOST, _READY = 5, 10, 99, 100


@dataclass(frozen=True)
class RunProgress:
    """What media last signalled about the present generation: percent of the run, 0 to 100."""

    percent: int
    remaining_seconds: int | None
    observed_at: datetime


@dataclass(frozen=True)
class Waiting:
    """A video in the queue."""

    tier: Tier
    uploaded_at: datetime


@dataclass(frozen=True)
class Outlook:
    """What is known about queue and pace at the moment.

    `queue` holds the waiting videos, the next one first; `running` counts those that are being transcoded.
    How long a run takes: `ms_per_clip_ms` for each millisecond of its clip, `ms_per_byte` for each byte of it, which is
    what is known before a worker has looked at it, `typical_run_ms` for a clip of which nothing is known; None before
    the first run. `jobs_per_minute` is media's own count, 0 while unknown.
    """

    queue: Sequence[tuple[int, datetime]] = ()
    running: int = 0
    ms_per_clip_ms: float | None = None
    ms_per_byte: float | None = None
    typical_run_ms: float | None = None
    jobs_per_minute: float = 0.0


def queue_order(waiting: Waiting) -> tuple[int, datetime]:
    """Sorts the queue: by tier, then first come, first served."""
    return (_PRIORITY[waiting.tier], waiting.uploaded_at)


def progress(video: Video, run: RunProgress | None) -> int:
    """0 to 100; never falls within a generation.

    The upload is 0 to 10, because its speed is the client's; the run fills the rest; 100 is READY. A video that was
    stopped stays where it was.
    """
    if video.ready_at is not None:
        return _READY
    reached = _UPLOADED if video.uploaded_at is not None else _UPLOADING
    if video.status is Status.DRAFT and video.upload_id is not None:
        reached = 0
    if run is None:
        return reached
    return max(reached, _UPLOADED + run.percent * (_ALMOST - _UPLOADED) // 100)


def queue_position(video: Video, outlook: Outlook) -> int | None:
    """About how many jobs are ahead of a waiting video; None where it does not wait."""
    if video.status is not Status.UPLOADED or video.uploaded_at is None:
        return None
    tier: Tier = video.original.tier if video.original else "free"
    return bisect_left(outlook.queue, queue_order(Waiting(tier, video.uploaded_at)))


def eta_seconds(video: Video, run: RunProgress | None, outlook: Outlook, now: datetime) -> int | None:
    """About how many seconds until READY; None before the upload is done and while there is nothing to learn from."""
    expected = _run_ms(video, outlook)
    if video.status is Status.PROCESSING:
        if run is not None and run.remaining_seconds is not None and now - run.observed_at < FRESH:
            return _seconds(run.remaining_seconds * 1000 - _ms(now - run.observed_at))
        if expected is None:
            return None
        percent, since = (run.percent, run.observed_at) if run is not None else (0, video.changed_at)
        passed = _ms(now - since)
        # A run that is overdue has met with something: the longer that lasts, the longer it will still last.
        return _seconds(max(expected * (100 - percent) / 100 - passed, passed / 4))
    if video.status is not Status.UPLOADED or expected is None:
        return None
    return _seconds(_wait_ms(video, outlook, expected, now) + expected)


def _wait_ms(video: Video, outlook: Outlook, expected: float, now: datetime) -> float:
    """Until a worker begins: the first of the present runs has to end, then all that are ahead have to begin.

    So many workers there are at least as runs, and so fast they are at least as media counted in the last minute; it
    counted less than they can do where little was to be done.
    """
    ahead, typical = queue_position(video, outlook) or 0, outlook.typical_run_ms or expected
    all_busy = ahead > 0 or (video.uploaded_at is not None and now - video.uploaded_at > TAKEN_UP)
    first_ends = typical / (outlook.running + 1) if outlook.running and all_busy else 0.0
    begun_per_ms = max(outlook.jobs_per_minute / 60_000, max(outlook.running, 1) / typical)
    return first_ends + ahead / begun_per_ms


def _ms(duration: timedelta) -> float:
    return duration.total_seconds() * 1000


def _seconds(ms: float) -> int:
    return max(1, round(ms / 1000))


def _run_ms(video: Video, outlook: Outlook) -> float | None:
    if video.measured is not None and outlook.ms_per_clip_ms is not None:
        return video.measured.duration_ms * outlook.ms_per_clip_ms
    if video.original is not None and outlook.ms_per_byte is not None:
        return video.original.size_bytes * outlook.ms_per_byte
    return outlook.typical_run_ms
