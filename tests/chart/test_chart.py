"""The chart makes what a cluster takes, and nothing that a careful operator would refuse."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart_values import CHART, FILES, Objects, Render, helm_python

from chassis.run import PART_SECONDS, STOP_SECONDS
from deploy.local.home import ROOT
from deploy.local.values import read_values
from gateway.server import GIVEN

KUBERNETES = "1.33"
NOT_OF_KUBERNETES = {
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
    "external-secrets.io/v1",
    "gateway.networking.k8s.io/v1",
}
"""Objects of operators, whose schemas come with them."""


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """The template of every pod, by the name of what makes it."""
    for one in objects:
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "containers" in spec.get("template", {}).get("spec", {}):
            yield f"{one['kind']} {one['metadata']['name']}", spec["template"]


@pytest.mark.parametrize("values", FILES)
def test_helm_finds_nothing_wrong_in_the_chart(values: str) -> None:
    report = helm_python.lint(CHART, FILES[values], strict=True, kube_version=f"v{KUBERNETES}.0")
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] > 1] == []


def test_every_object_is_one_that_kubernetes_knows(objects: Objects) -> None:
    for one in objects:
        if one["apiVersion"] not in NOT_OF_KUBERNETES:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_no_two_objects_of_a_kind_have_one_name(objects: Objects) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


def test_no_container_runs_as_root_or_may_become_more(objects: Objects) -> None:
    for name, pod in pods(objects):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, name
        assert pod["spec"]["securityContext"]["runAsUser"] > 0, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_every_container_has_its_requests_and_limits(objects: Objects) -> None:
    for name, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            for part in ("requests", "limits"):
                assert set(container["resources"][part]) == {"cpu", "memory"}, name


def test_no_image_goes_by_latest(objects: Objects) -> None:
    for name, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            assert re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", container["image"]), name


def test_no_setting_that_is_secret_stands_in_an_object(objects: Objects) -> None:
    for name, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            plain = [one["name"] for one in container["env"] if "value" in one]
            assert not [one for one in plain if re.search("PASSWORD|SECRET|DSN|PRIVATE_KEY|_TOKEN$", one)], name


def test_whatever_runs_is_selected_by_a_policy_that_names_what_it_reaches(objects: Objects) -> None:
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    for name, pod in pods(objects):
        labels = pod["metadata"]["labels"].items()
        selecting = [one for one in policies if one["podSelector"]["matchLabels"].items() <= labels]
        assert any("egress" not in one for one in selecting), f"{name} is not denied by default"
        if not pod["spec"]["containers"][0]["args"][0].endswith("topics"):
            assert any("egress" in one for one in selecting), f"{name} reaches nothing"


def test_a_worker_reaches_s3_postgresql_kafka_and_nothing_else(render: Render) -> None:
    networks = {
        name: {"cidrs": [f"192.0.2.{number}/32"], "ports": [number]}
        for number, name in enumerate(("postgres", "kafka", "s3", "identity", "internet"), 1)
    }
    (policy,) = (
        one
        for one in render({"networks": networks, "networkPolicies": {"telemetry": None}})
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "np-media-worker"
    )
    reached = {to["ipBlock"]["cidr"] for rule in policy["spec"]["egress"] for to in rule["to"] if "ipBlock" in to}
    inside = [to for rule in policy["spec"]["egress"] for to in rule["to"] if "ipBlock" not in to]
    assert reached == {"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"}
    assert inside == [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]


def test_each_workload_job_and_migration_of_the_values_is_made(objects: Objects) -> None:
    values = read_values()
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for name in values.workloads:
        assert {("Deployment", f"np-{name}"), ("Service", f"np-{name}"), ("PodDisruptionBudget", f"np-{name}")} <= made
    assert {name for kind, name in made if kind == "CronJob"} == {f"np-{name}" for name in values.jobs}
    assert {("Job", f"np-{context}-migrate") for context in values.contexts} | {("Job", "np-topics")} <= made


def test_each_process_gets_the_settings_by_which_the_local_stack_starts_it(objects: Objects) -> None:
    """But for those of a developer's machine alone, and those that are secret."""
    for name, pod in pods(objects):
        (container,) = pod["spec"]["containers"]
        names = [one["name"] for one in container["env"]]
        assert len(names) == len(set(names)), name
        binds = {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("_BIND")}
        for port in container.get("ports", []):
            assert f"0.0.0.0:{port['containerPort']}" in binds.values(), f"{name} does not bind {port['name']}"


def test_an_instance_has_the_time_that_its_process_takes_to_stop(objects: Objects) -> None:
    for name, pod in pods(objects):
        if name.startswith("Deployment"):
            assert pod["spec"]["terminationGracePeriodSeconds"] >= STOP_SECONDS + 10, name


