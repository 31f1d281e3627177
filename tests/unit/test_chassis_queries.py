"""The loader of named SQL."""

import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest

from chassis import queries


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "package_with_queries"
    directory.mkdir()
    (directory / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    invalidate_caches()
    monkeypatch.delitem(sys.modules, directory.name, raising=False)
    return directory


def test_each_block_is_a_query_by_its_name_with_its_reason(package: Path) -> None:
    (package / "queries.sql").write_text("""\
-- About this file.

-- name: find_thing
-- By primary key.
SELECT color FROM things WHERE id = $1;

-- name: count_things
SELECT count(*)
FROM things
""")
    loaded = queries.load(package.name)
    assert dict(loaded) == {
        "find_thing": "-- find_thing\n-- By primary key.\nSELECT color FROM things WHERE id = $1",
        "count_things": "-- count_things\nSELECT count(*)\nFROM things",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "names the query a twice"),
        ("-- name: a\n-- only a comment\n-- name: b\nSELECT 1", "no statement under the name a"),
    ],
)
def test_a_name_given_twice_or_without_a_statement_is_refused(package: Path, text: str, complaint: str) -> None:
    (package / "queries.sql").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        queries.load(package.name)
