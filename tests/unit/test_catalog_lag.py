"""How far behind a replica is, told by positions in the log and our own clock."""

from services.catalog.reads.replica import Lag


def test_a_replica_that_has_everything_is_not_behind_however_long_nobody_writes() -> None:
    lag = Lag()
    assert lag.after(100, 100, now=0) == 0
    assert lag.after(100, 100, now=10_000) == 0


def test_the_lag_is_the_age_of_the_oldest_position_that_is_missing() -> None:
    lag = Lag()
    lag.after(100, 100, now=0)
    assert lag.after(200, 150, now=10) == 0
    assert lag.after(300, 150, now=11) == 1
    assert lag.after(300, 250, now=14) == 3
    assert lag.after(300, 300, now=15) == 0


def test_a_replica_that_was_behind_at_the_start_is_not_trusted_before_it_has_caught_up() -> None:
    lag = Lag()
    assert lag.after(100, 20, now=0) is None
    assert lag.after(110, 99, now=1) is None
    assert lag.after(120, 105, now=2) == 1


def test_a_replica_that_says_nothing_falls_behind_with_what_is_written() -> None:
    lag = Lag()
    lag.after(100, 100, now=0)
    assert lag.after(100, None, now=5) == 0
    assert lag.after(200, None, now=6) == 0
    assert lag.after(300, None, now=9) == 3


def test_what_nobody_can_have_written_while_the_primary_is_away_makes_no_lag() -> None:
    lag = Lag()
    lag.after(100, 100, now=0)
    assert lag.after(None, 100, now=60) == 0


def test_nothing_is_known_before_the_primary_was_seen() -> None:
    assert Lag().after(None, 100, now=0) is None


def test_a_lag_of_days_costs_no_memory() -> None:
    lag = Lag()
    lag.after(0, 0, now=0)
    for second in range(1, 10_000):
        behind = lag.after(second, 0, now=second)
    assert behind == 3599
