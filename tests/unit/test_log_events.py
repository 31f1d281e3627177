"""The list of events that are logged, and what is cut out of a line."""

import json
import logging
import re
import sys
from collections import defaultdict

import asyncpg
import pytest

from chassis.telemetry import JsonFormatter
from deploy.local.home import ROOT
from deploy.observability.log_events import LEVELS, logged_events


def test_each_event_has_one_level_and_is_logged_in_one_place() -> None:
    places = defaultdict[str, set[tuple[str, str]]](set)
    for event in logged_events(ROOT):
        places[event.name].add((event.level, event.module))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
    assert len(places) > 100


def test_events_are_named_in_snake_case_by_two_words_or_more() -> None:
    assert [one.name for one in logged_events(ROOT) if not re.fullmatch(r"[a-z]+(_[a-z]+)+", one.name)] == []


def test_every_line_of_the_code_that_logs_is_found() -> None:
    """Also one that is written in a way that the list does not know."""
    calls = re.compile(rf"\blog\.(?:{'|'.join(LEVELS)})\b")
    files = [
        file for package in ("chassis", "operating", "services", "gateway") for file in (ROOT / package).rglob("*.py")
    ]
    written = sum(len(calls.findall(file.read_text())) for file in files)
    in_docstrings = sum(file.read_text().count("    log.info(") for file in files if file.name == "telemetry.py")
    assert len(logged_events(ROOT)) == written - in_docstrings


@pytest.mark.parametrize(
    ("level", "fields"), [(logging.ERROR, {}), (logging.WARNING, {"reason": "as text"})], ids=["a stack", "a reason"]
)
def test_the_row_that_postgresql_quotes_is_not_printed(level: int, fields: dict[str, str]) -> None:
    refused = asyncpg.CheckViolationError('new row for relation "videos" violates check constraint "short"')
    refused.detail = 'Failing row contains (1, My "holidays"\n\nat home, f).'
    try:
        try:
            raise refused
        except asyncpg.CheckViolationError as error:
            raise ValueError("what came of it") from error
    except ValueError:
        raised = sys.exc_info()
    record = logging.LogRecord("nextplay.test", level, "", 0, "rpc_broke", None, raised if not fields else None)
    record.fields = fields and {"reason": f"CheckViolationError: {refused}"}
    text = JsonFormatter("catalog").format(record)
    line = json.loads(text)
    assert "violates check constraint" in text
    assert "holidays" not in text
    assert "at home" not in text
    if not fields:
        assert line["stack"].rstrip().endswith("ValueError: what came of it")
