"""Runs that a service outside carries out: what is known of its job."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class RemoteStatus(StrEnum):
    """MediaConvert's words. The last three are ends: what comes after one of them changes nothing."""

    SUBMITTED = "SUBMITTED"
    PROGRESSING = "PROGRESSING"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    CANCELED = "CANCELED"


@dataclass(frozen=True)
class News:
    """What the service says of its job `remote_id`, which carries out a run. `percent` is 0 to 100."""

    run_id: UUID
    remote_id: str
    status: RemoteStatus
    percent: int = 0
    error_code: int | None = None
    error_message: str | None = None


@dataclass(frozen=True)
class RemoteJob:
    """What is known of the job for a run. `remote_id` is None until the service has said it, in whatever way.

    `age_seconds` counts from before it was submitted, `silent_seconds` from the last news, both by PostgreSQL's clock.
    """

    run_id: UUID
    remote_id: str | None
    status: RemoteStatus
    percent: int
    error_code: int | None
    error_message: str | None
    age_seconds: float
    silent_seconds: float
