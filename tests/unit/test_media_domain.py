"""What is accepted, how a picture lies, who comes first, and what is tried again."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from uuid import uuid4

import pytest

from services.media.domain.job import (
    MAX_RETRIES,
    STAGES,
    Job,
    Run,
    percent,
    public_code,
    retry_after,
    worker_lost,
)
from services.media.domain.outcomes import Fault, Rejected, check, disk_full
from services.media.domain.source import Orientation, orientation
from services.media.fakes import A_SOURCE

ONE = 65536


def verdict(**changes: object) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        check(replace(A_SOURCE, **changes))  # type: ignore[arg-type]
    return rejected.value


@pytest.mark.parametrize(
    "changes",
    [{"duration_ms": 30_000}, {"video_codec": "hevc"}, {"stored_width": 4096, "stored_height": 2304}],
)
def test_what_is_just_within_the_limits_is_accepted(changes: dict[str, object]) -> None:
    check(replace(A_SOURCE, **changes))  # type: ignore[arg-type]


def test_a_millisecond_too_long_is_rejected_with_value_limit_and_unit() -> None:
    rejected = verdict(duration_ms=30_001)
    assert (rejected.code, rejected.measured, rejected.limit) == ("DURATION_TOO_LONG", "30001 ms", "30000 ms")
    assert str(rejected) == "The video lasts 30001 ms; the limit is 30000 ms."
    assert rejected.too_long
    assert rejected.source is not None


@pytest.mark.parametrize("codec", ["vp9", "av1", "mpeg4", "prores"])
def test_other_codecs_are_rejected(codec: str) -> None:
    rejected = verdict(video_codec=codec)
    assert (rejected.code, rejected.measured, rejected.limit) == ("CODEC_UNSUPPORTED", codec, "h264 or hevc")
    assert not rejected.too_long


def test_a_frame_above_the_limit_is_rejected() -> None:
    rejected = verdict(stored_width=7680, stored_height=4320)
    assert (rejected.code, rejected.measured) == ("TOO_LARGE_FRAME", "33177600 pixels")


def test_a_small_frame_that_its_pixel_aspect_stretches_above_the_limit_is_rejected() -> None:
    rejected = verdict(stored_width=4096, stored_height=2160, pixel_aspect=Fraction(20))
    assert (rejected.code, rejected.measured) == ("TOO_LARGE_FRAME", f"{20 * 4096 * 2160} pixels")


def test_a_small_frame_that_its_pixel_aspect_makes_longer_than_can_be_encoded_is_rejected() -> None:
    check(replace(A_SOURCE, stored_width=4096, stored_height=2, pixel_aspect=Fraction(4)))
    rejected = verdict(stored_width=320, stored_height=180, pixel_aspect=Fraction(100))
    assert (rejected.code, rejected.measured, rejected.limit) == (
        "TOO_LARGE_FRAME", "32000 pixels an edge", "16384 pixels an edge"
    )  # fmt: skip
    assert str(rejected) == "A frame of 32000x180 has an edge of 32000 pixels; the limit is 16384 pixels."


def test_the_duration_is_judged_before_the_codec() -> None:
    assert verdict(duration_ms=60_000, video_codec="vp9").code == "DURATION_TOO_LONG"


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((ONE, 0, 0, ONE), Orientation.UPRIGHT),
        ((0, ONE, -ONE, 0), Orientation.TURNED_90),
        ((-ONE, 0, 0, -ONE), Orientation.TURNED_180),
        ((0, -ONE, ONE, 0), Orientation.TURNED_270),
        ((-ONE, 0, 0, ONE), Orientation.MIRRORED),
        ((ONE, 0, 0, -ONE), Orientation.MIRRORED_180),
        ((0, ONE, ONE, 0), Orientation.MIRRORED_270),
        ((0, -ONE, -ONE, 0), Orientation.MIRRORED_90),
        ((0, 0, 0, 0), Orientation.UPRIGHT),
        ((ONE, ONE, ONE, ONE), Orientation.UPRIGHT),
        ((40, ONE, -ONE, -40), Orientation.TURNED_90),
    ],
)
def test_a_display_matrix_says_how_the_picture_lies(matrix: tuple[int, int, int, int], expected: Orientation) -> None:
    assert orientation(*matrix) is expected


@pytest.mark.parametrize("attempt", range(1, MAX_RETRIES + 1))
def test_a_transient_fault_is_tried_again_later_each_time(attempt: int) -> None:
    fault = Fault("TRANSCODE_TIMEOUT", "It took too long.", transient=True)
    earliest, latest = retry_after(fault, attempt, lambda: 0.0), retry_after(fault, attempt, lambda: 1.0)
    assert earliest is not None
    assert latest is not None
    assert 5 * 4 ** (attempt - 1) * 0.75 == earliest < latest == 5 * 4 ** (attempt - 1) * 1.25


def test_the_last_retry_after_an_outage_leaves_a_quarter_of_an_hour_for_mending() -> None:
    waits = [retry_after(disk_full(), attempt, lambda: 0.5) for attempt in range(1, MAX_RETRIES + 1)]
    assert waits == [5, 20, 900]


def test_after_one_run_and_three_retries_nothing_is_tried_any_more() -> None:
    assert retry_after(disk_full(), MAX_RETRIES + 1, lambda: 0.5) is None


def test_a_permanent_fault_is_not_tried_again() -> None:
    assert retry_after(Fault("TRANSCODER_ERROR", "It is broken.", transient=False), 1, lambda: 0.5) is None


def test_owners_are_given_reasons_of_the_contract() -> None:
    assert public_code(disk_full().code) == "STORAGE_ERROR"
    assert public_code(worker_lost(1).code) == "TRANSCODER_ERROR"
    assert public_code("TRANSCODE_TIMEOUT") == "TRANSCODE_TIMEOUT"


def test_each_run_stores_below_a_prefix_of_its_own() -> None:
    job = Job(uuid4(), uuid4(), 1, uuid4(), uuid4(), "free", "uploads/original.mp4", 1)
    run = Run(uuid4(), 1, 1, job, datetime.now(UTC), None)
    assert run.output_s3_prefix == f"videos/{job.user_id}/{job.video_id}/{run.run_id}/"


def test_progress_runs_from_nothing_to_all_through_the_stages() -> None:
    told = [percent(stage, fraction) for stage in STAGES for fraction in (0.0, 0.5, 1.0)]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 100)
    assert percent("encode", 7.5) == percent("encode", 1.0)
