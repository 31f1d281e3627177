"""Studio's own tests of its pure parts, in TypeScript (web/tests), are a part of ours."""

import subprocess

from deploy.local.home import ROOT


def test_the_parts_of_studio_pass_their_tests() -> None:
    command = ["deploy/local/web.sh", "npm", "run", "--silent", "test"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
