"""Servers on this machine that answer as they are told: over HTTP/1.1 and HTTP/2, with TLS and without."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded


@dataclass(frozen=True)
class Seen:
    """A request that came in; `connection` numbers the connection that brought it."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Reply:
    """What is answered; the body is `endless` where it never ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    endless: bool = False


class Hang:
    """No answer, and the connection stays open."""


class Close:
    """No answer, and the connection ends."""


Behaviour: TypeAlias = Reply | Hang | Close
Answer: TypeAlias = Callable[[Seen], Behaviour]


@dataclass
class Server:
    """A server that runs: what it saw, and how it answers from now on."""

    answer: Answer
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    sent_bytes: int = 0
    connections: int = 0

    def take(self, seen: Seen) -> Behaviour:
        self.seen.append(seen)
        return self.answer(seen)


def always(behaviour: Behaviour) -> Answer:
    return lambda seen: behaviour


@asynccontextmanager
async def http1_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve HTTP/1.1 on 127.0.0.1."""
    async with _serving(Server(answer), _speak_http1, tls) as server:
        yield server


@asynccontextmanager
async def http2_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve HTTP/2 on 127.0.0.1; without TLS to those alone who speak it without asking."""
    if tls:
        tls.set_alpn_protocols(["h2"])
    async with _serving(Server(answer), _speak_http2, tls) as server:
        yield server


def certificates(directory: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server with that name, and for clients who trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain, secret = directory / "certificate.pem", directory / "key.pem"
    chain.write_bytes(certificate.public_bytes(pem))
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(chain, secret)
    return of_server, ssl.create_default_context(cafile=str(chain))


@asynccontextmanager
async def _serving(
    server: Server,
    speak: Callable[[Server, int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None,
) -> AsyncIterator[Server]:
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        server.connections += 1
        try:
            # Cancelled at the end of the test, which asyncio would write down as a mistake.
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError
            ):
                await speak(server, server.connections, reader, writer)
        finally:
            connections.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _speak_http1(server: Server, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        behaviour = server.take(Seen(first.split()[1], headers, body, number))
        if isinstance(behaviour, Hang):
            await asyncio.Event().wait()
        if not isinstance(behaviour, Reply):
            return
        length = {} if behaviour.endless else {"content-length": str(len(behaviour.body))}
        told = "".join(f"{name}: {value}\r\n" for name, value in {**behaviour.headers, **length}.items())
        writer.write(f"HTTP/1.1 {behaviour.status} Said\r\n{told}\r\n".encode() + behaviour.body)
        while behaviour.endless:
            writer.write(b"x" * 65_536)
            await writer.drain()
            server.sent_bytes += 65_536
        await writer.drain()


async def _speak_http2(server: Server, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    requests: dict[int, tuple[dict[str, str], bytearray]] = {}
    writer.write(connection.data_to_send())
    while data := await reader.read(65_536):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                requests[event.stream_id] = ({str(name): str(value) for name, value in event.headers}, bytearray())
            elif isinstance(event, DataReceived):
                requests[event.stream_id][1].extend(event.data)
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                headers, body = requests.pop(event.stream_id)
                behaviour = server.take(Seen(headers[":path"], headers, bytes(body), number))
                if isinstance(behaviour, Close):
                    return
                if isinstance(behaviour, Reply):
                    told = [(":status", str(behaviour.status)), *behaviour.headers.items()]
                    connection.send_headers(event.stream_id, told)
                    room = connection.local_flow_control_window(event.stream_id)
                    body_sent = b"x" * min(room, 16_384) if behaviour.endless else behaviour.body
                    connection.send_data(event.stream_id, body_sent, end_stream=not behaviour.endless)
        writer.write(connection.data_to_send())
        await writer.drain()
