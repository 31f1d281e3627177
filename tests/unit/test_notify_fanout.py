from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.notify.domain.fanout import Fanout, Withdrawal
from services.notify.domain.notification import Publication

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (7, 60), (5_000, 60)])
def test_a_failing_fanout_waits_longer_each_time_up_to_a_minute(attempts: int, seconds: float) -> None:
    publication = Publication(UUID(int=1), UUID(int=2), "title")
    assert Fanout(publication, NOON, page_token="", fence=1, attempts=attempts).wait_seconds == seconds


def test_a_deletion_voids_every_announcement() -> None:
    deleted = Withdrawal(hidden_at=None, deleted=True)
    assert deleted.covers(NOON - SECOND)
    assert deleted.covers(NOON + SECOND)


def test_a_hiding_voids_what_was_announced_before_it_alone() -> None:
    hidden = Withdrawal(hidden_at=NOON, deleted=False)
    assert hidden.covers(NOON - SECOND)
    assert not hidden.covers(NOON + SECOND)
