"""Which calls of initiate count as what."""

import asyncio

import pytest

from chassis.errors import Failure, Unavailable
from services.upload import metrics
from services.upload.domain.errors import FileTooLarge, RateLimited


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (None, ["ok"]),
        (FileTooLarge(), ["refused"]),
        (RateLimited(), ["refused"]),
        (Unavailable(), ["failed"]),
        (ZeroDivisionError(), ["failed"]),
        (asyncio.CancelledError(), []),
    ],
)
def test_a_clients_mistake_is_no_failure_of_ours(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | None, outcomes: list[str]
) -> None:
    counted: list[str] = []

    class Counter:
        def add(self, amount: int, attributes: dict[str, str]) -> None:
            counted.extend([attributes["outcome"]] * amount)

    monkeypatch.setattr(metrics, "initiates", Counter())

    def call() -> None:
        with metrics.counted_initiate():
            if error is not None:
                raise error

    if error is None:
        call()
    else:
        with pytest.raises((Failure, ZeroDivisionError, asyncio.CancelledError)):
            call()
    assert counted == outcomes
