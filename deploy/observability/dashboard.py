"""The Grafana dashboard of the chart: how users fare first, then what it comes from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 8, 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of the platforms below one Prometheus, those that are chosen; one without namespaces is shown too.
_CHOSEN = 'namespace=~"$namespace"'
_VARIABLES = [
    {"name": "datasource", "type": "datasource", "query": "prometheus"},
    {
        "name": "namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(rpc_server_duration_seconds_count, namespace)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    },
]


@dataclass(frozen=True)
class Panel:
    """A graph. `lines` are queries with how each line is called; `limit` draws the threshold of an alarm."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]
    limit: float | None = None


def _p95(histogram: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile(0.95, sum by ({labels}) (rate({_only(f'{histogram}_bucket')}[$__rate_interval])))"


def _rate(counter: str, by: str) -> str:
    return f"sum by ({by}) (rate({_only(counter)}[$__rate_interval]))"


def _average(histogram: str, by: str) -> str:
    return f"{_rate(f'{histogram}_sum', by)} / {_rate(f'{histogram}_count', by)}"


def _of(how: str, gauge: str, by: str = "") -> str:
    return f"{how} by ({by}) ({_only(gauge)})" if by else f"{how}({_only(gauge)})"


def _only(series: str) -> str:
    """With labels of its own or without."""
    metric, _, labels = series.partition("{")
    return f"{metric}{{{_CHOSEN}, {labels}" if labels else f"{metric}{{{_CHOSEN}}}"


ROWS: dict[str, list[Panel]] = {
    "What users get": [
        Panel("Uploads started", "percentunit", [(_only("upload_initiate_success_rate"), "{{namespace}}")], 0.95),
        Panel("Uploads completed", "percentunit", [(_only("upload_complete_success_rate"), "{{namespace}}")], 0.90),
        Panel("Transcodes", "percentunit", [(_only("transcode_success_rate"), "{{namespace}}")], 0.95),
        Panel(
            "From UPLOADED to READY",
            "s",
            [
                (_only("average_processing_time"), "average {{namespace}}"),
                (_only("processing_time_p95"), "p95 {{namespace}}"),
            ],
            180,
        ),
        Panel("Clips that are too long", "percentunit", [(_only("duration_rejection_rate"), "{{namespace}}")], 0.05),
        Panel("Clips of a wrong format", "percentunit", [(_only("format_rejection_rate"), "{{namespace}}")], 0.02),
    ],
    "Requests": [
        Panel("Requests", "reqps", [(_rate("http_server_duration_seconds_count", "status"), "{{status}}")]),
        Panel("Time to an answer, p95", "s", [(_p95("http_server_duration_seconds", "route"), "{{route}}")]),
        Panel("Being answered", "short", [(_of("sum", "http_server_active"), "requests and streams")]),
        Panel("RPCs", "reqps", [(_rate("rpc_server_duration_seconds_count", "code"), "{{code}}")]),
        Panel("RPCs, p95", "s", [(_p95("rpc_server_duration_seconds", "method"), "{{method}}")]),
        Panel("S3", "reqps", [(_rate("object_store_calls_total", "operation, outcome"), "{{operation}} {{outcome}}")]),
    ],
    "Transcoding": [
        Panel("Clips that wait", "short", [(_of("max", "transcode_queue_depth", "tier"), "{{tier}}")], 100),
        Panel("Wait for a worker, p95", "s", [(_p95("transcode_queue_duration_seconds", "tier"), "{{tier}}")]),
        Panel("Waiting for a worker", "s", [(_of("max", "transcode_queue_oldest_age_seconds", "tier"), "{{tier}}")]),
        Panel("Encoding, p95", "s", [(_p95("transcode_encode_duration_seconds", "encoder"), "{{encoder}}")]),
        Panel(
            "Times real time", "short", [(_average("transcode_encode_speed", "encoder, rung"), "{{encoder}} {{rung}}")]
        ),
        Panel("Ends", "cpm", [(_rate("transcode_jobs_ended_total", "status, code"), "{{status}} {{code}}")]),
        Panel("Probed", "cpm", [(_rate("originals_probed_total", "verdict"), "{{verdict}}")]),
        Panel("Tried again", "cpm", [(_rate("transcode_retries_scheduled_total", "code"), "{{code}}")]),
        Panel("Leases lost", "cpm", [(_rate("leases_lost_total", "table"), "{{table}}")]),
    ],
    "Events": [
        Panel("Oldest unsent", "s", [(_of("max", "outbox_oldest_age_seconds", "schema"), "{{schema}}")], 60),
        Panel("In the outbox", "short", [(_of("max", "outbox_events", "schema, state"), "{{schema}} {{state}}")]),
        Panel("Behind", "short", [(_of("sum", "consumer_lag", "consumer"), "{{consumer}}")]),
        Panel("Oldest in hand", "s", [(_of("max", "consumer_oldest_age_seconds", "consumer"), "{{consumer}}")]),
        Panel("From emission to application, p95", "s", [(_p95("event_delay_seconds", "consumer"), "{{consumer}}")]),
        Panel("Applied", "reqps", [(_rate("events_handled_total", "consumer, outcome"), "{{consumer}} {{outcome}}")]),
        Panel("Longest in work", "s", [(_of("max", "event_in_work_seconds", "consumer"), "{{consumer}}")], 300),
        Panel(
            "Dead letters",
            "cpm",
            [(_rate('events_handled_total{outcome="dead_lettered"}', "consumer"), "{{consumer}}")],
        ),
    ],
    "PostgreSQL": [
        Panel(
            "Connections in use",
            "short",
            [(_of("sum", 'pool_connections{state="in_use"}', "job, pool"), "{{job}} {{pool}}")],
        ),
        Panel("Waiting for a connection", "short", [(_of("sum", "pool_waiting", "job, pool"), "{{job}} {{pool}}")]),
        Panel("Behind the primary", "s", [(_of("max", "replica_lag_seconds"), "replica")]),
    ],
    "Being told": [
        Panel("Written to inboxes", "cpm", [(_rate("notifications_written_total", "kind"), "{{kind}}")]),
        Panel("Attempts", "cpm", [(_rate("delivery_attempts_total", "channel, outcome"), "{{channel}} {{outcome}}")]),
        Panel("Errors of webhooks", "cpm", [(_rate("webhook_errors_total", "error"), "{{error}}")]),
        Panel("Oldest that waits", "s", [(_of("max", "oldest_delivery_seconds", "channel"), "{{channel}}")]),
        Panel("Being sent", "short", [(_of("sum", "deliveries_under_way", "channel"), "{{channel}}")]),
        Panel("Hosts left alone", "short", [(_of("max", "delivery_hosts_left_alone", "channel"), "{{channel}}")]),
    ],
}


def dashboard() -> str:
    """The JSON that Grafana imports."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, shown in ROWS.items():
        panels.append({"type": "row", "title": row, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        y += 1
        for index, panel in enumerate(shown):
            x, line = index % 3 * _WIDTH, y + index // 3 * _HEIGHT
            panels.append(_graph(panel) | {"gridPos": {"x": x, "y": line, "w": _WIDTH, "h": _HEIGHT}})
        y += -(-len(shown) // 3) * _HEIGHT
    described = {
        "uid": "nextplay",
        "title": "NextPlay",
        "tags": ["nextplay"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": _VARIABLES},
        "panels": [one | {"id": number} for number, one in enumerate(panels, 1)],
    }
    return json.dumps(described, indent=1) + "\n"


def _graph(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    custom: dict[str, Any] = {"fillOpacity": 8, "showPoints": "never"}
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": custom,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": called, "datasource": _SOURCE}
            for index, (query, called) in enumerate(panel.lines)
        ],
    }
