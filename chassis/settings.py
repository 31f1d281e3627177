"""Settings from environment variables; a mistake stops the start, and all mistakes are told at once.

A process declares what it needs and nests the groups that contexts share:

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="NEXTPLAY_UPLOAD_")
        postgres_dsn: Dsn                            # NEXTPLAY_UPLOAD_POSTGRES_DSN
        grpc_bind: HostPort                          # NEXTPLAY_UPLOAD_GRPC_BIND
        metrics_bind: HostPort
        part_size_bytes: int = Field(default=10 * MIB, ge=5 * MIB, description="size of a suggested part, bytes")
        kafka: KafkaSettings                         # each group reads its own variables
        telemetry: TelemetrySettings
        catalog: CatalogClient                       # where another context is reached: a group of one's own

    class CatalogClient(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="NEXTPLAY_CATALOG_")
        address: HostPort                            # NEXTPLAY_CATALOG_ADDRESS

    settings = load(Settings)

Tests build the same classes with keyword arguments. Secrets are `SecretStr` (a DSN holds a password, so it is one).
"""

import json
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

BAD_SETTINGS = 2  # the exit code of a process whose settings are wrong

S = TypeVar("S", bound=BaseSettings)


def _host_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be host:port with a port from 0 to 65535, like 127.0.0.1:8080")
    return value


def _dsn(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a PostgreSQL DSN, like postgresql://user:password@host:5432/nextplay")
    return value


def _json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError('must be a JSON list of strings, like ["a", "b"]') from None


def _certificates(value: str) -> str:
    try:
        ssl.create_default_context(cadata=value)
    except (OSError, TypeError):
        raise ValueError("must be certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----") from None
    return value


HostPort = Annotated[str, AfterValidator(_host_port)]
"""`host:port`, to bind to or to reach; port 0 binds to any free one."""
Dsn = Annotated[SecretStr, AfterValidator(_dsn)]
"""Where a PostgreSQL database is and who logs in; secret, because it holds the password."""
Strings = Annotated[list[str], NoDecode, BeforeValidator(_json)]
"""A JSON list of strings."""


def _prefix(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, env_ignore_empty=True, frozen=True, populate_by_name=True)


class KafkaSettings(BaseSettings):
    """Where the Kafka-protocol broker is; the SASL values only with a SASL_* protocol."""

    model_config = _prefix("NEXTPLAY_KAFKA_")
    bootstrap_servers: str = Field(description="host:port of one or more brokers, separated by commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca: Annotated[str, AfterValidator(_certificates)] | None = Field(
        default=None, description="PEM of who may sign the brokers' certificates; if unset, whom this machine trusts"
    )


class ObjectStoreSettings(BaseSettings):
    """Where S3 is. Without an endpoint it is AWS; without keys, the default AWS credential chain."""

    model_config = _prefix("NEXTPLAY_S3_")
    bucket: str = Field(description="name of the private bucket of all objects")
    region: str = Field(description="AWS region of the bucket, like us-east-1")
    endpoint: HttpUrl | None = Field(default=None, description="URL at which the services reach S3")
    public_endpoint: HttpUrl | None = Field(default=None, description="URL at which clients do; if unset, the same")
    access_key: str | None = None
    secret_key: SecretStr | None = None


class IdentitySettings(BaseSettings):
    """Whose tokens are accepted, and for which audiences. Services' tokens may come from an issuer of their own."""

    model_config = _prefix("NEXTPLAY_IDENTITY_")
    issuer: str = Field(description="the `iss` claim of accepted tokens")
    jwks_url: HttpUrl = Field(description="URL of the issuer's public keys (JWKS)")
    audience: str = Field(default="nextplay", description="the `aud` claim of user tokens")
    service_issuer: str | None = Field(
        default=None, description="the `iss` claim of service tokens; if unset, the same"
    )
    service_jwks_url: HttpUrl | None = Field(default=None, description="URL of that issuer's keys; if unset, the same")
    service_audience: str = Field(default="nextplay-internal", description="the `aud` claim of service tokens")
    service_subject: str = Field(default="service:", description="what their `sub` has before the service's name")

    @model_validator(mode="after")
    def _whose_keys_are_told(self) -> "IdentitySettings":
        if self.service_jwks_url and self.service_issuer in (None, self.issuer):
            raise ValueError("SERVICE_JWKS_URL is of another issuer than ISSUER, which SERVICE_ISSUER must name")
        return self


class ServiceTokenSettings(BaseSettings):
    """Where the process finds its own token for calls to other services."""

    model_config = _prefix("NEXTPLAY_SERVICE_TOKEN_")
    file: Path = Field(description="file with this service's JWT; may be replaced while the process runs")


class PageTokenSettings(BaseSettings):
    """What signs the tokens of lists."""

    model_config = _prefix("NEXTPLAY_PAGE_TOKEN_")
    key: SecretStr = Field(min_length=32, description="the key that signs page tokens, the same in every instance")


class TelemetrySettings(BaseSettings):
    """How much is logged, and whether and how traces and metrics are sent. Without an endpoint nothing is; the other
    variables of OpenTelemetry's (headers, certificates, timeouts, batches) its SDK reads itself."""

    model_config = _prefix("NEXTPLAY_")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: HttpUrl | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", description="URL of an OTLP collector"
    )
    otlp_protocol: Literal["grpc", "http/protobuf"] = Field(
        default="grpc", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL", description="what the collector speaks there"
    )
    traces_sampler: str = Field(
        default="", validation_alias="OTEL_TRACES_SAMPLER", pattern="^(parentbased_(always_(on|off)|traceidratio))?$"
    )


