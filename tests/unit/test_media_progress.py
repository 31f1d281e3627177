"""What is told of a run's progress."""

from services.media.usecases.progress import Progress


class Seconds:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_of_the_encode_is_estimated_from_its_pace() -> None:
    clock = Seconds()
    progress = Progress(clock)
    progress.report("encode", 0.0)
    clock.now += 4
    progress.report("encode", 0.5)
    assert (progress.stage, progress.remaining_seconds) == ("encode", 5)


def test_nothing_is_estimated_before_the_encode() -> None:
    progress = Progress(Seconds())
    progress.report("download", 1.0)
    assert (progress.percent, progress.remaining_seconds) == (5, None)


def test_the_percentage_never_falls() -> None:
    progress = Progress(Seconds())
    progress.report("encode", 0.9)
    before = progress.percent
    progress.report("encode", 0.2)
    assert progress.percent == before
