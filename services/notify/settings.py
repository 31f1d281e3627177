"""The settings of notify's processes."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import (
    Dsn,
    HostPort,
    IdentitySettings,
    KafkaSettings,
    PageTokenSettings,
    ServiceTokenSettings,
    TelemetrySettings,
)


class CatalogPeer(BaseSettings):
    """Where the catalog is reached."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CATALOG_")
    address: HostPort


class Settings(BaseSettings):
    """Of `serve` and of the jobs."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_", env_ignore_empty=True)
    postgres_dsn: Dsn
    grpc_bind: HostPort
    metrics_bind: HostPort
    keep_days: int = Field(90, ge=1, description="age at which notifications are deleted, days")
    kafka: KafkaSettings
    identity: IdentitySettings
    service_token: ServiceTokenSettings
    page_token: PageTokenSettings
    telemetry: TelemetrySettings
    catalog: CatalogPeer
