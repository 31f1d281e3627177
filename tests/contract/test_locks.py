"""Every lock file pins versions with hashes, and names no place to download from: that is for whoever installs."""

import json
import re

import pytest

from deploy.audit.__main__ import NPM_LOCKS, PYTHON_LOCKS
from deploy.audit.vulnerabilities import ROOT


def test_every_lock_file_is_looked_at() -> None:
    left_out = {".venv", "node_modules", ".cache", ".nextplay"}
    there = {
        str(file.relative_to(ROOT))
        for pattern in ("*.lock", "package-lock.json")
        for directory in (ROOT, *(one for one in ROOT.iterdir() if one.is_dir() and one.name not in left_out))
        for file in (directory.glob(pattern) if directory == ROOT else directory.rglob(pattern))
        if not left_out & set(file.parts)
    }
    assert there == {*PYTHON_LOCKS, *NPM_LOCKS}


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_every_python_package_has_a_version_and_hashes_and_no_address(lock: str) -> None:
    requirements = (ROOT / lock).read_text().replace("\\\n", " ").splitlines()
    assert requirements
    for requirement in requirements:
        named, *hashes = re.split(r"\s+--hash=", requirement.strip())
        assert re.fullmatch(r"[a-z0-9.-]+==[^\s;]+( ;.*)?", named), named
        assert "://" not in named
        assert hashes, named
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), named


@pytest.mark.parametrize("lock", NPM_LOCKS)
def test_every_npm_package_has_a_version_and_a_hash_and_no_address(lock: str) -> None:
    read = json.loads((ROOT / lock).read_text())
    packages = {name: package for name, package in read["packages"].items() if name}
    assert read["lockfileVersion"] == 3
    assert packages
    for name, package in packages.items():
        assert package["version"], name
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
