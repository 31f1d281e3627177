"""What the README shows works as it is written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Stack

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def checkout(platform: Stack, clip: Path, tmp_path: Path) -> Path:
    """A folder as a reader has it after `make up`, with a clip."""
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    (tmp_path / ".nextplay").mkdir()
    shutil.copy(platform.home.path / "stack.json", tmp_path / ".nextplay" / "stack.json")
    shutil.copy(clip, tmp_path / "clip.mp4")
    return tmp_path


def example(heading: str, language: str) -> str:
    """The first block of that language below a heading."""
    section = README.read_text().partition(f"### {heading}\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"the README shows no {language} below {heading}"
    return found[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example of the README uses curl, which is not installed")
def test_the_rest_example_publishes_a_clip(checkout: Path) -> None:
    script = ["bash", "-eu", "-o", "pipefail", "-c", example("REST", "bash")]
    done = subprocess.run(script, cwd=checkout, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert '"UPLOADED"' in done.stdout
    assert '"PUBLISHED"' in done.stdout


def test_the_python_example_publishes_a_clip(checkout: Path) -> None:
    script = example("Python", "python") + '\n    print(nextplay.status(upload["video_id"])["status"])\n'
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "PUBLISHED"
