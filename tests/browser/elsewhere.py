"""A page of another origin than the API's: a web server for a folder, and a gateway that lets its pages call."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.stack import Stack
from tests.e2e.people import until

START_SECONDS = 30
BOUND = re.compile(r'"event": ?"http_bound".*?"port": ?(\d+)')


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was asked shows in the browser."""


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The origin at which the folder is given out."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def gateway_for(origin: str, platform: Stack, folder: Path) -> Iterator[str]:
    """The URL of a second gateway of the platform, which pages of the origin may call; its log is in the folder."""
    settings = platform.environment(None) | {
        "NEXTPLAY_GATEWAY_HTTP_BIND": "127.0.0.1:0",
        "NEXTPLAY_GATEWAY_CORS_ORIGINS": json.dumps([origin]),
    }
    log = folder / "gateway.log"
    with log.open("wb") as written:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=os.environ | settings, stderr=written)
    try:
        bound = until(lambda: BOUND.search(log.read_text()), seconds=START_SECONDS, what="a gateway")
        url = f"http://127.0.0.1:{bound[1]}"
        until(lambda: httpx.get(f"{url}/readyz").is_success or None, seconds=START_SECONDS, what="its readiness")
        yield url
    finally:
        process.terminate()
        process.wait(START_SECONDS)


@asynccontextmanager
async def https_before(url: str, host: str, folder: Path) -> AsyncIterator[int]:
    """The port of a server that speaks HTTPS, with a certificate of its own for `host`, and hands on to `url`."""
    target = httpx.URL(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(host, folder))

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # either side went away, and the other is told so
        finally:
            sink.close()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(target.host, target.port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _certificate(host: str, folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return file
