"""Settings are read from the environment; a start with mistakes lists every one of them."""

import pytest
from pydantic import BaseModel, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import (
    Dsn,
    HostPort,
    IdentitySettings,
    KafkaSettings,
    ObjectStoreSettings,
    Strings,
    TelemetrySettings,
    load,
)


class OtherContext(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_OTHER_")
    address: HostPort


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_TRIAL_")
    postgres_dsn: Dsn
    grpc_bind: HostPort
    origins: Strings = []
    part_size_bytes: int = Field(default=100, ge=10, description="size of a part, bytes")
    signing_key: SecretStr | None = Field(default=None, max_length=5)
    kafka: KafkaSettings
    telemetry: TelemetrySettings
    other: OtherContext


RIGHT = {
    "NEXTPLAY_TRIAL_POSTGRES_DSN": "postgresql://trial:hunter2@127.0.0.1/nextplay",
    "NEXTPLAY_TRIAL_GRPC_BIND": "127.0.0.1:0",
    "NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "NEXTPLAY_OTHER_ADDRESS": "other:50051",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with everything that is required, and nothing else."""
    for name in ("NEXTPLAY_LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def mistakes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert stopped.value.code == 2
    return [line.strip() for line in capsys.readouterr().err.splitlines()[1:]]


def test_settings_and_the_groups_in_them_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXTPLAY_TRIAL_ORIGINS", '["https://a.example", "https://b.example"]')
    environment.setenv("NEXTPLAY_LOG_LEVEL", "DEBUG")
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    settings = load(Settings)
    assert settings.postgres_dsn.get_secret_value() == RIGHT["NEXTPLAY_TRIAL_POSTGRES_DSN"]
    assert settings.origins == ["https://a.example", "https://b.example"]
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.other.address == "other:50051"
    assert settings.telemetry.log_level == "DEBUG"
    assert str(settings.telemetry.otlp_endpoint) == "http://collector:4317/"


def test_every_mistake_of_every_group_is_told_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS")
    environment.delenv("NEXTPLAY_OTHER_ADDRESS")
    environment.setenv("NEXTPLAY_TRIAL_GRPC_BIND", "localhost")
    environment.setenv("NEXTPLAY_TRIAL_ORIGINS", "https://a.example")
    environment.setenv("NEXTPLAY_TRIAL_PART_SIZE_BYTES", "7")
    environment.setenv("NEXTPLAY_LOG_LEVEL", "LOUD")
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
    told = mistakes(capsys)
    assert [line.partition(":")[0].partition(" ")[0] for line in told] == [
        "NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS",
        "NEXTPLAY_LOG_LEVEL",
        "NEXTPLAY_OTHER_ADDRESS",
        "NEXTPLAY_TRIAL_GRPC_BIND",
        "NEXTPLAY_TRIAL_ORIGINS",
        "NEXTPLAY_TRIAL_PART_SIZE_BYTES",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    assert told[0].endswith("is not set")
    assert "'LOUD' is wrong: it should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'" in told[1]
    assert "'localhost' is wrong: it must be host:port" in told[3]
    assert "must be a JSON list of strings" in told[4]
    assert "size of a part, bytes" in told[5]
    assert "'7' is wrong: it should be greater than or equal to 10" in told[5]


def test_a_wrong_secret_is_told_without_its_value(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("NEXTPLAY_TRIAL_POSTGRES_DSN", "mysql://trial:hunter2@127.0.0.1/nextplay")
    environment.setenv("NEXTPLAY_TRIAL_SIGNING_KEY", "hunter2hunter2")
    told = mistakes(capsys)
    assert len(told) == 2
    assert "must be a PostgreSQL DSN" in told[0]
    assert "hunter2hunter2" not in "".join(told)
    assert "trial:hunter2" not in "".join(told)


def test_a_rule_about_several_variables_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Pair(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="NEXTPLAY_PAIR_")
        low: int = 2
        high: int = 1

        @model_validator(mode="after")
        def ordered(self) -> "Pair":
            if self.low > self.high:
                raise ValueError(f"LOW is {self.low} and must not be above HIGH, which is {self.high}")
            return self

    with pytest.raises(SystemExit):
        load(Pair)
    assert "NEXTPLAY_PAIR_*: LOW is 2 and must not be above HIGH, which is 1" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", ":80", "host:", "host:port", "host:65536", "host:-1"])
def test_a_wrong_address_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    environment.setenv("NEXTPLAY_TRIAL_GRPC_BIND", address)
    assert "NEXTPLAY_TRIAL_GRPC_BIND" in mistakes(capsys)[0]


def test_an_empty_variable_of_a_shared_group_is_an_unset_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXTPLAY_KAFKA_SASL_MECHANISM", "")
    assert load(Settings).kafka.sasl_mechanism is None


@pytest.mark.parametrize("text", ["/etc/ca.pem", "-----BEGIN CERTIFICATE-----", "ä"])
def test_what_holds_no_certificate_is_refused_as_one(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    environment.setenv("NEXTPLAY_KAFKA_CA", text)
    [mistake] = mistakes(capsys)
    assert mistake.startswith("NEXTPLAY_KAFKA_CA")
    assert "must be certificates in PEM form" in mistake


def test_a_secret_is_not_in_the_text_of_settings(environment: pytest.MonkeyPatch) -> None:
    assert "hunter2" not in f"{load(Settings)!r}"


def test_the_prefix_can_be_given(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXTPLAY_SECOND_ADDRESS", "second:1")
    assert load(OtherContext, prefix="NEXTPLAY_SECOND_").address == "second:1"


def test_defaults_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = IdentitySettings(issuer="i", jwks_url="http://i/jwks")  # type: ignore[arg-type]
    assert (identity.audience, identity.service_audience) == ("nextplay", "nextplay-internal")
    store = ObjectStoreSettings(bucket="b", region="r")
    assert (store.endpoint, store.access_key, store.secret_key) == (None, None, None)


def test_keys_of_services_without_an_issuer_of_their_own_are_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"ISSUER": "i", "JWKS_URL": "http://i/jwks", "SERVICE_JWKS_URL": "http://cluster/jwks"}.items():
        monkeypatch.setenv(f"NEXTPLAY_IDENTITY_{name}", value)
    with pytest.raises(SystemExit):
        load(IdentitySettings)
    assert "NEXTPLAY_IDENTITY_*: SERVICE_JWKS_URL is of another issuer than ISSUER" in capsys.readouterr().err
    monkeypatch.setenv("NEXTPLAY_IDENTITY_SERVICE_ISSUER", "cluster")
    assert load(IdentitySettings).service_issuer == "cluster"


class Place(BaseModel):
    name: str
    seats: int = Field(ge=1)


class OfJson(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_JSON_")
    places: list[Place] = []
    colours: list[str] = []


class Ruled(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_RULED_")
    json_: OfJson
    other: OtherContext

    @model_validator(mode="after")
    def _looks_into_its_group(self) -> "Ruled":
        if self.other.address == "":
            raise ValueError("never")
        return self


def mistakes_of(settings: type[BaseSettings], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit):
        load(settings)
    return [line.strip() for line in capsys.readouterr().err.splitlines()[1:]]


def test_a_mistake_within_a_variable_of_json_names_the_variable_and_the_way_into_it(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("NEXTPLAY_JSON_PLACES", '[{"name": "a", "seats": 2}, {"seats": 0}]')
    assert mistakes_of(OfJson, capsys) == [
        "NEXTPLAY_JSON_PLACES at 1.name: is not set",
        "NEXTPLAY_JSON_PLACES at 1.seats: 0 is wrong: it should be greater than or equal to 1",
    ]
    environment.setenv("NEXTPLAY_JSON_COLOURS", "red, blue")
    assert mistakes_of(OfJson, capsys) == ["NEXTPLAY_JSON_COLOURS: the value is wrong: it must be JSON"]


class OfUrls(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_URLS_")
    key: SecretStr = Field(min_length=32)
    place: HttpUrl


def test_a_mistake_is_told_in_a_sentence(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("NEXTPLAY_URLS_KEY", "short")
    environment.setenv("NEXTPLAY_URLS_PLACE", "ftp://x")
    assert mistakes_of(OfUrls, capsys) == [
        "NEXTPLAY_URLS_KEY: the value is wrong: it should have at least 32 items after validation, not 5",
        "NEXTPLAY_URLS_PLACE: 'ftp://x' is wrong: URL scheme should be 'http' or 'https'",
    ]


def test_a_mistake_in_a_group_is_told_by_the_groups_variable_whatever_rule_looks_into_the_group(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("NEXTPLAY_OTHER_ADDRESS")
    environment.setenv("NEXTPLAY_JSON_COLOURS", "red, blue")
    assert mistakes_of(Ruled, capsys) == [
        "NEXTPLAY_JSON_COLOURS: the value is wrong: it must be JSON",
        "NEXTPLAY_OTHER_ADDRESS: is not set",
    ]
