"""Every metric of the platform, as it is declared and as Prometheus names it."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

PACKAGES = {
    "gateway": "gateway.metrics",
    "chassis": "chassis.metrics",
    "upload": "services.upload.metrics",
    "media": "services.media.metrics",
    "catalog": "services.catalog.metrics",
    "notify": "services.notify.metrics",
}
"""Where each package declares what it measures: at its import, or when its functions `show_…` are called, which are
given what tells the present value. What chassis declares is measured by every context."""


@dataclass(frozen=True)
class Metric:
    """A declared metric. `prometheus` is its name at /metrics, of a histogram without `_bucket` and the like."""

    package: str
    kind: str
    name: str
    unit: str
    description: str
    prometheus: str


def declared_metrics() -> list[Metric]:
    """All of them, by package and in the order of their declaration. To be called once, by a process that has imported
    none of the packages, because a metric is declared when its module is imported.

    Raises `RuntimeError` when Prometheus would name two of them alike.
    """
    provider = _Recording()
    metrics.set_meter_provider(provider)
    found = []
    for package, module in PACKAGES.items():
        for name, show in vars(import_module(module)).items():
            if name.startswith("show_"):
                show(lambda: ())
        found += [(package, *one) for one in provider.take()]
    exported = [family.name for family in REGISTRY.collect()]
    every = [
        Metric(package, kind, name, unit, description, _prometheus(name, kind, exported))
        for package, kind, name, unit, description in found
    ]
    if len({one.prometheus for one in every}) < len(every):
        raise RuntimeError("two metrics have one name at /metrics")
    return every


def _prometheus(name: str, kind: str, exported: Collection[str]) -> str:
    """The exporter adds the unit to the name, and `_total` to a counter's."""
    (family,) = {name, *(f"{name}_{unit}" for unit in ("seconds", "bytes", "ratio"))} & set(exported)
    return f"{family}_total" if kind == "counter" else family


class _Recording(metrics.MeterProvider):
    """Makes real instruments, notes how each is declared, and measures something with it so that it is exported."""

    def __init__(self) -> None:
        self._provider = MeterProvider([PrometheusMetricReader()])
        self._noted: list[tuple[str, str, str, str]] = []

    def take(self) -> list[tuple[str, str, str, str]]:
        """Kind, name, unit and description of those declared since the last time."""
        noted, self._noted = self._noted, []
        return noted

    def get_meter(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        return _RecordingMeter(self._provider.get_meter(name), self._noted)


class _RecordingMeter:
    def __init__(self, meter: Any, noted: list[tuple[str, str, str, str]]) -> None:
        self._meter, self._noted = meter, noted

    def __getattr__(self, create: str) -> Any:
        def declare(name: str, *arguments: Any, **keywords: Any) -> Any:
            making = getattr(self._meter, create)
            told = signature(making).bind(name, *arguments, **keywords).arguments
            if "callbacks" in told:
                told["callbacks"] = [lambda _: [metrics.Observation(1)]]
            instrument = making(**told)
            kind = create.removeprefix("create_").removeprefix("observable_").replace("up_down_counter", "gauge")
            self._noted.append((kind, name, told.get("unit", ""), told.get("description", "")))
            for measure in ("add", "record", "set"):
                if hasattr(instrument, measure):
                    getattr(instrument, measure)(1)
                    break
            return instrument

        return declare
