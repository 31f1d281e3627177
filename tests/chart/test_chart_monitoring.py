"""Prometheus finds every instance, and KEDA gets in where Kafka asks who it is."""

from typing import Any

import pytest
from chart_values import FILES, Objects, Render

KEDA = {"keda": {"enabled": True}}


def of_kind(objects: Objects, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def kafka_triggers(objects: Objects) -> dict[str, list[dict[str, Any]]]:
    """Those of each consumer."""
    scaled = of_kind(objects, "ScaledObject")
    triggers = {
        name: [one for one in made["spec"]["triggers"] if one["type"] == "kafka"] for name, made in scaled.items()
    }
    return {name: found for name, found in triggers.items() if found}


@pytest.mark.parametrize(
    ("protocol", "mechanism", "tls", "sasl"),
    [
        (None, None, None, None),
        ("SSL", None, "enable", None),
        ("SASL_SSL", "SCRAM-SHA-512", "enable", "scram_sha512"),
        ("SASL_SSL", "SCRAM-SHA-256", "enable", "scram_sha256"),
        ("SASL_PLAINTEXT", None, None, "plaintext"),
    ],
)
def test_keda_logs_in_to_kafka_as_the_service_does(
    render: Render, protocol: str | None, mechanism: str | None, tls: str | None, sasl: str | None
) -> None:
    said = {"NEXTPLAY_KAFKA_SECURITY_PROTOCOL": protocol, "NEXTPLAY_KAFKA_SASL_MECHANISM": mechanism}
    objects = render(KEDA | {"settings": {name: value for name, value in said.items() if value}})
    logins = of_kind(objects, "TriggerAuthentication")
    secrets = {name: one["spec"]["template"]["spec"]["containers"][0]["envFrom"] for name, one in running(objects)}
    triggers = kafka_triggers(objects)
    assert set(triggers) == {"np-media", "np-catalog", "np-notify"}
    assert set(logins) == ({f"{name}-kafka" for name in triggers} if sasl else set())
    for name, found in triggers.items():
        for trigger in found:
            assert (trigger["metadata"].get("tls"), trigger["metadata"].get("sasl")) == (tls, sasl)
            assert trigger.get("authenticationRef") == ({"name": f"{name}-kafka"} if sasl else None)
    for name, login in logins.items():
        taken = {one["parameter"]: (one["name"], one["key"]) for one in login["spec"]["secretTargetRef"]}
        assert set(taken) == {"username", "password"}
        for parameter, (secret, key) in taken.items():
            assert key == f"NEXTPLAY_KAFKA_SASL_{parameter.upper()}"
            assert {"secretRef": {"name": secret}} in secrets[name.removesuffix("-kafka")]


def running(objects: Objects) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, one)
        for name, one in of_kind(objects, "Deployment").items()
        if "envFrom" in one["spec"]["template"]["spec"]["containers"][0]
    ]


def test_an_authentication_of_ones_own_is_the_only_place_that_says_how_to_log_in(render: Render) -> None:
    values = FILES["values-aws.yaml"] | {"keda": {"enabled": True, "kafkaAuthentication": "mine"}}
    objects = render(values)
    assert of_kind(objects, "TriggerAuthentication") == {}
    for found in kafka_triggers(objects).values():
        for trigger in found:
            assert trigger["authenticationRef"] == {"name": "mine"}
            assert not {"sasl", "tls"} & set(trigger["metadata"])


def test_prometheus_finds_the_metrics_of_every_workload_and_is_let_in(render: Render) -> None:
    objects = render(FILES["everything"])
    services, policies = of_kind(objects, "Service"), of_kind(objects, "NetworkPolicy")
    monitors = of_kind(objects, "ServiceMonitor")
    assert set(monitors) == set(of_kind(objects, "Deployment"))
    for name, monitor in monitors.items():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        assert [one for one, service in services.items() if wanted <= service["metadata"]["labels"].items()] == [name]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in services[name]["spec"]["ports"]}
        let_in = [rule for rule in policies[name]["spec"]["ingress"] if {"port": endpoint["port"]} in rule["ports"]]
        namespaces = [who.get("namespaceSelector", {}).get("matchLabels") for rule in let_in for who in rule["from"]]
        assert {"kubernetes.io/metadata.name": "monitoring"} in namespaces
