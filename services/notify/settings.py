"""The settings of notify's processes."""

import re
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import (
    Dsn,
    HostPort,
    IdentitySettings,
    KafkaSettings,
    PageTokenSettings,
    ServiceTokenSettings,
    Strings,
    TelemetrySettings,
)
from services.notify.addresses import Rules
from services.notify.channels.apns import HOST as APNS_HOST
from services.notify.channels.apns import ProviderKey, provider_key
from services.notify.channels.fcm import HOST as FCM_HOST
from services.notify.channels.fcm import ServiceAccount, service_account
from services.notify.channels.web_push import Vapid, vapid


class CatalogPeer(BaseSettings):
    """Where the catalog is reached."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CATALOG_")
    address: HostPort


class WebhookSettings(BaseSettings):
    """How webhooks are kept and sent."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_WEBHOOK_", env_ignore_empty=True)
    key: SecretStr = Field(
        description="the key that encrypts the secrets of webhooks: 32 bytes as 64 hexadecimal digits"
    )
    failing_days: float = Field(
        3.0, gt=0, description="for how long a webhook may fail before it is disabled, days; attempts are for one day"
    )

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch("[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError("must be 64 hexadecimal digits")
        return key


class CalledAddresses(BaseSettings):
    """Which addresses that users gave us are called, beside public ones over HTTPS: for a local stack and for tests."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_CALLED_", env_ignore_empty=True)
    allow_http: bool = Field(False, description="whether http:// is called too")
    networks: Strings = Field([], description="networks whose addresses are called although they are not public")
    name_servers: Strings = Field(
        [],
        description="who is asked for the addresses of names, `address` or `address:port`, IPv6 in brackets; "
        "the system's name servers if empty",
    )

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network)
        return networks

    @field_validator("name_servers")
    @classmethod
    def _are_addresses(cls, name_servers: list[str]) -> list[str]:
        for server in name_servers:
            ip_address(urlsplit(f"//{server}").hostname or "")
        return name_servers

    @property
    def rules(self) -> Rules:
        return Rules(self.allow_http, [ip_network(network) for network in self.networks])


class WebPushSettings(BaseSettings):
    """By which key browsers are pushed to; without one, none is."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_VAPID_", env_ignore_empty=True)
    private_key: SecretStr | None = Field(None, description="private VAPID key: 32 bytes in base64url")
    contact: str | None = Field(
        None, pattern="^(mailto:|https://).", description="where push services reach us: a mailto: or https: URL"
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.private_key is None) != (self.contact is None):
            raise ValueError("Web Push takes PRIVATE_KEY and CONTACT, both or none")
        self.vapid  # noqa: B018 - raises for what is no key
        return self

    @property
    def vapid(self) -> Vapid | None:
        if self.private_key is None or self.contact is None:
            return None
        return vapid(self.private_key.get_secret_value(), self.contact)


class FcmSettings(BaseSettings):
    """Who sends through Firebase Cloud Messaging; without it, nobody does."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_FCM_", env_ignore_empty=True)
    service_account: SecretStr | None = Field(None, description="the JSON file of a Google service account, its text")
    endpoint: HttpUrl = Field(HttpUrl(FCM_HOST), description="URL of the API, if it is not Google's")

    @model_validator(mode="after")
    def _is_an_account(self) -> Self:
        self.account  # noqa: B018 - raises for what is none
        return self

    @property
    def account(self) -> ServiceAccount | None:
        return service_account(self.service_account.get_secret_value()) if self.service_account else None


class ApnsSettings(BaseSettings):
    """Who sends through Apple's push service; without it, nobody does."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_APNS_", env_ignore_empty=True)
    private_key: SecretStr | None = Field(None, description="the .p8 file of an APNs key, its text")
    key_id: str | None = Field(None, description="the key's id, 10 characters")
    team_id: str | None = Field(None, description="the id of the team that the key is of, 10 characters")
    topic: str | None = Field(None, description="the app's bundle id")
    endpoint: HttpUrl = Field(HttpUrl(APNS_HOST), description="URL of the API: another for apps under development")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        given = [value is not None for value in (self.private_key, self.key_id, self.team_id, self.topic)]
        if any(given) and not all(given):
            raise ValueError("APNs takes PRIVATE_KEY, KEY_ID, TEAM_ID and TOPIC, all or none")
        self.key  # noqa: B018 - raises for what is no key
        return self

    @property
    def key(self) -> ProviderKey | None:
        if self.private_key is None or self.key_id is None or self.team_id is None or self.topic is None:
            return None
        return provider_key(self.private_key.get_secret_value(), self.key_id, self.team_id, self.topic)


class Settings(BaseSettings):
    """Of `serve` and of the jobs."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_NOTIFY_", env_ignore_empty=True)
    postgres_dsn: Dsn
    grpc_bind: HostPort
    metrics_bind: HostPort
    keep_days: int = Field(90, ge=1, description="age at which notifications are deleted, days")
    watch_seconds: float = Field(1.0, gt=0, description="between two looks at the inboxes that are watched, seconds")
    keep_deliveries_days: int = Field(30, ge=2, description="age at which deliveries that ended are deleted, days")
    called: CalledAddresses
    webhook: WebhookSettings
    web_push: WebPushSettings
    fcm: FcmSettings
    apns: ApnsSettings
    kafka: KafkaSettings
    identity: IdentitySettings
    service_token: ServiceTokenSettings
    page_token: PageTokenSettings
    telemetry: TelemetrySettings
    catalog: CatalogPeer