def test_no_instance_stops_before_its_successor_can_be_found(objects: Objects) -> None:
    deployments = [one["spec"] for one in objects if one["kind"] == "Deployment"]
    assert deployments
    for spec in deployments:
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert spec["minReadySeconds"] >= 10  # a cluster's names are remembered for 5 s, and looked up once a second


def test_a_gateway_answers_while_a_cluster_learns_that_it_stops(objects: Objects) -> None:
    ((container,),) = [pod["spec"]["containers"] for name, pod in pods(objects) if name == "Deployment np-gateway"]
    drains = {one["name"]: one["value"] for one in container["env"]}["NEXTPLAY_GATEWAY_DRAIN_SECONDS"]
    assert float(drains) >= 5
    assert float(drains) + GIVEN["timeout_graceful_shutdown"] < PART_SECONDS  # the last request has its whole time


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"worklods": {}}, "worklods"),
        ({"expose": {"by": "magic"}}, "expose/by"),
        ({"expose": {"by": "ingress"}}, "expose/host"),
        ({"image": {"tag": "latest"}}, "image/tag"),
        ({"workloads": {"upload": {"cluster": {"scaling": {"least": 0}}}}}, "scaling/least"),
        ({"settings": {"kafka": "broker:9092"}}, "kafka"),
        ({"securityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
        ({"serviceTokens": {"issuer": "https://cluster.example"}}, "serviceTokens/jwksUrl"),
        ({"jobs": {"upload-reconcile": {"schedule": "hourly"}}}, "jobs/upload-reconcile/schedule"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(chart: Any, values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm_python.HelmError, match=re.escape(told)):
        chart.validate_schema(chart.merge_values(values))


def test_more_instances_at_least_than_at_most_are_refused_by_their_names(chart: Any) -> None:
    values = {"workloads": {"gateway": {"cluster": {"scaling": {"least": 5, "most": 2}}}}}
    with pytest.raises(helm_python.HelmError, match=r"workloads\.gateway\.cluster\.scaling\.least is 5"):
        chart.render(values, name="np", namespace="video")


def test_the_values_say_what_each_of_them_is(chart: Any) -> None:
    def undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            if "description" not in inner:
                yield f"{path}/{name}"
            yield from undescribed(inner, f"{path}/{name}")
        for part in ("additionalProperties", "items"):
            if isinstance(schema.get(part), dict):
                yield from undescribed(schema[part], f"{path}/*")

    assert list(undescribed(chart.schema, "")) == []


def test_streams_of_events_are_not_cut_on_the_way(render: Render) -> None:
    (ingress,) = (one for one in render(FILES["values-aws.yaml"]) if one["kind"] == "Ingress")
    (route,) = (one for one in render(FILES["everything"]) if one["kind"] == "HTTPRoute")
    annotations = ingress["metadata"]["annotations"]
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3300
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert route["spec"]["rules"][0]["timeouts"]["request"] == "3600s"


def test_the_worker_scales_on_the_clips_that_wait_and_consumers_on_their_lag(render: Render) -> None:
    scaled = {
        one["metadata"]["name"]: [trigger["type"] for trigger in one["spec"]["triggers"]]
        for one in render(FILES["everything"])
        if one["kind"] == "ScaledObject"
    }
    assert scaled["np-media-worker"] == ["prometheus"]
    assert set(scaled["np-catalog"]) == set(scaled["np-notify"]) == set(scaled["np-media"]) == {"cpu", "kafka"}


def test_the_rules_of_a_release_look_at_its_own_namespace_alone(render: Render) -> None:
    """Two releases below one Prometheus would else record, and be woken by, what the other one does."""
    (rules,) = (one for one in render(FILES["everything"]) if one["kind"] == "PrometheusRule")
    asked = [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(asked) > 20
    for expression in asked:
        matched = re.findall(r"\{([^}]*)\}", expression)
        assert matched
        assert all(labels.startswith('namespace="video"') for labels in matched), expression
        bare = re.sub(r"\{[^}]*\}", "{}", expression)
        named = re.findall(r"([a-z0-9:]+(?:_[a-z0-9:]+)+)(\{?)", bare)
        assert {name for name, brace in named if not brace} <= {"histogram_quantile"}, expression


def test_what_the_documentation_says_to_set_is_there() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    told = set(re.findall(r"--set ([\w.]+)=", (ROOT / "docs" / "kubernetes.md").read_text()))
    assert told
    for path in told:
        place: Any = values
        for part in path.split("."):
            assert part in place, path
            place = place[part]
