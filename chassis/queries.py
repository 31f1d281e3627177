"""Named SQL: every statement lives in a `queries.sql`, with a name and the reason for its shape.

-- name: lock_upload
-- By primary key; locks the aggregate before its outbox row is written.
SELECT … FROM uploads WHERE upload_id = $1 AND user_id = $2 FOR UPDATE

QUERIES = queries.load(__package__)
await connection.fetchrow(QUERIES["lock_upload"], upload_id, user_id)
"""

import re
from collections.abc import Mapping
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load(package: str, name: str = "queries.sql") -> Mapping[str, str]:
    """The statements of `package`'s file by name, their comments included, so that the server's logs explain them.

    Raises ValueError for a name given twice or a block without a statement.
    """
    _, *blocks = _NAME.split(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
    statements: dict[str, str] = {}
    for key, block in zip(blocks[::2], blocks[1::2], strict=True):
        statement = block.strip().removesuffix(";")
        if key in statements:
            raise ValueError(f"{package}/{name} names the query {key} twice")
        if not re.sub(r"^--.*$", "", statement, flags=re.MULTILINE).strip():
            raise ValueError(f"{package}/{name} has no statement under the name {key}")
        statements[key] = f"-- {key}\n{statement}"
    return statements
