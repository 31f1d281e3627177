"""The sizes that keep small what everybody has to read."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("package", "most"), [("chassis", 2500), ("gateway", 899)])
def test_a_package_that_everybody_reads_stays_small(package: str, most: int) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    sizes = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    total = sum(sizes.values())
    assert total <= most, f"{package} has {total} lines, {total - most} too many: {sizes}"
