"""The alarms in CloudWatch are those of Prometheus, and count lines that the services write."""

import re
from typing import Any

import pytest
import yaml
from cfnlint.decode import cfn_yaml

from deploy.local.home import ROOT
from deploy.local.values import VALUES_FILE

RESOURCES: dict[str, Any] = cfn_yaml.load(str(ROOT / "deploy/aws/alarms.yaml"))["Resources"]
LOG_GROUPS = {
    "/aws/lambda/nextplay-upload-api",
    "/aws/lambda/nextplay-transcode-worker",
    "/aws/lambda/nextplay-completion-handler",
    "/aws/mediaconvert/jobs",
}
"""As the specification names them, section 5."""


def of_type(kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == kind}


def test_the_log_groups_of_the_specification_are_there() -> None:
    assert {group["LogGroupName"] for group in of_type("AWS::Logs::LogGroup").values()} == LOG_GROUPS


def test_the_five_alarms_are_those_that_wake_somebody_in_prometheus() -> None:
    groups = yaml.safe_load((VALUES_FILE.parent / "files/rules.yaml").read_text())["groups"]
    (alarms,) = (group["rules"] for group in groups if group["name"] == "nextplay-alarms")
    assert set(of_type("AWS::CloudWatch::Alarm")) == {alarm["alert"] for alarm in alarms}
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmDescription"].endswith(f"docs/runbooks/{name}.md")


@pytest.mark.parametrize(
    ("name", "limit"), [("UploadFailuresHigh", 10), ("TranscodeFailuresHigh", 5), ("S3ErrorsHigh", 1)]
)
def test_a_share_is_asked_for_in_percent(name: str, limit: int) -> None:
    assert of_type("AWS::CloudWatch::Alarm")[name]["Threshold"] == limit


def test_what_is_counted_is_an_event_that_a_service_logs_with_the_field_that_is_read() -> None:
    written = "\n".join(file.read_text() for file in (ROOT / "services").rglob("*.py"))
    for name, counted in of_type("AWS::Logs::MetricFilter").items():
        for event in re.findall(r'"(\w+)"', counted["FilterPattern"]):
            assert f'"{event}"' in written, name
            value = counted["MetricTransformations"][0]["MetricValue"]
            if value.startswith("$."):
                assert re.search(rf'"{event}"[^)]*\b{value[2:]}=', written), name
