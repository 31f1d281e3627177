"""Progress lines, rates, and words for sizes and times."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nextplay_client import UploadProgress
from nextplay_client.cli.progress import Lines, Pace
from nextplay_client.cli.sending import Sent, command_again
from nextplay_client.cli.words import count, duration, megabytes, since

NOW = datetime(2026, 11, 23, 2, 37, 22, tzinfo=UTC)


def test_the_rate_is_that_of_the_last_ten_seconds_and_not_of_what_was_there() -> None:
    clock = iter([0.0, 1.0, 2.0, 13.0, 14.0])
    pace = Pace(lambda: next(clock))
    assert pace.rate(9_000_000) is None
    assert pace.rate(10_000_000) == 1_000_000
    assert pace.rate(12_000_000) == 1_500_000
    assert pace.rate(12_000_000) is None, "nothing was sent for ten seconds"


def test_a_tenth_is_told_once_also_when_a_part_is_sent_again() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    for sent in (0, 5, 10, 15, 8, 12, 100):
        lines.uploaded("clip.mp4", UploadProgress("u", "v", sent * 10_000, 1_000_000))
    assert [line.split()[2] for line in said] == ["0", "10", "100"]


def test_two_clips_of_one_name_have_lines_of_their_own_and_what_was_there_is_said() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    for upload_id, resumed in (("first", 0), ("second", 500_000)):
        lines.uploaded("clip.mp4", UploadProgress(upload_id, "v", 1_000_000, 2_000_000, resumed))
    assert said == [
        "upload   clip.mp4   50 %  1.00 MB of 2.00 MB",
        "upload   clip.mp4   50 %  1.00 MB of 2.00 MB (0.50 MB were there)",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.034, "34 ms"), (0.5, "0.5 s"), (42.3, "42.3 s"), (59.99, "1 min"), (125, "2 min 5 s")),
        *((12000, "3 h 20 min"), (86400, "1 day"), (187200, "2 days 4 h"), (-1, "0 ms")),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"), [(1, "1 byte"), (18_900, "18.9 kB"), (330_000, "0.33 MB"), (23_007_027, "23.0 MB")]
)
def test_sizes(size: int, said: str) -> None:
    assert megabytes(size) == said


@pytest.mark.parametrize(
    ("ago", "said"), [(0, "now"), (5, "5 s ago"), (190, "3 min ago"), (-2460, "in 41 min"), (7200, "2 h ago")]
)
def test_times_since_and_until(ago: float, said: str) -> None:
    assert since(NOW - timedelta(seconds=ago), NOW) == said


def test_one_is_no_plural() -> None:
    assert [count(0, "part"), count(1, "part"), count(1200, "part")] == ["0 parts", "1 part", "1,200 parts"]


def test_the_command_is_repeated_as_a_shell_takes_it_but_for_its_token() -> None:
    typed = ["upload", "my clip.mp4", "--token", "secret", "--token=secret", "--title", "It's"]
    again = "nextplay upload 'my clip.mp4' --token TOKEN --token=TOKEN --title 'It'\"'\"'s'"
    assert command_again(typed, []) == again


def test_clips_that_are_uploaded_are_not_uploaded_again() -> None:
    sent = [Sent(Path("a.mp4"), "v1"), Sent(Path("b.mp4"), None, OSError())]
    assert command_again(["upload", "a.mp4", "b.mp4", "c.mp4"], sent) == "nextplay upload b.mp4 c.mp4"
    assert command_again(["upload", "./a.mp4", "./b.mp4"], sent) == "nextplay upload ./b.mp4"
