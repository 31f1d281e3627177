"""A measure, and how a list of them is printed."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number with its unit, the most it may be (None: it is only told), and how it was taken."""

    name: str
    value: float
    unit: str
    limit: float | None
    how: str

    @property
    def within(self) -> bool:
        return self.limit is None or self.value <= self.limit


def report(measures: Sequence[Measure]) -> str:
    """The measures as lines for a person."""
    lines = []
    for measure in measures:
        limit = f"at most {measure.limit:g} {measure.unit}".strip() if measure.limit is not None else ""
        verdict = "" if measure.limit is None else "ok" if measure.within else "OVER"
        lines.append(f"{measure.name:44} {measure.value:>9.2f} {measure.unit:4} {limit:18} {verdict}")
        lines.append(f"    {measure.how}")
    return "\n".join(lines)
