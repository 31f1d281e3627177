"""Known vulnerabilities in what the lock files pin: `make audit`, or `python -m deploy.audit`.

Python's packages are looked up at OSV by pip-audit, npm's at npm's registry by `npm audit`. What ignored.toml names,
with a reason and the last day on which it holds, is passed over. The exit status is 0 if no vulnerability is known, 1
if one is, and 3 if the data about a lock file could not be had: then nothing is known of what that file pins.
"""

import sys
from datetime import UTC, datetime

from deploy.audit.vulnerabilities import ROOT, Found, NoData, npm_audit, passed_over, pip_audit

PYTHON_LOCKS = (
    "requirements.lock",
    "deploy/image/requirements.lock",
    "deploy/image/build.lock",
    "deploy/local/node.lock",
)
NPM_LOCKS = ("web/package-lock.json", "examples/package-lock.json")


def main() -> int:
    over = passed_over(ROOT / "deploy/audit/ignored.toml", datetime.now(UTC).date())
    found, missing = set[Found](), False
    for name in (*PYTHON_LOCKS, *NPM_LOCKS):
        look = npm_audit if name in NPM_LOCKS else pip_audit
        try:
            listed = look(ROOT / name)
        except NoData as error:
            missing = True
            print(f"{name} was not checked: {error}")
            continue
        known = {one for one in listed if not one.names & over}
        print(f"{name}: {len(known) or 'no'} known vulnerabilities, {len(listed) - len(known)} passed over.")
        found |= known
    for one in sorted(found, key=str):
        print(one)
    return 1 if found else 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
