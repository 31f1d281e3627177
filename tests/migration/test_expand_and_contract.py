"""Migrations expand: the version before works on with what they make, because its instances run beside the new ones.

What takes something away says in its first lines which release has stopped using it, one that is out already:

    -- unused since 0.2.0: nothing reads videos.heard_at any more

What was there before the first release is not asked; no other version has ever run on it.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.home import ROOT

BEFORE_THE_FIRST_RELEASE = {"chassis": 4, "upload": 6, "media": 6, "catalog": 16, "notify": 19}
FILES = sorted([*ROOT.glob("services/*/migrations/*.sql"), *ROOT.glob("chassis/migrations/*.sql")])

TAKES_AWAY = {
    r"\bDROP (TABLE|VIEW|TYPE|SEQUENCE|FUNCTION|TRIGGER|SCHEMA)\b": "drops something that the version before may use",
    r"\bDROP COLUMN\b": "drops a column that the version before may read or write",
    r"\bDROP DEFAULT\b": "drops a default on which inserts of the version before may rely",
    r"\bRENAME\b": "renames what the version before knows by its old name",
    r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b": "changes a type: the table is rewritten and prepared statements fail",
    r"\bALTER (COLUMN )?\w+ SET NOT NULL\b": "demands a value that the version before may leave out",
    r"\bADD (COLUMN )?(?!CONSTRAINT)[^,;]*\bNOT NULL\b(?![^,;]*\bDEFAULT)": "adds a column that every insert must give",
    r"\bADD (CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b": "adds a rule that the version before does not know",
    r"\b(TRUNCATE|REVOKE)\b": "takes away what the version before works with",
}
UNUSED = re.compile(r"^-- unused since (\d+)\.(\d+)\.(\d+): \S", re.MULTILINE)


def release() -> tuple[int, ...]:
    """The version that is being made: those before it are out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return tuple(int(part) for part in project["version"].split("."))


def objections(sql: str, release: tuple[int, ...]) -> Iterator[str]:
    """Why a migration cannot come with this release."""
    told = UNUSED.search(sql)
    code = re.sub(r"--[^\n]*|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", " ", sql, flags=re.DOTALL)
    code = re.sub(r"\s+", " ", code).upper().replace(" IF EXISTS ", " ").replace(" IF NOT EXISTS ", " ")
    made = set(re.findall(r"\bCREATE TABLE (\w+)", code))
    for statement in code.split(";"):
        if (named := re.search(r"\b(?:ALTER TABLE|INDEX \w+ ON) (?:ONLY )?(\w+)", statement)) and named[1] in made:
            continue
        if re.search(r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)", statement):
            yield "builds an index, and nobody can write meanwhile: CONCURRENTLY, in a file of its own"
        for pattern, why in TAKES_AWAY.items():
            if re.search(pattern, statement) and not (told and tuple(map(int, told.groups())) < release):
                yield why
    if "CONCURRENTLY" in code:
        for name in re.findall(r"\bCREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+)", code):
            if f"DROP INDEX CONCURRENTLY {name}" not in code:
                yield f"cannot be run again where building {name} failed: DROP INDEX CONCURRENTLY IF EXISTS before it"
        if not sql.startswith("-- without transaction\n"):
            yield "builds an index concurrently, and must begin with the line `-- without transaction`"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}/{file.name}")
def test_a_migration_takes_nothing_from_the_version_before(file: Path) -> None:
    context, number = file.parts[-3], int(file.name[:4])
    if number > BEFORE_THE_FIRST_RELEASE[context]:
        assert list(objections(file.read_text(), release())) == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE videos DROP COLUMN heard_at;",
        "ALTER TABLE videos ADD COLUMN a int, DROP COLUMN IF EXISTS b",
        "DROP TABLE IF EXISTS videos;",
        "ALTER TABLE videos RENAME COLUMN title TO name;",
        "ALTER TABLE videos RENAME TO clips;",
        "ALTER TABLE videos ALTER COLUMN title TYPE varchar(10);",
        "ALTER TABLE videos\n    ALTER title SET DATA TYPE text;",
        "ALTER TABLE videos ALTER COLUMN title SET NOT NULL;",
        "ALTER TABLE videos ADD COLUMN host text NOT NULL;",
        "ALTER TABLE videos ADD COLUMN a int DEFAULT 1, ADD COLUMN b int NOT NULL;",
        "ALTER TABLE videos ADD CONSTRAINT short CHECK (length(title) < 10);",
        "ALTER TABLE videos ALTER COLUMN title DROP DEFAULT;",
        "CREATE INDEX videos_title ON videos (title);",
        "CREATE INDEX CONCURRENTLY videos_title ON videos (title);",
        "-- without transaction\nCREATE INDEX CONCURRENTLY videos_title ON videos (title);",
        "-- unused since 0.2.0: the same release\nDROP TABLE videos;",
        "-- unused since some time\nDROP TABLE videos;",
    ],
)
def test_what_would_break_the_version_before_is_found(sql: str) -> None:
    assert list(objections(sql, (0, 2, 0))) != []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE clips (id uuid PRIMARY KEY, title text NOT NULL);\nCREATE INDEX clips_title ON clips (title);",
        "ALTER TABLE videos ADD COLUMN a int, ADD COLUMN b boolean NOT NULL DEFAULT false;",
        "ALTER TABLE videos ADD COLUMN a numeric(10, 2) NOT NULL DEFAULT 0;",
        "ALTER TABLE videos ALTER COLUMN title DROP NOT NULL; -- no RENAME of anything",
        "COMMENT ON TABLE videos IS 'DROP TABLE videos';",
        "-- without transaction\nDROP INDEX CONCURRENTLY IF EXISTS a;\nCREATE INDEX CONCURRENTLY a ON videos (b);\n",
        "-- Nobody reads it.\n-- unused since 0.1.9: videos.heard_at\nALTER TABLE videos DROP COLUMN heard_at;",
    ],
)
def test_what_the_version_before_does_not_notice_is_let_through(sql: str) -> None:
    assert list(objections(sql, (0, 2, 0))) == []
