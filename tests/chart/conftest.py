"""The chart, rendered as `helm template` renders it, with each file of values that is delivered."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart_values import CHART, FILES, Objects, Render, Values, helm_python


@pytest.fixture(scope="session")
def chart() -> Iterator[Any]:
    with helm_python.Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: Any) -> Render:
    """The objects that come of some values, as release `np` in the namespace `video`."""

    def objects(values: Values) -> Objects:
        rendered = chart.render(values, name="np", namespace="video")
        texts = [text for name, text in rendered.items() if not name.endswith("NOTES.txt")]
        return [one for text in texts for one in yaml.safe_load_all(text) if one]

    return objects


@pytest.fixture(params=FILES)
def objects(request: pytest.FixtureRequest, render: Render) -> Objects:
    """What the chart makes of each file of values."""
    return render(FILES[request.param])
