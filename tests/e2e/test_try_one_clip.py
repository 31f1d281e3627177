"""What `helm test` runs in a cluster, run here."""

import os
import subprocess
import sys
import uuid

import httpx

from deploy.local.stack import Stack
from tests.conftest import TokenFor


def tried(**settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.try_one_clip"]
    return subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=180, check=False
    )


def test_a_clip_goes_to_ready_and_is_deleted_again(platform: Stack, token_for: TokenFor) -> None:
    token = token_for(f"helm-{uuid.uuid4().hex[:8]}")
    ended = tried(NEXTPLAY_URL=platform.gateway, NEXTPLAY_TOKEN=token)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "A clip went from upload to READY.\n"
    headers = {"Authorization": f"Bearer {token}"}
    listed = httpx.get(f"{platform.gateway}/v1/videos", headers=headers, timeout=10, trust_env=False)
    assert listed.json()["videos"] == []


def test_a_gateway_that_is_not_there_is_told_in_a_sentence() -> None:
    ended = tried(NEXTPLAY_URL="nowhere", NEXTPLAY_TOKEN="a token")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_what_is_not_set_is_told_by_its_name() -> None:
    ended = tried(NEXTPLAY_URL="", NEXTPLAY_TOKEN="")
    assert ended.returncode == 1
    assert "NEXTPLAY_TOKEN" in ended.stderr
