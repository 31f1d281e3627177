"""A measure, and how a list of them is printed."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number with its unit, how it was taken, and its limit: the most it may be, with `at_least` the least, and None
    where it is only told."""

    name: str
    value: float
    unit: str
    limit: float | None
    how: str
    at_least: bool = False

    @property
    def within(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def report(measures: Sequence[Measure]) -> str:
    """The measures as lines for a person."""
    lines = []
    for measure in measures:
        bound = "at least" if measure.at_least else "at most"
        limit = f"{bound} {measure.limit:g} {measure.unit}".strip() if measure.limit is not None else ""
        verdict = "" if measure.limit is None else "ok" if measure.within else "MISSED"
        lines.append(f"{measure.name:44} {measure.value:>9.2f} {measure.unit:4} {limit:18} {verdict}")
        lines.append(f"    {measure.how}")
    return "\n".join(lines)
