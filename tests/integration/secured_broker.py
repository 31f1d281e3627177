"""An Apache Kafka of a test's own, reached by TLS and with a password, and who signed its certificate."""

import asyncio
import datetime
import ipaddress
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from chassis.settings import KafkaSettings
from deploy.local.apache_kafka import READY_SECONDS, broker_command, fetch, lay_out
from deploy.local.ports import choose
from deploy.local.readiness import accepts

USER, PASSWORD = "nextplay", "of the tests"


@dataclass(frozen=True)
class SecuredBroker:
    """Where it is, and the certificates of the authority that signed its own and of one that did not, in PEM form."""

    servers: str
    ca: str
    other_ca: str

    def settings(self, **changed: object) -> KafkaSettings:
        """Those of a client that may use it, but for what is changed."""
        right = {
            "bootstrap_servers": self.servers,
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": SecretStr(PASSWORD),
            "ca": self.ca,
        }
        return KafkaSettings.model_validate(right | changed)


@asynccontextmanager
async def secured_broker(directory: Path) -> AsyncIterator[SecuredBroker]:
    """Run one in `directory` as long as the block lasts."""
    fetch()
    ca_file, other_ca_file, key_store = (directory / name for name in ("ca.pem", "other.pem", "broker.pem"))
    _write_certificates(ca_file, key_store)
    _write_certificates(other_ca_file, directory / "nobodys.pem")
    listeners = choose(directory / "ports.json", ["SASL_SSL", "CONTROLLER"])
    login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USER}" password="{PASSWORD}";'
    secured = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": key_store,
        "ssl.truststore.type": "PEM",  # the broker is a client of itself
        "ssl.truststore.location": ca_file,
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
    }
    user = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
    lay_out(directory / "broker.properties", directory / "log", listeners, secured, user)
    with (directory / "broker.log").open("wb") as log:
        command = broker_command(directory / "broker.properties")
        broker = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - it only starts it
    try:
        async with asyncio.timeout(READY_SECONDS):
            await _listens(listeners["SASL_SSL"], broker)
        yield SecuredBroker(f"127.0.0.1:{listeners['SASL_SSL']}", ca_file.read_text(), other_ca_file.read_text())
    finally:
        broker.kill()
        broker.wait()


async def _listens(port: int, broker: subprocess.Popen[bytes]) -> None:
    ready = accepts(port)
    while True:
        try:
            await ready()
            return
        except OSError:
            assert broker.poll() is None, "the broker ended by itself"
            await asyncio.sleep(0.1)


def _write_certificates(ca_file: Path, key_store: Path) -> None:
    """An authority's certificate, and a key with a certificate by it for 127.0.0.1, all of this day."""
    today = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(name: str, public_key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, "Authority"))
        builder = x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
        builder = builder.not_valid_before(today).not_valid_after(today + datetime.timedelta(days=1))
        signed = builder.add_extension(extension, critical=True).sign(ca_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca_file.write_bytes(certificate("Authority", ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=0)))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_store.write_bytes(key.private_bytes(*plain) + certificate("Broker", key.public_key(), here))
