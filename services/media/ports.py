"""What the use cases of media need from the outside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias
from uuid import UUID

from services.media.domain.source import Source


class Objects(Protocol):
    """The object store. Raises Unavailable, and ObjectNotFound where an object is read."""

    async def get_range(self, key: str, start: int, length: int) -> bytes: ...
    async def download(self, key: str, path: Path) -> None: ...
    async def put(self, key: str, data: bytes, *, content_type: str, cache_control: str = ...) -> None: ...
    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = ...) -> None: ...
    async def delete_prefix(self, prefix: str) -> int: ...


class Prober(Protocol):
    async def probe(self, key: str, size_bytes: int) -> Source:
        """Measure the original below `key`. Raises Rejected where it can't be measured, Fault."""
        ...


Report: TypeAlias = Callable[[str, float], None]
"""Told how far a stage is: its name (`domain.job.STAGES`) and a fraction from 0 to 1."""


@dataclass(frozen=True)
class Task:
    """What a transcoder is asked for: all outputs of the source, below a prefix that is the run's own."""

    run_id: UUID
    input_s3_key: str
    output_s3_prefix: str
    source: Source


@dataclass(frozen=True)
class Asset:
    """One stored output; for HLS the master playlist, with the sizes of all its objects together.

    `kind` is MP4_720, MP4_480, MP4_240, HLS, THUMB or PREVIEW; `size` is width and height in pixels. Bit rate (bits
    per second, audio included) and duration are 0 for pictures.
    """

    kind: str
    s3_key: str
    content_type: str
    size_bytes: int
    size: tuple[int, int]
    bitrate_bps: int = 0
    duration_ms: int = 0


@dataclass(frozen=True)
class Outputs:
    """What a transcoder stored, and how long it encoded."""

    assets: tuple[Asset, ...]
    encode_ms: int


class Transcoder(Protocol):
    async def transcode(self, task: Task, report: Report) -> Outputs:
        """Make and store all outputs; when it returns, every object is readable.

        Raises Rejected when decoding shows that the original is unacceptable, and Fault. Whatever happens, cancelling
        included, nothing of it runs on; objects that were stored until then are the caller's to remove.
        """
        ...
