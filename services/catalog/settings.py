"""The settings of the catalog's processes."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import (
    Dsn,
    HostPort,
    IdentitySettings,
    KafkaSettings,
    ObjectStoreSettings,
    ServiceTokenSettings,
    TelemetrySettings,
)


class UploadPeer(BaseSettings):
    """Where the upload service is reached."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_UPLOAD_")
    address: HostPort


class MediaPeer(BaseSettings):
    """Where the media service is reached."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_MEDIA_")
    address: HostPort


class Settings(BaseSettings):
    """Of `serve` and of the jobs."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CATALOG_", env_ignore_empty=True)
    postgres_dsn: Dsn
    postgres_replica_dsn: Dsn | None = None
    grpc_bind: HostPort
    metrics_bind: HostPort
    watch_seconds: float = Field(0.5, gt=0, description="how often watched videos are read, seconds")
    outlook_seconds: float = Field(2.0, gt=0, description="how often queue and pace are read, seconds")
    uploading_quiet_seconds: int = Field(
        70 * 60, ge=1, description="after how long in UPLOADING upload is asked, seconds"
    )
    processing_quiet_seconds: int = Field(
        120, ge=1, description="after how long in UPLOADED or PROCESSING without a fact media is asked, seconds"
    )
    archive_days: int = Field(30, ge=1, description="age at which unfinished videos are deleted, days")
    kafka: KafkaSettings
    identity: IdentitySettings
    object_store: ObjectStoreSettings
    service_token: ServiceTokenSettings
    telemetry: TelemetrySettings
    upload: UploadPeer
    media: MediaPeer
