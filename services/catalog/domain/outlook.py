"""How far a video is, and about how long it will still take."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

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
    size_bytes: int | None = None


@dataclass(frozen=True)
class Running:
    """A video that is being transcoded; its length in milliseconds."""

    since: datetime
    duration_ms: int | None
    size_bytes: int | None
    run: RunProgress | None


@dataclass(frozen=True)
class Outlook:
    """What is known about queue and pace at the moment.

    `queue` holds the waiting videos, the next one first, and `ahead_ms` how long the runs ahead of each place take one
    after the other; `running` counts the videos that are being transcoded, which take `left_ms` more together.
    How long a run takes: `ms_per_clip_ms` for each millisecond of its clip, `ms_per_byte` for each byte of it, which is
    what is known before a worker has looked at it, `typical_run_ms` for a clip of which nothing is known; None before
    the first run. `jobs_per_minute` is media's own count, 0 while unknown.
    """

    queue: Sequence[tuple[int, datetime]] = ()
    ahead_ms: Sequence[float] = ()
    running: int = 0
    left_ms: float = 0.0
    ms_per_clip_ms: float | None = None
    ms_per_byte: float | None = None
    typical_run_ms: float | None = None
    jobs_per_minute: float = 0.0


def look_out(pace: Outlook, waiting: Sequence[Waiting], running: Sequence[Running], now: datetime) -> Outlook:
    """The outlook for a queue and runs, given the pace."""
    in_order = sorted(waiting, key=queue_order)
    times = (_run_ms(pace, None, each.size_bytes) or 0.0 for each in in_order)
    expected = ((each, _run_ms(pace, each.duration_ms, each.size_bytes)) for each in running)
    left = [_left_ms(ms, each.since, each.run, now) or 0.0 for each, ms in expected]
    return replace(
        pace,
        queue=[queue_order(each) for each in in_order],
        ahead_ms=[0.0, *accumulate(times)],
        running=len(running),
        left_ms=sum(left),
    )


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
    duration_ms = video.measured.duration_ms if video.measured else None
    expected = _run_ms(outlook, duration_ms, video.original.size_bytes if video.original else None)
    if video.status is Status.PROCESSING:
        left = _left_ms(expected, video.changed_at, run, now)
        return None if left is None else _seconds(left)
    if video.status is not Status.UPLOADED or expected is None:
        return None
    return _seconds(_wait_ms(video, outlook, now) + expected)


def _wait_ms(video: Video, outlook: Outlook, now: datetime) -> float:
    """Until a worker begins: the first of the present runs has to end, then all that are ahead have to begin.

    So many workers there are at least as runs, and so fast they are at least as media counted in the last minute; it
    counted less than they can do where little was to be done.
    """
    ahead, workers = queue_position(video, outlook) or 0, max(outlook.running, 1)
    if not ahead and (video.uploaded_at is None or now - video.uploaded_at <= TAKEN_UP):
        return 0.0
    # Of runs that have come differently far, the first ends so much before the mean.
    first_ends = outlook.left_ms / workers * 2 / (workers + 1)
    begun = outlook.ahead_ms[ahead] / workers if ahead else 0.0
    if outlook.jobs_per_minute:
        begun = min(begun, ahead * 60_000 / outlook.jobs_per_minute)
    return first_ends + begun


def _left_ms(expected: float | None, since: datetime, run: RunProgress | None, now: datetime) -> float | None:
    """What is left of a run that began at `since` and takes about `expected` in all; None while nothing is known."""
    if run is not None and run.remaining_seconds is not None and now - run.observed_at < FRESH:
        return max(0.0, run.remaining_seconds * 1000 - _ms(now - run.observed_at))
    if expected is None:
        return None
    percent, since = (run.percent, run.observed_at) if run is not None else (0, since)
    passed = _ms(now - since)
    # A run that is overdue has met with something: the longer that lasts, the longer it will still last.
    return max(expected * (100 - percent) / 100 - passed, passed / 4)


def _run_ms(outlook: Outlook, duration_ms: int | None, size_bytes: int | None) -> float | None:
    """How long a run takes in all, by the best that is known of its clip."""
    if duration_ms is not None and outlook.ms_per_clip_ms is not None:
        return duration_ms * outlook.ms_per_clip_ms
    if size_bytes is not None and outlook.ms_per_byte is not None:
        return size_bytes * outlook.ms_per_byte
    return outlook.typical_run_ms


def _ms(duration: timedelta) -> float:
    return duration.total_seconds() * 1000


def _seconds(ms: float) -> int:
    return max(1, round(ms / 1000))