def load(settings: type[S], *, prefix: str | None = None) -> S:
    """Read `settings` and the groups nested in it from the environment.

    With mistakes, prints every one of them to stderr (the variable, what it is for, what is wrong with it; never a
    secret's value) and exits with `BAD_SETTINGS`. `prefix` replaces the class's own prefix of variable names.
    """
    mistakes: set[str] = set()
    loaded = _read(settings, settings.model_config["env_prefix"] if prefix is None else prefix, mistakes)
    if mistakes:
        print(f"The settings have {len(mistakes)} mistake(s):", *sorted(mistakes), sep="\n  ", file=sys.stderr)  # noqa: T201
        raise SystemExit(BAD_SETTINGS)
    return loaded


def _read(settings: type[S], prefix: str, mistakes: set[str]) -> S:
    """The settings, or an unusable instance and the mistakes."""
    groups: dict[str, Any] = {
        name: _read(group, group.model_config["env_prefix"], mistakes)
        for name, field in settings.model_fields.items()
        if isinstance(group := field.annotation, type) and issubclass(group, BaseSettings)
    }
    try:
        return settings(_env_prefix=prefix, **groups)
    except ValidationError as error:
        mistakes.update(_sentences(settings, prefix, error))
    except SettingsError as error:  # of one field, whose text is no JSON; what else is wrong is told when it is mended
        name = str(error).split('"')[1]
        mistakes.add(f"{_variable(settings, prefix, name)}: the value is wrong: it must be JSON")
    except AttributeError:
        if not mistakes:
            raise  # else a rule has looked into a group that has mistakes of its own
    return settings.model_construct()


def _variable(settings: type[BaseSettings], prefix: str, name: str) -> str:
    return str(settings.model_fields[name].validation_alias or f"{prefix}{name}".upper())


def _sentences(settings: type[BaseSettings], prefix: str, error: ValidationError) -> Iterator[str]:
    fields = {str(field.validation_alias or name): field for name, field in settings.model_fields.items()}
    for detail in error.errors(include_url=False):
        said = detail["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("Value ")
        if not detail["loc"]:  # a rule about several variables
            yield f"{prefix}*: {said}"
            continue
        name, *inner = map(str, detail["loc"])  # of a variable that holds JSON, the way into it too
        field = fields[name]
        variable = name if field.validation_alias else f"{prefix}{name}".upper()
        variable += f" at {'.'.join(inner)}" if inner else ""
        about = f"{variable} ({field.description})" if field.description else variable
        said = f"it {said}" if said[0].islower() else said
        value = "the value" if "Secret" in str(field.annotation) else repr(detail["input"])
        yield f"{about}: is not set" if detail["type"] == "missing" else f"{about}: {value} is wrong: {said}"
