"""The image that the chart runs: what it installs is what is tested, and nobody in it is root."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.home import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pinned(lock: str) -> set[str]:
    """What a lock file pins: name, version and where it holds."""
    return set(re.findall(r"^([\w.-]+==[^\\\n]+?) \\$", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_image_installs_what_the_tests_ran_with() -> None:
    assert {"asyncpg", "av", "grpcio", "starlette"} <= {
        one.partition("==")[0] for one in pinned("deploy/image/requirements.lock")
    }
    versions = {one.partition(" ;")[0] for one in pinned("requirements.lock")}
    for lock in ("deploy/image/requirements.lock", "deploy/image/build.lock"):
        assert {one.partition(" ;")[0] for one in pinned(lock)} <= versions, f"{lock} is stale; run `make lock`"


def test_every_installation_goes_by_hashes() -> None:
    for command in re.findall(r"pip install [^\n\\]*", DOCKERFILE):
        assert "--require-hashes" in command


def test_base_images_can_be_given_by_digest_and_nothing_else_is_a_base() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}", "${NODE_IMAGE}"}


def test_the_image_runs_as_the_user_that_the_chart_names() -> None:
    user = re.findall(r"^USER (\d+):(\d+)", DOCKERFILE, re.MULTILINE)
    pod = (ROOT / "deploy/helm/nextplay/templates/_pod.tpl").read_text()
    assert user == [tuple(re.findall(r"runAs(?:User|Group): (\d+)", pod))]


def test_hadolint_finds_nothing_wrong() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint has no wheel for this platform")
    ended = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout


def test_whatever_is_copied_into_the_image_is_sent_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in copied.split():
            assert (ROOT / source).exists(), source
            assert any(source == one or source.startswith(f"{one}/") for one in sent), source
