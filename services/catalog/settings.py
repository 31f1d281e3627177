"""The settings of the catalog's processes."""

from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, Field, HttpUrl, SecretStr, model_validator
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


def rsa_key(pem: SecretStr) -> RSAPrivateKey:
    """Raises ValueError for what is no RSA private key in PEM."""
    try:
        key = load_pem_private_key(pem.get_secret_value().encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("must be an RSA private key in PEM, without a password") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must be an RSA private key")
    return key


def _rsa_key(pem: SecretStr) -> SecretStr:
    rsa_key(pem)
    return pem


class CdnSettings(BaseSettings):
    """The CloudFront distribution before the bucket; without a base URL, URLs are S3's own."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CDN_", env_ignore_empty=True)
    base_url: HttpUrl | None = Field(None, description="URL of the distribution")
    key_id: str | None = Field(None, description="id of the public key in the distribution's key group")
    private_key: Annotated[SecretStr, AfterValidator(_rsa_key)] | None = Field(
        None, description="the key that signs URLs: PEM, RSA"
    )

    @model_validator(mode="after")
    def _whole(self) -> "CdnSettings":
        if self.base_url and not (self.key_id and self.private_key):
            raise ValueError("NEXTPLAY_CDN_BASE_URL needs NEXTPLAY_CDN_KEY_ID and NEXTPLAY_CDN_PRIVATE_KEY too")
        return self


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
    postgres_replica_dsn: Dsn | None = Field(None, description="a streaming replica, for reads that may lag behind")
    replica_lag_seconds: float = Field(
        5.0, ge=1, le=600, description="a replica that is further behind is not asked, seconds"
    )
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
    cdn: CdnSettings
    service_token: ServiceTokenSettings
    page_token: PageTokenSettings
    telemetry: TelemetrySettings
    upload: UploadPeer
    media: MediaPeer
