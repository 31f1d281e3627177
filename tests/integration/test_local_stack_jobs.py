"""Every job that the chart's values declare runs on the platform as it is declared there."""

import pytest

from deploy.local.stack import Stack
from deploy.local.values import read_values

VALUES = read_values()


@pytest.mark.parametrize("job", VALUES.jobs)
def test_a_declared_job_runs_to_its_end(platform: Stack, job: str) -> None:
    platform.run_job(job)


def test_a_job_is_named_after_its_context() -> None:
    for name, job in VALUES.jobs.items():
        assert name.startswith(f"{job.context}-")
        assert job.command[0] == f"services.{job.context}"
