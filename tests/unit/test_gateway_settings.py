"""The gateway's settings."""

import pytest

from chassis.settings import load
from gateway.settings import CATEGORIES, Settings
from services.upload.settings import ProductSettings as UploadSettings

ENVIRONMENT = {
    "NEXTPLAY_GATEWAY_HTTP_BIND": "127.0.0.1:0",
    "NEXTPLAY_UPLOAD_ADDRESS": "upload:9000",
    "NEXTPLAY_CATALOG_ADDRESS": "catalog:9000",
    "NEXTPLAY_NOTIFY_ADDRESS": "notify:9000",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_addresses_and_origins_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXTPLAY_GATEWAY_CORS_ORIGINS", '["https://app.example.com", "http://localhost:5173"]')
    settings = load(Settings)
    assert settings.catalog_address == "catalog:9000"
    assert settings.cors_origins == ["https://app.example.com", "http://localhost:5173"]
    assert settings.unary_seconds == 10


@pytest.mark.parametrize("origin", ["https://app.example.com/", "app.example.com", "*", "https://App.example.com"])
def test_an_origin_that_no_browser_sends_stops_the_start(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    environment.setenv("NEXTPLAY_GATEWAY_CORS_ORIGINS", f'["{origin}"]')
    environment.delenv("NEXTPLAY_UPLOAD_ADDRESS")
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "NEXTPLAY_GATEWAY_CORS_ORIGINS" in told
    assert "NEXTPLAY_UPLOAD_ADDRESS" in told


def test_studio_offers_the_categories_that_uploads_may_have() -> None:
    assert UploadSettings.model_fields["categories"].default == CATEGORIES


def test_who_signs_people_in_on_a_local_stack_is_json(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXTPLAY_GATEWAY_STUDIO_LOCAL_ISSUER", '{"token_url": "http://127.0.0.1:1/token", "users": []}')
    issuer = load(Settings).studio_local_issuer
    assert issuer == {"token_url": "http://127.0.0.1:1/token", "users": []}
