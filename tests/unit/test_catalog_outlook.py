"""How far, which place, how long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.catalog.domain import commands
from services.catalog.domain.outlook import (
    Outlook,
    Running,
    RunProgress,
    Waiting,
    eta_seconds,
    look_out,
    progress,
    queue_position,
)
from services.catalog.domain.video import Measured, Original, Status, Tier, Video, Visibility

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
KNOWN = Outlook(ms_per_clip_ms=0.5, typical_run_ms=6_000, jobs_per_minute=30)


def video(status: Status, tier: Tier = "free", waited: int = 0) -> Video:
    """A video of 20 s that was uploaded so many seconds ago."""
    told = commands.Description("A clip", "", "sports", Visibility.PUBLIC)
    return replace(
        commands.draft(uuid4(), uuid4(), uuid4(), told, NOW).video,
        status=status,
        original=Original("key", 1, tier, NOW + timedelta(days=7), uuid4()),
        measured=Measured(20_000, 1, 1, 30) if status is Status.PROCESSING else None,
        uploaded_at=NOW - timedelta(seconds=waited),
    )


def queue(*waiting: tuple[Tier, int]) -> Outlook:
    return look_out(KNOWN, [Waiting(tier, NOW - timedelta(seconds=waited)) for tier, waited in waiting], [], NOW)


def test_better_tiers_go_first_and_within_one_who_came_first() -> None:
    outlook = queue(("free", 60), ("free", 10), ("verified", 5), ("paid", 1), ("paid", 30))
    assert queue_position(video(Status.UPLOADED, "paid", 30), outlook) == 0
    assert queue_position(video(Status.UPLOADED, "paid", 1), outlook) == 1
    assert queue_position(video(Status.UPLOADED, "verified", 5), outlook) == 2
    assert queue_position(video(Status.UPLOADED, "free", 60), outlook) == 3
    assert queue_position(video(Status.UPLOADED, "free", 10), outlook) == 4


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.UPLOADED}))
def test_who_does_not_wait_has_no_place(status: Status) -> None:
    assert queue_position(video(status), KNOWN) is None


def test_a_run_that_tells_its_remaining_time_is_believed_while_that_is_fresh() -> None:
    told = RunProgress(50, 8, NOW - timedelta(seconds=3))
    assert eta_seconds(video(Status.PROCESSING), told, KNOWN, NOW) == 5
    assert eta_seconds(video(Status.PROCESSING), RunProgress(90, 1, NOW - timedelta(seconds=9)), KNOWN, NOW) == 1


def test_a_running_clip_is_estimated_by_its_length() -> None:
    running = video(Status.PROCESSING)
    assert eta_seconds(running, None, KNOWN, NOW) == 10
    assert eta_seconds(running, None, KNOWN, NOW + timedelta(seconds=4)) == 6
    half = RunProgress(50, None, NOW)
    assert eta_seconds(running, half, KNOWN, NOW + timedelta(seconds=2)) == 3


def test_an_overdue_run_is_expected_to_last_longer_the_later_it_is() -> None:
    running, stale = video(Status.PROCESSING), RunProgress(50, 8, NOW)
    seen = [eta_seconds(running, stale, KNOWN, NOW + timedelta(seconds=late)) for late in (16, 40, 80)]
    assert seen == [4, 10, 20]


def test_a_waiting_clip_is_estimated_by_those_ahead_and_a_typical_run() -> None:
    ahead = queue(("free", 60), ("free", 50), ("free", 40), ("free", 0))
    assert eta_seconds(video(Status.UPLOADED), None, ahead, NOW) == 3 * 2 + 6
    assert eta_seconds(video(Status.UPLOADED), None, replace(ahead, jobs_per_minute=0), NOW) == 3 * 6 + 6


def test_a_waiting_clip_and_those_ahead_are_estimated_by_their_sizes() -> None:
    ahead = [Waiting("free", NOW - timedelta(seconds=60), size) for size in (2_000_000, 3_000_000)]
    outlook = look_out(replace(KNOWN, ms_per_byte=0.002, jobs_per_minute=0), ahead, [], NOW)
    large = replace(video(Status.UPLOADED), original=Original("key", 10_000_000, "free", NOW, uuid4()))
    assert eta_seconds(large, None, outlook, NOW) == 4 + 6 + 20


def test_the_wait_falls_as_the_run_ahead_goes_on() -> None:
    def waits(run: RunProgress | None) -> int | None:
        outlook = look_out(KNOWN, [], [Running(NOW - timedelta(seconds=2), 20_000, None, run)], NOW)
        return eta_seconds(video(Status.UPLOADED, waited=3), None, outlook, NOW)

    assert [waits(run) for run in (None, RunProgress(50, 4, NOW), RunProgress(90, 1, NOW))] == [8 + 6, 4 + 6, 1 + 6]


def test_a_little_work_in_the_last_minute_does_not_mean_slow_workers() -> None:
    ahead = replace(queue(("free", 60), ("free", 0)), jobs_per_minute=1)
    assert eta_seconds(video(Status.UPLOADED), None, ahead, NOW) == 6 + 6


def test_as_many_as_run_at_once_begin_at_once() -> None:
    ahead = replace(queue(*[("free", 60)] * 6, ("free", 0)), jobs_per_minute=0, running=2, left_ms=6_000)
    assert eta_seconds(video(Status.UPLOADED), None, ahead, NOW) == 6 // 3 + 6 * 6 // 2 + 6


def test_who_is_next_waits_for_the_first_run_to_end_unless_a_worker_is_free() -> None:
    busy = replace(KNOWN, running=1, left_ms=3_000)
    assert eta_seconds(video(Status.UPLOADED), None, busy, NOW) == 6
    assert eta_seconds(video(Status.UPLOADED, waited=3), None, busy, NOW) == 3 + 6


def test_without_anything_to_learn_from_there_is_no_estimate() -> None:
    for status in (Status.UPLOADED, Status.PROCESSING):
        assert eta_seconds(video(status), None, Outlook(), NOW) is None
    for status in (Status.DRAFT, Status.UPLOADING, Status.READY, Status.PROCESSING_FAILED):
        assert eta_seconds(video(status), None, KNOWN, NOW) is None


def test_a_run_fills_the_way_from_10_to_99() -> None:
    seen = [progress(video(Status.PROCESSING), RunProgress(percent, None, NOW)) for percent in (0, 50, 100)]
    assert seen == [10, 54, 99]
    assert progress(replace(video(Status.READY), ready_at=NOW), None) == 100
