"""The settings of media's processes."""

import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import Dsn, HostPort, IdentitySettings, KafkaSettings, ObjectStoreSettings, TelemetrySettings
from services.media import machine
from services.media.sandbox import Layer

SLOTS = machine.slots(machine.usable_cores(), machine.usable_memory())
THREADS = machine.threads(machine.usable_cores(), SLOTS)


class Settings(BaseSettings):
    """Of `serve` and of the jobs."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_", env_ignore_empty=True)
    postgres_dsn: Dsn
    grpc_bind: HostPort
    metrics_bind: HostPort
    sweep_after_seconds: float = Field(
        900.0, ge=0, description="how long after a run's end its left objects are swept, seconds"
    )
    kafka: KafkaSettings
    objects: ObjectStoreSettings
    identity: IdentitySettings
    telemetry: TelemetrySettings


class MediaConvertSettings(BaseSettings):
    """AWS Elemental MediaConvert; the credentials are those of the default AWS chain."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_MEDIACONVERT_", env_ignore_empty=True)
    role: str = Field("", description="ARN of the role with which MediaConvert reads originals and writes outputs")
    events_queue: str = Field("", description="URL of the SQS queue that gets MediaConvert's events")
    queue: str | None = Field(None, description="ARN of the MediaConvert queue; if unset, the account's default")
    acceleration: Literal["DISABLED", "PREFERRED", "ENABLED"] = Field(
        "DISABLED", description="accelerated transcoding, which costs more and is made for long videos"
    )
    region: str | None = Field(None, description="AWS region of both; if unset, the bucket's")
    endpoint: HttpUrl | None = Field(None, description="URL of MediaConvert; if unset, the region's")
    events_endpoint: HttpUrl | None = Field(None, description="URL of SQS; if unset, the region's")
    patience_seconds: float = Field(1800.0, gt=0, description="a job that takes longer is given up, seconds")
    silence_seconds: float = Field(60.0, gt=0, description="after so long without an event a job is asked about")


class TranscoderSettings(BaseSettings):
    """Who encodes: FFmpeg in our workers, or MediaConvert."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_", env_ignore_empty=True)
    transcoder: Literal["ffmpeg", "mediaconvert"] = Field("ffmpeg", description="who encodes")
    mediaconvert: MediaConvertSettings

    @model_validator(mode="after")
    def _whole(self) -> "TranscoderSettings":
        if self.transcoder == "mediaconvert" and not (self.mediaconvert.role and self.mediaconvert.events_queue):
            raise ValueError(
                "NEXTPLAY_MEDIA_TRANSCODER=mediaconvert needs NEXTPLAY_MEDIA_MEDIACONVERT_ROLE and "
                "NEXTPLAY_MEDIA_MEDIACONVERT_EVENTS_QUEUE too"
            )
        return self


class Database(BaseSettings):
    """What the worker shares with `serve`."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_", env_ignore_empty=True)
    postgres_dsn: Dsn


class WorkerSettings(BaseSettings):
    """Of `worker`."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_WORKER_", env_ignore_empty=True)
    metrics_bind: HostPort
    slots: int = Field(SLOTS, ge=1, le=64, description="runs that encode at a time")
    threads: int = Field(THREADS, ge=1, le=64, description="threads of each coder of a run")
    memory_mb: int = Field(4096, ge=512, description="address space of one FFmpeg process, MiB")
    lease_seconds: float = Field(15.0, ge=3, le=300, description="after so long a dead worker's run is taken over")
    poll_seconds: float = Field(0.2, gt=0, le=60, description="how often an idle worker looks for a job, seconds")
    required_layers: list[Layer] = Field(
        [], description="layers of the sandbox without which the worker does not start: namespaces, landlock, seccomp"
    )
    stall_seconds: float = Field(30.0, gt=0, description="a run that makes no frame for so long is ended, seconds")
    directory: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / "nextplay-media", description="for temporary files"
    )
    database: Database
    transcoding: TranscoderSettings
    kafka: KafkaSettings
    objects: ObjectStoreSettings
    telemetry: TelemetrySettings
