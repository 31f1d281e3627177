"""Cutting a file into parts."""

import base64
import hashlib
from pathlib import Path

import pytest

from nextplay_client.uploading.parts import Part, checksum, cut


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def test_a_file_is_cut_into_equal_parts_and_a_shorter_last_one() -> None:
    assert cut(25, 10) == [Part(1, 0, 10), Part(2, 10, 10), Part(3, 20, 5)]


def test_a_file_of_exactly_one_part_is_one_part() -> None:
    assert cut(10, 10) == [Part(1, 0, 10)]


def test_the_checksum_of_a_part_is_that_of_its_bytes_alone(clip: Path) -> None:
    data = clip.read_bytes()
    for part in cut(len(data), 300_000):
        wanted = hashlib.sha256(data[part.offset : part.offset + part.length]).digest()
        assert base64.b64decode(checksum(clip, part)) == wanted
