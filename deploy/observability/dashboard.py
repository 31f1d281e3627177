"""The Grafana dashboard of the chart: how users fare first, then what it comes from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 8, 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """A graph. `lines` are queries with how each line is called; `limit` draws the threshold of an alarm."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]
    limit: float | None = None


def _p95(histogram: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile(0.95, sum by ({labels}) (rate({histogram}_bucket[$__rate_interval])))"


def _rate(counter: str, by: str) -> str:
    return f"sum by ({by}) (rate({counter}[$__rate_interval]))"


ROWS: dict[str, list[Panel]] = {
    "What users get": [
        Panel("Uploads started", "percentunit", [("upload_initiate_success_rate", "success")], 0.95),
        Panel("Uploads completed", "percentunit", [("upload_complete_success_rate", "success")], 0.90),
        Panel("Transcodes", "percentunit", [("transcode_success_rate", "success")], 0.95),
        Panel(
            "From UPLOADED to READY",
            "s",
            [("average_processing_time", "average"), ("processing_time_p95", "p95")],
            180,
        ),
        Panel("Clips that are too long", "percentunit", [("duration_rejection_rate", "rejected")], 0.05),
        Panel("Clips of a wrong format", "percentunit", [("format_rejection_rate", "rejected")], 0.02),
    ],
    "Requests": [
        Panel("Requests", "reqps", [(_rate("http_server_duration_seconds_count", "status"), "{{status}}")]),
        Panel("Time to an answer, p95", "s", [(_p95("http_server_duration_seconds", "route"), "{{route}}")]),
        Panel("Being answered", "short", [("sum(http_server_active)", "requests and streams")]),
        Panel("RPCs", "reqps", [(_rate("rpc_server_duration_seconds_count", "code"), "{{code}}")]),
        Panel("RPCs, p95", "s", [(_p95("rpc_server_duration_seconds", "method"), "{{method}}")]),
        Panel("S3", "reqps", [(_rate("object_store_calls_total", "operation, outcome"), "{{operation}} {{outcome}}")]),
    ],
    "Transcoding": [
        Panel("Clips that wait", "short", [("max by (tier) (transcode_queue_depth)", "{{tier}}")], 100),
        Panel("Wait for a worker, p95", "s", [(_p95("transcode_queue_duration_seconds", "tier"), "{{tier}}")]),
        Panel("Encoding, p95", "s", [(_p95("transcode_encode_duration_seconds"), "encoding")]),
        Panel("Ends", "cpm", [(_rate("transcode_jobs_ended_total", "status, code"), "{{status}} {{code}}")]),
        Panel("Probed", "cpm", [(_rate("originals_probed_total", "verdict"), "{{verdict}}")]),
        Panel("Tried again", "cpm", [(_rate("transcode_retries_scheduled_total", "code"), "{{code}}")]),
    ],
    "Events": [
        Panel("Oldest unsent", "s", [("max by (schema) (outbox_oldest_age_seconds)", "{{schema}}")], 60),
        Panel("Behind", "short", [("sum by (consumer) (consumer_lag)", "{{consumer}}")]),
        Panel("From emission to application, p95", "s", [(_p95("event_delay_seconds", "consumer"), "{{consumer}}")]),
        Panel("Applied", "reqps", [(_rate("events_handled_total", "consumer, outcome"), "{{consumer}} {{outcome}}")]),
        Panel("Longest in work", "s", [("max by (consumer) (event_in_work_seconds)", "{{consumer}}")], 300),
        Panel("Behind the primary", "s", [("max(replica_lag_seconds)", "replica")]),
    ],
    "Being told": [
        Panel("Written to inboxes", "cpm", [(_rate("notifications_written_total", "kind"), "{{kind}}")]),
        Panel("Pushes", "cpm", [(_rate("pushes_total", "vendor, outcome"), "{{vendor}} {{outcome}}")]),
        Panel("Webhooks", "cpm", [(_rate("webhook_attempts_total", "outcome"), "{{outcome}}")]),
        Panel("Oldest that waits", "s", [("max by (channel) (oldest_delivery_seconds)", "{{channel}}")]),
        Panel("Being sent", "short", [("sum by (channel) (deliveries_under_way)", "{{channel}}")]),
        Panel("Hosts left alone", "short", [("max by (channel) (delivery_hosts_left_alone)", "{{channel}}")]),
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
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
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
