"""Studio's own tests of what needs no browser."""

import subprocess

import pytest

from deploy.local.home import ROOT

BUILT = ROOT / "web" / "dist" / "index.html"


@pytest.mark.skipif(not BUILT.exists(), reason="Studio is not built; see what `make web` says")
def test_the_units_of_studio_hold() -> None:
    tested = subprocess.run(
        [ROOT / "deploy/local/web.sh", "npm", "run", "--silent", "test"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
