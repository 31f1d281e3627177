"""Clips made of others, for what a page does with a large one and with one that cannot be used."""

from pathlib import Path


def padded(clip: Path, size: int, to: Path) -> Path:
    """The clip with a box of nothing behind it, `size` bytes in all."""
    data = clip.read_bytes()
    free = size - len(data)
    to.write_bytes(data + free.to_bytes(4, "big") + b"free" + bytes(free - 8))
    return to


def broken(clip: Path, to: Path) -> Path:
    """The clip without its pictures, which its head still promises: only who decodes it can tell."""
    data = clip.read_bytes()
    start = data.index(b"mdat") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    to.write_bytes(data[:start] + bytes(length) + data[start + length :])
    return to
