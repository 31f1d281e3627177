"""The gateway's settings: NEXTPLAY_GATEWAY_…, and where the contexts behind it are."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import HostPort, Strings, TelemetrySettings

CATEGORIES = ["sports", "music", "gaming", "comedy", "education", "lifestyle", "news", "other"]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]+(:\d+)?$")]
"""scheme://host[:port] in lower case, without a path, as browsers send it."""


class Settings(BaseSettings):
    """What a gateway needs; `<context>_address` is where the gRPC server of a context is."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_GATEWAY_", env_ignore_empty=True, populate_by_name=True)
    http_bind: HostPort
    cors_origins: list[Origin] = Field([], description='origins of pages that may call, as ["https://app.example.com"]')
    unary_seconds: float = Field(10, gt=0, le=30, description="deadline of a call, seconds")
    body_seconds: float = Field(10, gt=0, description="seconds in which a request's body arrives, after its head")
    stream_seconds: float = Field(3300, gt=0, description="seconds after which a stream ends and its client resumes")
    heartbeat_seconds: float = Field(15, gt=0, description="seconds between two heartbeats of a stream")
    drain_seconds: float = Field(1, ge=0, le=5, description="seconds for which requests are answered after SIGTERM")
    max_connections: int = Field(4000, gt=0, description="open connections; more are answered with 503")
    web_directory: Path | None = Field(None, description="what `make web` built; without it there are no pages")
    studio_origins: list[Origin] = Field([], description="origins that Studio loads from and sends to: S3's, the CDN's")
    studio_host_origins: list[Origin] = Field(
        [], description="origins of pages that may show Studio and sign people in"
    )
    studio_local_issuer: dict[str, Any] | None = Field(None, description="who signs people in on a local stack, JSON")
    categories: Strings = Field(CATEGORIES, min_length=1, validation_alias="NEXTPLAY_CATEGORIES")
    upload_address: HostPort = Field(validation_alias="NEXTPLAY_UPLOAD_ADDRESS")
    catalog_address: HostPort = Field(validation_alias="NEXTPLAY_CATALOG_ADDRESS")
    notify_address: HostPort = Field(validation_alias="NEXTPLAY_NOTIFY_ADDRESS")
    telemetry: TelemetrySettings
