"""`make bench`: what the platform costs, as ratios taken in one run, each with its limit and how it was taken.

    python -m benchmarks                  all of them
    python -m benchmarks transcode idle   some
    python -m benchmarks --json           for programs

Exit status: 0 all within their limits, 1 not, 2 wrong usage.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    chain,
    eta,
    feeds,
    idle,
    ladder,
    ledger,
    relay,
    rolling,
    sandbox,
    sdk,
    start,
    studio,
    telemetry,
    transcode,
    watching,
    webhooks,
)
from benchmarks.measure import Measure, report

BENCHMARKS: Mapping[str, Callable[[], list[Measure]]] = {
    "chain": chain.measure,
    "telemetry": telemetry.measure,
    "feeds": feeds.measure,
    "ledger": ledger.measure,
    "webhooks": webhooks.measure,
    "watching": watching.measure,
    "sdk": sdk.measure,
    "studio": studio.measure,
    "ladder": ladder.measure,
    "transcode": transcode.measure,
    "sandbox": sandbox.measure,
    "eta": eta.measure,
    "rolling": rolling.measure,
    "start": start.measure,
    "relay": relay.measure,
    "idle": idle.measure,
}


def main() -> int:
    """Run the chosen benchmarks one after the other, because they share two cores."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print the measures as JSON")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    measures: list[Measure] = []
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measures += BENCHMARKS[name]()
    print(
        json.dumps([dataclasses.asdict(measure) for measure in measures], indent=2)
        if options.json
        else report(measures)
    )
    return 0 if all(measure.within for measure in measures) else 1


if __name__ == "__main__":
    sys.exit(main())
