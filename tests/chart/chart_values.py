"""With which values the chart is rendered: those that are delivered, and every option in use."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import yaml

from deploy.local.values import VALUES_FILE

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this platform")

CHART = VALUES_FILE.parent
Values: TypeAlias = dict[str, Any]
Objects: TypeAlias = list[dict[str, Any]]
Render: TypeAlias = Callable[[Values], Objects]

EVERYTHING: Values = {
    "keda": {"enabled": True, "kafkaAuthentication": "kafka"},
    "monitoring": {"enabled": True, "labels": {"release": "prometheus"}},
    "secrets": {"external": {"enabled": True, "store": {"kind": "SecretStore", "name": "vault"}}},
    "expose": {"by": "route", "host": "api.example.com", "gateway": {"name": "public", "namespace": "edge"}},
    "image": {"repository": "images.example.com/nextplay", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
    "serviceAccounts": {"upload": {"example.com/role": "upload"}},
    "nodeSelector": {"pool": "apps"},
    "tolerations": [{"key": "apps", "operator": "Exists"}],
    "priorityClassName": "high",
    "podAnnotations": {"example.com/team": "video"},
    "settings": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.monitoring:4317"},
}
"""Every option of the chart in use."""

FILES: dict[str, Values] = {
    "values.yaml": {},
    "values-aws.yaml": yaml.safe_load((CHART / "values-aws.yaml").read_text()),
    "everything": EVERYTHING,
}
