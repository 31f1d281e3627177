"""The Python client against the whole platform."""

import base64
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from nextplay_client import Client
from nextplay_client.errors import Unreachable
from nextplay_client.uploading.parts import Part
from tests.e2e.bucket import keys_below
from tests.e2e.people import PART_BYTES, execute

SIGNED = """
    SELECT u.part_checksums, u.status, p.part_number, p.checksum_sha256
    FROM uploads u JOIN upload_parts p USING (upload_id) WHERE u.user_id = $1 ORDER BY p.part_number
"""


@pytest.fixture
def user(platform: Stack) -> str:
    return f"dora-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(platform: Stack, user: str) -> Iterator[Client]:
    with Client(platform.gateway, platform.issuer.user_token(user)) as opened:
        yield opened


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    file = tmp_path / "clip.mp4"
    file.write_bytes(uuid.uuid4().bytes * (PART_BYTES // 16) + b"the second part")
    return file


@pytest.mark.usefixtures("no_transcodes")
def test_each_part_is_announced_signed_and_sent_with_its_sha256(
    platform: Stack, user: str, client: Client, two_parts: Path
) -> None:
    completed = client.upload(two_parts, title="In two parts", category="sports", preflight=False)
    data = two_parts.read_bytes()
    wanted = [hashlib.sha256(data[start : start + PART_BYTES]).digest() for start in range(0, len(data), PART_BYTES)]
    signed = execute(platform.dsn("upload"), SIGNED, user_id(user))
    assert [base64.b64decode(part["checksum_sha256"]) for part in signed] == wanted
    assert {(part["part_checksums"], part["status"]) for part in signed} == {(True, "COMPLETED")}
    assert keys_below(platform, f"uploads/{user_id(user)}/{completed['video_id']}/")


def test_a_part_whose_bytes_are_not_the_signed_ones_is_not_stored(
    platform: Stack, user: str, client: Client, two_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_other_bytes(path: Path, part: Part) -> str:
        return base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()

    monkeypatch.setattr("nextplay_client.uploading.checksums.checksum", of_other_bytes)
    with stamina.set_testing(True, attempts=2, cap=True), pytest.raises(Unreachable, match="S3 answered 400"):
        client.upload(two_parts, title="Damaged on the way", category="sports", preflight=False)
    signed = execute(platform.dsn("upload"), SIGNED, user_id(user))
    assert {part["status"] for part in signed} == {"IN_PROGRESS"}
