"""The examples that need no browser, as a reader runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.conftest import TokenFor

EXAMPLES = Path(__file__).parents[2] / "examples"
UPLOADS = "nextplay.upload.v1.UploadService"


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=180, check=False
    )


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the example uses curl, which is not installed")


@needs_curl
def test_curl_alone_takes_a_clip_to_published(platform: Stack, token_for: TokenFor, clip: Path, tmp_path: Path) -> None:
    script = EXAMPLES / "upload.sh"
    assert len(script.read_text().splitlines()) < 60
    larger = tmp_path / "two parts.mp4"
    padding = 11 * 1024 * 1024
    larger.write_bytes(clip.read_bytes() + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    command = ["sh", str(script), str(larger), "My first goal", "sports"]
    done = run(command, API=platform.gateway, TOKEN=token_for("curl"))
    assert done.returncode == 0, done.stderr
    assert "part 2 sent" in done.stdout
    assert done.stdout.splitlines()[-1] == "PUBLISHED"


@needs_curl
def test_the_script_ends_with_the_problem_where_it_is_refused(platform: Stack, token_for: TokenFor, clip: Path) -> None:
    command = ["sh", str(EXAMPLES / "upload.sh"), str(clip), "My first goal", "knitting"]
    done = run(command, API=platform.gateway, TOKEN=token_for("curl"))
    assert done.returncode != 0
    assert "category must be one of" in done.stdout + done.stderr


def test_what_a_server_offers_is_asked_of_itself(platform: Stack) -> None:
    address = f"127.0.0.1:{platform.ports['upload-grpc']}"
    done = run([sys.executable, str(EXAMPLES / "reflection.py"), address])
    assert done.returncode == 0, done.stderr
    assert f"{UPLOADS}/GetUpload" in done.stdout.splitlines()
    assert "grpc.health.v1.Health/Check" in done.stdout.splitlines()


def test_a_method_is_called_without_its_protos(platform: Stack, token_for: TokenFor) -> None:
    address = f"127.0.0.1:{platform.ports['upload-grpc']}"
    announced = json.dumps(
        {
            **{"title": "By reflection", "category": "sports", "filename": "clip.mp4"},
            **{"content_type": "video/mp4", "file_size_bytes": 1000},
        }
    )
    command = [sys.executable, str(EXAMPLES / "reflection.py"), address]
    begun = run([*command, f"{UPLOADS}/InitiateUpload", announced], TOKEN=token_for("reflection"))
    assert begun.returncode == 0, begun.stderr
    upload = json.loads(begun.stdout)
    asked = json.dumps({"upload_id": upload["upload_id"]})
    found = run([*command, f"{UPLOADS}/GetUpload", asked], TOKEN=token_for("reflection"))
    assert json.loads(found.stdout)["video_id"] == upload["video_id"]
    refused = run([*command, f"{UPLOADS}/GetUpload", asked], TOKEN=token_for("somebody-else"))
    assert refused.returncode == 1
    assert re.match("NOT_FOUND: ", refused.stderr)
