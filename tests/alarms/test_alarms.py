"""The alarms of the specification, and of what holds everything up, fire when they should and not before."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.home import ROOT
from deploy.local.values import VALUES_FILE

RULES = VALUES_FILE.parent / "files" / "rules.yaml"
PLAYED = Path(__file__).with_name("alarms.yaml")

RATES = {
    "upload_initiate_success_rate",
    "upload_complete_success_rate",
    "transcode_success_rate",
    "average_processing_time",
    "duration_rejection_rate",
    "format_rejection_rate",
}
"""The metrics that the specification names, section 5."""


def rules(kind: str) -> Iterator[dict[str, Any]]:
    """All rules with a `record` or an `alert`."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule for rule in group["rules"] if kind in rule)


def played(verdict: str) -> set[str]:
    return {
        name.removesuffix(verdict)
        for test in yaml.safe_load(PLAYED.read_text())["tests"]
        if (name := test["name"]).endswith(verdict)
    }


def in_namespace(namespace: str, test: dict[str, Any]) -> list[dict[str, str]]:
    """The series of a test, as Prometheus has them of what it finds in a namespace of a cluster."""
    named = []
    for series in test["input_series"]:
        metric, _, labels = series["series"].partition("{")
        labels = ",".join(filter(None, [labels.rstrip("}"), f'namespace="{namespace}"']))
        named.append({**series, "series": f"{metric}{{{labels}}}"})
    return named


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """The rules beside the series that are played to them, as promtool wants them."""
    for file in (RULES, PLAYED):
        (tmp_path / file.name).write_text(file.read_text())
    return tmp_path


def test_promtool_finds_nothing_wrong_in_the_rules(promtool: str, checked: Path) -> None:
    command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES.name]
    ended = subprocess.run(command, cwd=checked, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alarm_fires_on_series_beyond_its_limit_and_not_on_those_below(promtool: str, checked: Path) -> None:
    command = [promtool, "test", "rules", PLAYED.name]
    ended = subprocess.run(command, cwd=checked, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_alarm_is_about_one_namespace_and_keeps_silent_about_another(promtool: str, checked: Path) -> None:
    """What makes an alarm fire happens in `ill`, what does not in `well`, under the eyes of one Prometheus."""
    described = yaml.safe_load(PLAYED.read_text())
    tests = {test["name"]: test for test in described["tests"]}
    described["tests"] = [
        {
            "name": alarm,
            "interval": tests[f"{alarm} fires"]["interval"],
            "input_series": in_namespace("ill", tests[f"{alarm} fires"])
            + in_namespace("well", tests[f"{alarm} does not fire"]),
            "alert_rule_test": [
                asked
                | {"exp_alerts": [one | {"exp_labels": one["exp_labels"] | {"namespace": "ill"}} for one in alerts]}
                for asked in tests[f"{alarm} fires"]["alert_rule_test"]
                for alerts in [asked["exp_alerts"]]
            ],
        }
        for alarm in sorted(played(" fires"))
    ]
    (checked / "namespaces.yaml").write_text(yaml.safe_dump(described))
    command = [promtool, "test", "rules", "namespaces.yaml"]
    ended = subprocess.run(command, cwd=checked, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_series_are_played_to_every_alarm_both_ways() -> None:
    alarms = {rule["alert"] for rule in rules("alert")}
    assert played(" fires") == alarms
    assert played(" does not fire") == alarms


def test_the_six_metrics_of_the_specification_are_recorded_by_their_names() -> None:
    assert {rule["record"] for rule in rules("record")} >= RATES


def test_each_alarm_says_how_urgent_it_is_what_is_wrong_and_which_page_to_read() -> None:
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert "{{ $value" in rule["annotations"]["summary"] or "for" in rule or "increase" in rule["expr"]
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"


def test_there_is_a_page_for_each_alarm_and_no_other() -> None:
    pages = {page.stem: page.read_text() for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert set(pages) == {rule["alert"] for rule in rules("alert")}
    for name, text in pages.items():
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert headings == [name, "What it means", "How to see it", "What to do"]
