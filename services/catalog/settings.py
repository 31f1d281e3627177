"""The settings of the catalog's processes."""

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import (
    Dsn,
    HostPort,
    IdentitySettings,
    KafkaSettings,
    ObjectStoreSettings,
    PageTokenSettings,
    ServiceTokenSettings,
    Strings,
    TelemetrySettings,
)

CATEGORIES = ["sports", "music", "gaming", "comedy", "education", "lifestyle", "news", "other"]


class ProductSettings(BaseSettings):
    """What is the same for the whole product."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)
    public_url: HttpUrl = Field(description="URL at which clients reach the gateway")
    categories: Strings = Field(CATEGORIES, min_length=1, description="the categories that a video may have")


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
    playback_key: SecretStr = Field(
        min_length=32, description="the key that signs playback tokens, the same in every instance"
    )
    watch_seconds: float = Field(0.5, gt=0, description="how often watched videos are read, seconds")
    outlook_seconds: float = Field(2.0, gt=0, description="how often queue and pace are read, seconds")
    uploading_quiet_seconds: int = Field(
        70 * 60, ge=1, description="after how long in UPLOADING upload is asked, seconds"
    )
    processing_quiet_seconds: int = Field(
        120, ge=1, description="after how long in UPLOADED or PROCESSING without a fact media is asked, seconds"
    )
    archive_days: int = Field(30, ge=1, description="age at which unfinished videos are deleted, days")
    product: ProductSettings
    kafka: KafkaSettings
    identity: IdentitySettings
    object_store: ObjectStoreSettings
    service_token: ServiceTokenSettings
    page_token: PageTokenSettings
    telemetry: TelemetrySettings
    upload: UploadPeer
    media: MediaPeer
