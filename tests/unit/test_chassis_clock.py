"""Time and ids."""

from datetime import UTC, timedelta

from chassis.clock import new_id, utc_now


def test_the_present_time_is_aware_and_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert utc_now() - utc_now() < timedelta(seconds=1)


def test_ids_are_version_7_distinct_and_sorted_by_their_making() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {made.version for made in ids} == {7}
    assert sorted(set(ids)) == ids
