"""The operators' desk as tests sit at it: the real command line of a context, on a scratch schema."""

import asyncio
import json
from argparse import ArgumentParser
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message
from pydantic import SecretStr

from chassis.settings import KafkaSettings, ObjectStoreSettings
from operating.desk import Group, desk_for

DECIDED = ("--reason", "it was mended", "--by", "ann", "--yes")


@dataclass(frozen=True)
class DeskSettings:
    """What the commands of a context read of its settings."""

    postgres_dsn: SecretStr
    kafka: KafkaSettings
    objects: ObjectStoreSettings | None = None


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed with --json."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class AtDesk:
    """`await desk("outbox", "list", "--json")` does what `python -m services.<context> outbox list --json` does."""

    context: str
    settings: DeskSettings
    groups: Mapping[str, Group]
    capsys: pytest.CaptureFixture[str]
    consumes: Collection[type[Message]] = ()

    async def __call__(self, *arguments: str) -> Said:
        # In a thread, because a command has an event loop of its own.
        code = await asyncio.to_thread(self._run, arguments)
        printed = self.capsys.readouterr()
        return Said(code, printed.out, printed.err)

    def _run(self, arguments: Sequence[str]) -> int:
        parser = ArgumentParser(self.context)
        desk_for(self.context, consumes=self.consumes, groups=self.groups)(parser.add_subparsers(required=True))
        asked = parser.parse_args(arguments)
        code: int = asked.run(self.settings, asked)
        return code
