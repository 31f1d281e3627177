from uuid import UUID

import pytest

from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Publication


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (7, 60), (5_000, 60)])
def test_a_failing_fanout_waits_longer_each_time_up_to_a_minute(attempts: int, seconds: float) -> None:
    publication = Publication(UUID(int=1), UUID(int=2), "title")
    assert Fanout(publication, page_token="", fence=1, attempts=attempts).wait_seconds == seconds
