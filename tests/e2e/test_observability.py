"""What people look at is made of what is measured: the page, the rules, the dashboard."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import VALUES_FILE
from tests.e2e.conftest import MakePerson
from tests.e2e.people import until
from tests.e2e.test_webhooks import delivered, receiver, register

FILES = VALUES_FILE.parent / "files"
WORDS = re.compile(r"\b[a-z][a-z0-9:]*(?:_[a-z0-9:]+)+\b")
PROCESSES = ("upload-metrics", "media-metrics", "media-worker-metrics", "catalog-metrics", "notify-metrics", "gateway")
OF_A_SERIES = re.compile("_(bucket|sum|count)$")
OF_THE_SCRAPE = {"namespace", "job"}
QUEUE = ("transcode_queue_depth", "transcode_queue_oldest_age_seconds")
OF_PROMQL = {"histogram_quantile", "__rate_interval", "rate_interval"}


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load((FILES / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    """Every expression of the rules and of the dashboard."""
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    return [rule["expr"] for rule in rules()] + [t["expr"] for panel in panels for t in panel.get("targets", [])]


def named_metrics(query: str) -> set[str]:
    """The metrics that an expression reads: names outside of quotes and of lists of labels."""
    bare = re.sub(r'"[^"]*"|\b(?:by|on) \([^)]*\)|\w+(?==)', "", query)
    return {OF_A_SERIES.sub("", word) for word in WORDS.findall(bare)} - OF_PROMQL


def read_labels(query: str) -> dict[str, set[str]]:
    """For each metric that is selected or summed alone, by which labels."""
    found = defaultdict[str, set[str]](set)
    for metric, selected in re.findall(r"([a-z_]+)\{([^}]*)\}", query):
        found[OF_A_SERIES.sub("", metric)] |= set(re.findall(r"(\w+)=", selected))
    for labels, metric in re.findall(r"by \(([^)]*)\) \((?:rate\(|increase\()?([a-z_]+)", query):
        found[OF_A_SERIES.sub("", metric)] |= set(labels.split(", ")) - {"le"}
    return {metric: labels - OF_THE_SCRAPE for metric, labels in found.items()}


def test_the_page_and_the_dashboard_are_what_is_declared() -> None:
    command = [sys.executable, "-m", "deploy.observability", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_metric_that_is_asked_for_is_declared_or_recorded() -> None:
    declared = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for query in queries():
        assert named_metrics(query) <= declared | recorded, query


MOVED = {
    # What the specification's six are computed from.
    "upload_initiates_total": {"outcome": "ok"},
    "outbox_sent_total": {"type": "nextplay.upload.v1.UploadCompleted"},
    "transcode_jobs_ended_total": {"status": "COMPLETED"},
    "processing_time_seconds_count": {},
    "originals_probed_total": {"verdict": "format_rejected"},
    # Requests, and how long they took.
    "http_server_duration_seconds_count": {"status": "200"},
    "rpc_server_duration_seconds_count": {"method": "nextplay.upload.v1.UploadService.InitiateUpload", "code": "OK"},
    # Events.
    "events_handled_total": {"consumer": "catalog", "outcome": "applied"},
    "event_delay_seconds_count": {"consumer": "notify"},
    # Transcodes.
    "transcode_encode_duration_seconds_count": {"encoder": "ffmpeg"},
    "transcode_encode_speed_sum": {"encoder": "ffmpeg", "rung": "MP4_240"},
    "transcode_queue_duration_seconds_count": {"tier": "free"},
    # S3.
    "object_store_calls_total": {"operation": "CompleteMultipartUpload", "outcome": "ok"},
    # Being told.
    "notifications_written_total": {"kind": "video_ready"},
    "delivery_attempts_total": {"channel": "webhook", "outcome": "delivered"},
    "webhook_latency_seconds_count": {},
}
"""What a clip that is published, another one that is no video, and a webhook move."""
SHOWN = {
    "pool_connections": {"pool": "upload", "state": "idle"},
    "pool_connections_most": {"pool": "media-worker"},
    "pool_waiting": {"pool": "catalog"},
    "outbox_events": {"schema": "media", "state": "unsent"},
    "outbox_oldest_age_seconds": {"schema": "catalog"},
    "consumer_lag": {"consumer": "media"},
    "consumer_oldest_age_seconds": {"consumer": "notify"},
    "event_in_work_seconds": {"consumer": "catalog"},
}
"""What is there at any moment. That it moves, and what a lost lease or dead letter moves, is shown where it is made."""


def metrics_of(platform: Stack, *processes: str) -> list[Sample]:
    texts = (
        httpx.get(f"http://127.0.0.1:{platform.ports[one]}/metrics", timeout=10, trust_env=False).text
        for one in processes
    )
    return [sample for text in texts for family in text_string_to_metric_families(text) for sample in family.samples]


def total(samples: Sequence[Sample], metric: str, labels: dict[str, str]) -> float | None:
    found = [one.value for one in samples if one.name == metric and labels.items() <= one.labels.items()]
    return sum(found) if found else None


def test_a_run_moves_what_it_is_about_and_each_metric_has_the_labels_by_which_it_is_asked_for(
    platform: Stack, person: MakePerson, clip: Path, tmp_path: Path
) -> None:
    alice = person("alice")
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no video at all" * 1000)
    platform.hold("media-worker")
    before = metrics_of(platform, *(one for one in PROCESSES if one != "media-worker-metrics"))
    with receiver() as received:
        webhook = register(alice, url=received.url)["webhook"]
        uploaded = alice.upload(clip)

        def waiting() -> list[float] | None:
            of_media = metrics_of(platform, "media-metrics")
            told = [total(of_media, name, {"tier": "free"}) or 0 for name in QUEUE]
            return told if all(told) else None

        until(waiting, seconds=20, what="the clip waiting for a worker")
        platform.release("media-worker")
        alice.upload(noise).becomes("REJECTED_FORMAT")
        uploaded.becomes("READY")
        assert alice.post(f"/v1/videos/{uploaded.video_id}/publish").status_code == 200
        delivered(alice, webhook["webhook_id"], 1)

    def unmoved() -> list[str]:
        after = metrics_of(platform, *PROCESSES)
        return [one for one, by in MOVED.items() if (total(after, one, by) or 0) <= (total(before, one, by) or 0)]

    until(lambda: True if not unmoved() else None, seconds=20, what=f"{unmoved()} being moved")
    samples = metrics_of(platform, *PROCESSES)
    assert [one for one, labels in SHOWN.items() if total(samples, one, labels) is None] == []
    exported = defaultdict[str, set[str]](set)
    for sample in samples:
        exported[OF_A_SERIES.sub("", sample.name)] |= set(sample.labels)
    asked = [(metric, labels) for query in queries() for metric, labels in read_labels(query).items()]
    known = [(metric, labels) for metric, labels in asked if metric in exported]
    assert len({metric for metric, _ in known}) >= 20
    for metric, labels in known:
        assert labels <= exported[metric], metric


def test_a_platform_that_works_misses_nothing(platform: Stack) -> None:
    def missed() -> dict[str, object]:
        urls = {one: f"http://127.0.0.1:{platform.ports[one]}/readyz" for one in PROCESSES}
        told = {one: httpx.get(url, timeout=10, trust_env=False).json()["unready"] for one, url in urls.items()}
        return {one: reasons for one, reasons in told.items() if reasons}

    until(lambda: True if not missed() else None, seconds=30, what="every process being ready")
    logs = (platform.home.log_of(one.removesuffix("-metrics")).read_text() for one in PROCESSES)
    told = [line for log in logs for line in log.splitlines() if '"need_found_missing"' in line]
    assert [line for line in told if '"need": "signing_keys"' not in line] == []
