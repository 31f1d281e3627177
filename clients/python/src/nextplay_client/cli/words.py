"""Sizes, durations and times as a person reads them."""

from datetime import datetime


def megabytes(size_bytes: float) -> str:
    """`0.33 MB`, `23.0 MB`; less in kB or bytes."""
    if size_bytes < 1000:
        return count(round(size_bytes), "byte")
    if size_bytes < 100_000:
        return f"{size_bytes / 1e3:.1f} kB"
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes < 10_000_000 else f"{size_bytes / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """`34 ms`, `0.5 s`, `42.3 s`, `2 min 5 s`, `3 h 20 min`, `2 days 4 h`."""
    seconds = max(0.0, seconds)
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    named = "1 day" if days == 1 else f"{days} days"
    return f"{named} {hours} h" if hours else named


def whole(seconds: float) -> str:
    """A duration in whole seconds, for what is only about right: `1 s` at least, `2 min 5 s`."""
    return duration(max(1, round(seconds))).replace(".0 s", " s")


def moment(text: str) -> datetime:
    """The time that an answer of the API tells, aware."""
    return datetime.fromisoformat(text)


def clock(time: datetime, now: datetime) -> str:
    """The time in the reader's zone: `02:37:22` on the same day, else with the day: `Nov 23 02:37:22`."""
    here, today = time.astimezone(), now.astimezone()
    if here.date() == today.date():
        return f"{here:%H:%M:%S}"
    return f"{here:%b %d %H:%M:%S}" if here.year == today.year else f"{here:%Y-%m-%d %H:%M:%S}"


def since(time: datetime, now: datetime) -> str:
    """`3 min ago`, or `in 41 min` for what is to come; nothing finer than a second."""
    away = (now - time).total_seconds()
    if abs(away) < 1:
        return "now"
    coarse = whole(abs(away) if abs(away) < 60 else 60 * round(abs(away) / 60))
    return f"{coarse} ago" if away > 0 else f"in {coarse}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 part`, `3 parts`, `1,200 parts`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
