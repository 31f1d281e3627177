"""The threat model names tests that exist."""

import re

from deploy.local.home import ROOT


def test_every_test_that_is_named_exists() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) >= 10
    assert named <= {file.stem for file in (ROOT / "tests").rglob("test_*.py")}
