"""What is checked in under protos/gen is what the protos say."""

import filecmp
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(directory: Path) -> set[str]:
    return {
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "protos" / "generate.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    checked_in = ROOT / "protos" / "gen"
    assert files(tmp_path) == files(checked_in), "run `make proto`"
    _, changed, unread = filecmp.cmpfiles(checked_in, tmp_path, files(tmp_path), shallow=False)
    assert not changed, f"run `make proto`; it changes {sorted(changed)}"
    assert not unread
