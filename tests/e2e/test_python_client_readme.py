"""What the Python client's README shows works as it is written, from the first line to the last."""

import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from deploy.local.stack import Stack

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


def test_all_examples_run_one_after_the_other(platform: Stack, clip: Path, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) > 8
    shutil.copy(clip, tmp_path / "clip.mp4")
    # Somebody new, because a user may start ten uploads an hour.
    program = "\n".join(examples).replace('"alice"', f'"alice-{uuid.uuid4().hex[:8]}"')
    environment = os.environ | {"NEXTPLAY_STACK": str(platform.home.path / "stack.json")}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "100 %" in done.stdout
    assert "VIDEO_NOT_FOUND" in done.stdout
