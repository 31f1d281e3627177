"""The settings of upload's processes."""

from datetime import timedelta

from pydantic import Field
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
    categories: Strings = Field(CATEGORIES, min_length=1, description="the categories that a video may have")


class CatalogPeer(BaseSettings):
    """Where the catalog is reached."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CATALOG_")
    address: HostPort


class Settings(BaseSettings):
    """Of `serve` and of the jobs."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_UPLOAD_", env_ignore_empty=True)
    postgres_dsn: Dsn
    grpc_bind: HostPort
    metrics_bind: HostPort
    initiate_limit: int = Field(10, ge=1, description="how many uploads a user may start within the window")
    initiate_window_seconds: int = Field(3600, ge=1, description="the window of the limit, seconds")
    lifetime_seconds: int = Field(3600, ge=1, description="how long an upload lives, seconds")
    completing_seconds: int = Field(
        60, ge=1, description="after how long in COMPLETING an upload is finished by the job, seconds"
    )
    keep_original_days: int = Field(7, ge=1, description="how long an original is kept after its transcode ended, days")
    keep_ended_days: int = Field(7, ge=1, description="age at which uploads without an original are deleted, days")
    bucket_origins: Strings = Field(
        [], description='origins of pages that may send parts to the bucket, like ["https://app.example.com"]'
    )
    bucket_abort_days: int = Field(
        1, ge=1, description="after how many days S3 drops what is left of a multipart upload"
    )
    reconcile_most: int = Field(
        1000, ge=1, description="how many findings the reconciler may end in a run; with more it ends none and fails"
    )
    product: ProductSettings
    kafka: KafkaSettings
    identity: IdentitySettings
    object_store: ObjectStoreSettings
    service_token: ServiceTokenSettings
    page_token: PageTokenSettings
    telemetry: TelemetrySettings
    catalog: CatalogPeer

    @property
    def keep_original(self) -> timedelta:
        return timedelta(days=self.keep_original_days)

    @property
    def lifetime(self) -> timedelta:
        return timedelta(seconds=self.lifetime_seconds)

    @property
    def initiate_window(self) -> timedelta:
        return timedelta(seconds=self.initiate_window_seconds)
