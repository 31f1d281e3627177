"""What people look at is made of what is measured: the page, the rules, the dashboard."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from deploy.local.values import VALUES_FILE
from tests.e2e.conftest import MakePerson

FILES = VALUES_FILE.parent / "files"
WORDS = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
PROCESSES = ("upload-metrics", "media-metrics", "media-worker-metrics", "catalog-metrics", "notify-metrics", "gateway")
OF_A_SERIES = re.compile("_(bucket|sum|count)$")
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
    return found


def test_the_page_and_the_dashboard_are_what_is_declared() -> None:
    command = [sys.executable, "-m", "deploy.observability", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_metric_that_is_asked_for_is_declared_or_recorded() -> None:
    declared = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for query in queries():
        assert named_metrics(query) <= declared | recorded, query


def test_metrics_have_the_labels_by_which_they_are_asked_for(platform: Stack, person: MakePerson, clip: Path) -> None:
    alice = person("alice")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    exported = defaultdict[str, set[str]](set)
    for process in PROCESSES:
        text = httpx.get(f"http://127.0.0.1:{platform.ports[process]}/metrics", timeout=10, trust_env=False).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                exported[OF_A_SERIES.sub("", sample.name)] |= set(sample.labels)
    asked = [(metric, labels) for query in queries() for metric, labels in read_labels(query).items()]
    known = [(metric, labels) for metric, labels in asked if metric in exported]
    assert len({metric for metric, _ in known}) >= 10
    for metric, labels in known:
        assert labels <= exported[metric], metric
