"""docs/metrics.md."""

from collections.abc import Sequence

from deploy.observability.catalogue import PACKAGES, Metric

_HEAD = """\
# Metrics

What each process tells at `/metrics` for Prometheus, and to an OTLP collector where `OTEL_EXPORTER_OTLP_ENDPOINT` is
set. This page is made from the declarations (`make docs`). Jobs are over before anybody could ask them, so what they
measure reaches OTLP alone.

The six metrics of the specification and what alarms look at are computed from these by
[`rules.yaml`](../deploy/helm/nextplay/files/rules.yaml); each alarm has a page in [`runbooks`](runbooks). Labels are
bounded: methods, routes, topics, types, codes and tiers of which there is a list, and of hosts the ten of each channel
that matter most. The [dashboard](../deploy/helm/nextplay/files/dashboard.json) is made by the same command.
"""

_TITLES = {"chassis": "Every service", "gateway": "The gateway"}


def page(metrics: Sequence[Metric]) -> str:
    """The text of docs/metrics.md."""
    parts = [_HEAD]
    for package in PACKAGES:
        rows = [
            f"| `{one.prometheus}` | {one.kind} | {one.unit.strip('{}')} | {one.description.rstrip('.')} |"
            for one in metrics
            if one.package == package
        ]
        title = _TITLES.get(package, package.capitalize())
        parts.append(
            "\n".join([f"## {title}\n", "| metric | kind | unit | what it says |", "|---|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(parts)
