"""The local token issuer: an ES256 key of the home, its JWKS over HTTP, and tokens for anyone who asks on 127.0.0.1.

It stands in for a real identity provider, so that the services verify tokens the same way everywhere; it exists only
on a developer's machine.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local.home import Home, replace

USER_AUDIENCE = "nextplay"
SERVICE_AUDIENCE = "nextplay-internal"
TIERS = ("free", "verified", "paid")
USER_TOKEN_SECONDS = 12 * 3600
SERVICE_TOKEN_SECONDS = 3600

_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://nextplay.example/local-users")
_BODY_LIMIT_BYTES = 4096


def user_id(name: str) -> uuid.UUID:
    """The stable id of a name such as `alice`; a UUID stays what it is."""
    try:
        return uuid.UUID(name)
    except ValueError:
        return uuid.uuid5(_NAMES, name)


@dataclass(frozen=True)
class Issuer:
    """Signs tokens; `url` is their `iss`."""

    url: str
    key: ec.EllipticCurvePrivateKey

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """The public key; its `kid` is derived from it, so another key has another one."""
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        kid = str(uuid.uuid5(_NAMES, f"{public['x']}.{public['y']}"))
        return {**public, "kid": kid, "alg": "ES256", "use": "sig"}

    def user_token(self, name: str, tier: str = "free", **claims: Any) -> str:
        """A token of a user; `claims` override (an `exp` in the past, another `aud`)."""
        return self._sign(USER_TOKEN_SECONDS, {"aud": USER_AUDIENCE, "sub": str(user_id(name)), "tier": tier} | claims)

    def service_token(self, service: str, **claims: Any) -> str:
        """A token with which a service calls another."""
        return self._sign(SERVICE_TOKEN_SECONDS, {"aud": SERVICE_AUDIENCE, "sub": f"service:{service}"} | claims)

    def _sign(self, seconds: int, claims: dict[str, Any]) -> str:
        now = int(time.time())
        return jwt.encode(
            {"iss": self.url, "iat": now, "exp": now + seconds, **claims},
            self.key,
            algorithm="ES256",
            headers={"kid": self.jwk["kid"]},
        )


def open_issuer(home: Home, port: int) -> Issuer:
    """The issuer of this home; its key is made at the first call and stays."""
    file = home.path / "identity.pem"
    if not file.exists():
        replace(
            file,
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} holds no elliptic curve key")
    return Issuer(f"http://127.0.0.1:{port}", key)


def service_token_file(home: Home, service: str) -> Path:
    return home.tokens / f"{service}.jwt"


def write_service_tokens(home: Home, issuer: Issuer, services: Iterable[str]) -> None:
    """Writes each service's token to its file; to be repeated before `SERVICE_TOKEN_SECONDS` are over."""
    for service in services:
        replace(service_token_file(home, service), issuer.service_token(service).encode())


@contextmanager
def serve(issuer: Issuer, port: int) -> Iterator[None]:
    """Answers on 127.0.0.1 in a thread: GET /jwks.json, GET /.well-known/openid-configuration, and
    POST /token {"user": "alice", "tier": "free"} → {"token", "user_id", "tier", "expires_in": seconds}."""

    class Handler(_Handler):
        its_issuer = issuer

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    its_issuer: ClassVar[Issuer]
    timeout = 5
    server_version = "nextplay-identity"

    def do_GET(self) -> None:
        url = self.its_issuer.url
        match self.path:
            case "/jwks.json":
                self._reply(200, {"keys": [self.its_issuer.jwk]})
            case "/.well-known/openid-configuration":
                self._reply(200, {"issuer": url, "jwks_uri": f"{url}/jwks.json", "token_endpoint": f"{url}/token"})
            case _:
                self._reply(404, {"error": f"There is nothing at {self.path}."})

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != "/token" or size > _BODY_LIMIT_BYTES:
            self._reply(404, {"error": "Only POST /token with a small body is known here."})
            return
        try:
            wanted = json.loads(self.rfile.read(size))
            user, tier = wanted["user"], wanted.get("tier", "free")
        except (ValueError, KeyError, AttributeError, TypeError):
            user, tier = "", ""
        if not isinstance(user, str) or not user or tier not in TIERS:
            self._reply(400, {"error": f'Send {{"user": a name, "tier": one of {", ".join(TIERS)}}}.'})
            return
        token = self.its_issuer.user_token(user, tier)
        self._reply(
            200, {"token": token, "user_id": str(user_id(user)), "tier": tier, "expires_in": USER_TOKEN_SECONDS}
        )

    def do_OPTIONS(self) -> None:
        self._reply(204, None)

    def _reply(self, status: int, body: dict[str, Any] | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Content-Type")
        self.send_header("Access-Control-Allow-Methods", "GET, POST")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request here is of no interest afterwards."""
