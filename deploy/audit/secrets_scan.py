"""Secrets in files of the repository: `python -m deploy.audit.secrets_scan [accept]`, a part of `make lint`.

Every file that git has, or would take, is read by detect-secrets, as secrets.json configures it; a file that has not
changed since a look that found nothing is not read again. secrets.json also holds the hash of each find that is no
secret: made-up ones in tests, words in examples. `accept` writes into it all that is found now.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection

from deploy.audit.vulnerabilities import ROOT

ACCEPTED = ROOT / "deploy" / "audit" / "secrets.json"
LOOKED = ROOT / ".cache" / "secrets-looked-for"


def found(root: Path, files: Iterable[str], accepted: Path = ACCEPTED) -> SecretsCollection:
    """What looks like a secret in the files, named as below `root`, and is not accepted."""
    known = baseline.load(baseline.load_from_file(str(accepted)))
    secrets = SecretsCollection()
    with chdir(root):  # a find is known by its name, which is to be the same in every checkout
        secrets.scan_files(*files)
    return secrets - known


def changed(root: Path, since: float) -> list[str] | None:
    """The files that git has or would take and that changed since then; None where there is no git repository."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        return None
    files = (root / name for name in set(listed.stdout.split("\0")) - {""})
    return sorted(str(file.relative_to(root)) for file in files if file.is_file() and file.stat().st_mtime >= since)


def main(accept: bool) -> int:
    last = LOOKED.stat().st_mtime if LOOKED.exists() else 0.0
    mine = (ACCEPTED, Path(__file__), ROOT / "requirements.lock")
    files = changed(ROOT, 0.0 if accept or any(file.stat().st_mtime >= last for file in mine) else last)
    if files is None:
        print("secrets: not looked for, because this is not a git repository.")
        return 0
    if accept:
        accept_all(ROOT, files)
        return 0
    LOOKED.parent.mkdir(exist_ok=True)
    beginning = LOOKED.with_suffix(".new")
    beginning.touch()
    secrets = found(ROOT, files)
    for name, secret in secrets:
        print(f"{name}:{secret.line_number}: this looks like a secret ({secret.type})")
    if secrets:
        print("A secret belongs in none of these files. If it is none: python -m deploy.audit.secrets_scan accept")
        return 1
    beginning.replace(LOOKED)
    return 0


def accept_all(root: Path, files: Iterable[str], accepted: Path = ACCEPTED) -> None:
    """Accept all that is found now, and nothing else. A look that is interrupted changes nothing."""
    nothing = {**baseline.load_from_file(str(accepted)), "results": {}}
    with TemporaryDirectory(dir=accepted.parent) as directory:
        new = Path(directory, accepted.name)
        new.write_text(json.dumps(nothing))
        results = baseline.format_for_output(found(root, files, new), is_slim_mode=True)["results"]
        new.write_text(json.dumps({**nothing, "results": results}, indent=1) + "\n")
        new.replace(accepted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["accept"]))
