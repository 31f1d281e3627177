"""The chart's values: the one declaration of contexts, topics, workloads and jobs, checked while it is read."""

from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from deploy.local.home import ROOT

VALUES_FILE = ROOT / "deploy" / "helm" / "nextplay" / "values.yaml"

Context = Literal["upload", "media", "catalog", "notify"]
PortName = Literal["grpc", "metrics", "http"]


class _Entry(BaseModel):
    """What only a cluster reads is passed over here; a name that nobody knows is refused by the chart's schema."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Topic(_Entry):
    name: str
    partitions: int
    deadLetters: bool


class Workload(_Entry):
    """A process that runs all the time. It binds each of `ports` at NEXTPLAY_<WORKLOAD>_<PORT>_BIND and answers
    /readyz on the port `probe`."""

    command: tuple[str, ...]
    context: Context | None = None
    ports: tuple[PortName, ...]
    probe: PortName
    nice: int = 0


class Job(_Entry):
    """A short process on a cron schedule (minute, hour, day, month, weekday; UTC)."""

    command: tuple[str, ...]
    context: Context
    schedule: str


class Values(_Entry):
    contexts: tuple[Context, ...]
    topics: tuple[Topic, ...]
    workloads: dict[str, Workload]
    jobs: dict[str, Job]


def read_values() -> Values:
    return Values.model_validate(yaml.safe_load(VALUES_FILE.read_text()))
