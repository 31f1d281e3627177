"""The settings of the vendors: all or nothing, checked at the start, and never told."""

import base64
import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic_settings import BaseSettings

from chassis.settings import load
from services.notify.addresses import Rules, open_client, open_resolver
from services.notify.channels import open_channels
from services.notify.channels.apns import Apns
from services.notify.channels.fcm import Fcm
from services.notify.channels.web_push import WebPush
from services.notify.settings import ApnsSettings, CalledAddresses, FcmSettings, WebPushSettings

PREFIX = "NEXTPLAY_NOTIFY_"
PEM = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
VAPID = base64.urlsafe_b64encode(bytes(31) + b"\x07").decode().rstrip("=")
APPLE = ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM).decode()
GOOGLE = json.dumps(
    {
        "type": "service_account",
        "project_id": "nextplay-test",
        "client_email": "push@nextplay.example",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": rsa.generate_private_key(65_537, 2_048).private_bytes(*PEM).decode(),
    }
)
OF_APNS = {"APNS_PRIVATE_KEY": APPLE, "APNS_KEY_ID": "KEY1234567", "APNS_TEAM_ID": "TEAM123456", "APNS_TOPIC": "a.b"}
OF_VAPID = {"VAPID_PRIVATE_KEY": VAPID, "VAPID_CONTACT": "mailto:ops@nextplay.example"}
OF_FCM = {"FCM_SERVICE_ACCOUNT": GOOGLE}


def given(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)


async def channels() -> list[type]:
    """Of Web Push, FCM and APNs."""
    fcm, apns = load(FcmSettings), load(ApnsSettings)
    async with (
        open_resolver() as resolve,
        open_client(Rules(), resolve) as client,
        open_channels(
            client, load(WebPushSettings).vapid, fcm.account, str(fcm.endpoint), apns.key, str(apns.endpoint)
        ) as opened,
    ):
        return [type(channel) for channel in opened.values()]


async def test_without_settings_every_vendor_is_off() -> None:
    assert await channels() == []


async def test_with_its_settings_each_vendor_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, OF_VAPID | OF_FCM | OF_APNS)
    assert await channels() == [WebPush, Fcm, Apns]


def test_name_servers_are_addresses_with_or_without_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = ["192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]", "[2001:db8::53]:53"]
    given(monkeypatch, {"CALLED_NAME_SERVERS": json.dumps(servers)})
    assert load(CalledAddresses).name_servers == servers


@pytest.mark.parametrize(
    ("settings", "values", "told"),
    [
        (WebPushSettings, {"VAPID_PRIVATE_KEY": VAPID}, "both or none"),
        (WebPushSettings, {"VAPID_CONTACT": "mailto:a@b.example"}, "both or none"),
        (WebPushSettings, OF_VAPID | {"VAPID_PRIVATE_KEY": "c2VjcmV0"}, "32 bytes"),
        (WebPushSettings, OF_VAPID | {"VAPID_PRIVATE_KEY": "!secret!"}, "VAPID"),
        (WebPushSettings, OF_VAPID | {"VAPID_CONTACT": "ops@nextplay.example"}, "CONTACT"),
        (FcmSettings, {"FCM_SERVICE_ACCOUNT": "secret"}, "service account"),
        (FcmSettings, {"FCM_SERVICE_ACCOUNT": GOOGLE.replace("BEGIN", "secret")}, "service account"),
        (ApnsSettings, {"APNS_PRIVATE_KEY": APPLE}, "all or none"),
        (ApnsSettings, OF_APNS | {"APNS_PRIVATE_KEY": "secret"}, "APNS"),
        (CalledAddresses, {"CALLED_NETWORKS": '["inside"]'}, "CALLED_NETWORKS"),
        (CalledAddresses, {"CALLED_NAME_SERVERS": '["dns.example"]'}, "CALLED_NAME_SERVERS"),
        (CalledAddresses, {"CALLED_NAME_SERVERS": '[""]'}, "CALLED_NAME_SERVERS"),
    ],
)
def test_a_mistake_stops_the_start_and_tells_no_key(
    settings: type[BaseSettings],
    values: Mapping[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given(monkeypatch, values)
    with pytest.raises(SystemExit) as ended:
        load(settings)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert "secret" not in printed.replace("SecretStr", "")
    assert "PRIVATE KEY-----" not in printed
