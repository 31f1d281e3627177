"""`python -m deploy.observability` writes docs/metrics.md, docs/log-events.md and the chart's dashboard from the code.

With `--check` it writes nothing and exits with 1 when one of them is not what it would write.
"""

import argparse
import sys
from pathlib import Path

from deploy.observability.catalogue import declared_metrics
from deploy.observability.dashboard import dashboard
from deploy.observability.log_events import logged_events
from deploy.observability.log_events import page as page_of_events
from deploy.observability.page import page

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser("python -m deploy.observability", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    made = {
        ROOT / "docs" / "metrics.md": page(declared_metrics()),
        ROOT / "docs" / "log-events.md": page_of_events(logged_events(ROOT)),
        ROOT / "deploy" / "helm" / "nextplay" / "files" / "dashboard.json": dashboard(),
    }
    stale = [file for file, text in made.items() if not file.exists() or file.read_text() != text]
    if check:
        for file in stale:
            print(f"{file.relative_to(ROOT)} is not what is declared; run `make docs`.", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    for file in stale:
        file.write_text(made[file])
    return 0


if __name__ == "__main__":
    sys.exit(main())
