"""The chart's values: the one declaration of contexts, topics, workloads and jobs, checked while it is read."""

from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from deploy.local.home import ROOT

VALUES_FILE = ROOT / "deploy" / "helm" / "nextplay" / "values.yaml"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Entry):
    name: str
    partitions: int
    deadLetters: bool


class Values(_Entry):
    contexts: tuple[Literal["upload", "media", "catalog", "notify"], ...]
    topics: tuple[Topic, ...]


def read_values() -> Values:
    return Values.model_validate(yaml.safe_load(VALUES_FILE.read_text()))
