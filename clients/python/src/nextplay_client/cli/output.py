"""What a person or a program reads of a command: answers on standard output, everything else on standard error.

A person gets text, with colour on a terminal; with --json a program gets one JSON document a line, errors too.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

STYLES = {
    "READY": "green",
    "PUBLISHED": "green",
    "REJECTED_TOO_LONG": "red",
    "REJECTED_FORMAT": "red",
    "PROCESSING_FAILED": "red",
    "DELETED": "dim",
    "DRAFT": "dim",
}

GAP = 2
LEAST_FIRST = 8
"""Between the columns of a table, and in the first one, in cells of the terminal."""


@dataclass(frozen=True)
class Output:
    """Where a command says what it found."""

    as_json: bool

    @cached_property
    def console(self) -> Console:
        """For answers. What is not a terminal has no width, so that nothing is cut or broken there."""
        return _console(stderr=False)

    @cached_property
    def notes(self) -> Console:
        """For progress and errors; silent for programs."""
        return _console(stderr=True, quiet=self.as_json)

    def document(self, document: object) -> None:
        """One line of JSON on standard output."""
        print(json.dumps(document, ensure_ascii=False), flush=True)

    def line(self, text: str, style: str = "") -> None:
        """A line of an answer, shown as it is; the terminal breaks it, so that it is copied whole."""
        self.console.print(text, style=style or None, markup=False, soft_wrap=True)

    def note(self, text: str, style: str = "") -> None:
        """A line beside the answer."""
        self.notes.print(text, style=style or None, markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under their headings. On a narrow terminal the first column is cut, and no other."""
        others = sum(GAP + max(map(cell_len, cells)) for cells in [*zip(columns, *rows, strict=True)][1:])
        self.console.width = max(self.console.width, LEAST_FIRST + others)  # what is narrower breaks the line
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        for column in columns:
            most = self.console.width - others if column == columns[0] else None
            table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=most)
        for row in rows:
            table.add_row(*(f"[{STYLES[cell]}]{cell}[/]" if cell in STYLES else escape(cell) for cell in row))
        self.console.print(table)

    def error(self, message: str, told: Mapping[str, object]) -> None:
        """Say why the command failed: a sentence with the next step for a person, `told` for a program."""
        if self.as_json:
            print(json.dumps({"error": {"message": message, **told}}, ensure_ascii=False), file=sys.stderr, flush=True)
        else:
            self.note(f"nextplay: {message}", style="red")


def now() -> datetime:
    """The present time, aware."""
    return datetime.now(UTC)


def _console(*, stderr: bool, quiet: bool = False) -> Console:
    console = Console(stderr=stderr, quiet=quiet, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000
    return console
