"""The tokens by which services call each other: renewed while the services run, and of no use where they are stolen."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.identity import service_token_file, write_service_tokens
from deploy.local.stack import Stack

HOUR = 3600


@pytest.fixture
def token_of_upload(platform: Stack) -> Iterator[Path]:
    """The file with which upload calls the catalog; it holds a good token again afterwards."""
    try:
        yield service_token_file(platform.home, "upload")
    finally:
        write_service_tokens(platform.home, platform.issuer, ["upload"])


def initiate(platform: Stack) -> httpx.Response:
    """Begin an upload, for which upload calls the catalog as itself."""
    return httpx.post(
        f"{platform.gateway}/v1/uploads/initiate",
        headers={"Authorization": f"Bearer {platform.issuer.user_token(f'caller-{uuid.uuid4().hex[:8]}')}"},
        json={
            "title": "A clip",
            "category": "sports",
            "filename": "clip.mp4",
            "content_type": "video/mp4",
            "file_size_bytes": 1000,
        },
        timeout=20,
    )


def test_a_service_goes_on_with_its_renewed_token_without_a_restart(platform: Stack, token_of_upload: Path) -> None:
    assert initiate(platform).status_code == 200

    token_of_upload.write_text(platform.issuer.service_token("upload", exp=int(time.time()) - 60))
    refused = initiate(platform)
    # Not 401: it is not the user's token that is wrong.
    assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")

    write_service_tokens(platform.home, platform.issuer, ["upload"])
    assert initiate(platform).status_code == 200


def test_a_token_that_lasts_longer_than_an_hour_is_no_services_token(platform: Stack, token_of_upload: Path) -> None:
    token_of_upload.write_text(platform.issuer.service_token("upload", exp=int(time.time()) + HOUR + 60))
    assert initiate(platform).status_code == 503


def test_a_users_token_is_no_services_token(platform: Stack, token_of_upload: Path) -> None:
    token_of_upload.write_text(platform.issuer.user_token("alice"))
    assert initiate(platform).status_code == 503
