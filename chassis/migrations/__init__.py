"""Schema migrations: files `NNNN_verb_noun.sql`, applied once, in order, forward only.

chassis' own tables (the files beside this module: outbox, inbox, idempotency keys) come first, then the service's.
"""

from pathlib import Path


class MigrationError(Exception):
    """The files and the database disagree; the sentence says which file and how."""


async def migrate(owner_dsn: str, schema: str, directory: Path, *, role: str | None = None) -> list[str]:
    """Bring `schema` up to date with chassis' files and those in `directory`; the names of the files applied now.

    Each file is one transaction. Safe to run from several instances at once: they queue. Everything created is usable
    (DML, no DDL) by the login role `role`, which is named like the schema unless given.
    Raises MigrationError when an applied file was changed or is missing or a new one is numbered below an applied one.
    """
    raise NotImplementedError
