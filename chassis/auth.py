"""Who calls: tokens verified here, in every service, with the issuer's public keys.

A user's token has the public audience, `sub` (UUID) and `tier`; a service's has the internal audience, `sub` =
`service:<name>`, and lasts an hour at most. A service's may be another issuer's, as Kubernetes' is. Only asymmetric
algorithms are accepted, whatever the token's header says.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jwt

from chassis.errors import Unauthenticated, Unavailable
from chassis.settings import IdentitySettings
from chassis.telemetry import logger

ALGORITHMS = ("ES256", "RS256", "EdDSA")
SKEW_SECONDS = 5
SERVICE_TOKEN_SECONDS = 3600
FETCH_SECONDS, REFRESH_SECONDS = 3.0, 300.0
UNKNOWN_KEY_SECONDS, NO_KEYS_SECONDS = 30.0, 1.0
REMEMBERED_TOKENS, REMEMBERED_SECONDS = 4096, 300.0

_REQUIRED: Any = {"require": ["exp", "iss", "aud", "sub"]}
_REFUSALS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is from another issuer.",
}

Tier: TypeAlias = Literal["free", "verified", "paid"]

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user; `tier` decides priorities."""

    user_id: uuid.UUID
    tier: Tier


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """Another service of ours, by the name in its token ("upload")."""

    name: str


Caller: TypeAlias = User | ServiceCaller
_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


@contextmanager
def acting_as(caller: Caller | None) -> Iterator[None]:
    """Let the functions below answer `caller` inside the block; the server does this around each call."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def optional_user() -> User | None:
    """The user who makes the present call; None if a service or nobody does."""
    caller = _caller.get()
    return caller if isinstance(caller, User) else None


def current_user() -> User:
    """The user who makes the present call. Raises `Unauthenticated` if a service or nobody does."""
    if user := optional_user():
        return user
    raise Unauthenticated


def issuer_at(url: str) -> jwt.PyJWKClient:
    """An issuer of tokens by the address of its keys."""
    return jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS)


async def read_keys(issuer: jwt.PyJWKClient) -> list[jwt.PyJWK]:
    """Those of its keys that have an id and are of an accepted kind. Raises `Unavailable` where none can be read.

    In a thread: a client of HTTP with an event loop would take 7 MB of every process for a request in five minutes.
    """
    try:
        listed = (await asyncio.to_thread(issuer.get_jwk_set)).keys
    except (jwt.PyJWTError, OSError, ValueError, AttributeError) as error:
        why = type(error.__cause__ or error).__name__
        raise Unavailable(f"No keys can be read at {issuer.uri} ({why}).") from error
    return [key for key in listed if key.key_id and key.algorithm_name in ALGORITHMS]


class SigningKeys:
    """The issuer's public keys by `kid`. Keys that are known stay in use while the issuer is away."""

    def __init__(self, issuer: jwt.PyJWKClient, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._now = issuer, now
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._reached = False
        self._next_fetch = 0.0
        self._fetching = asyncio.Lock()

    async def get(self, kid: str | None) -> jwt.PyJWK:
        """The key named `kid`; an unknown one is looked for at the issuer, at most once in 30 s.

        Raises `Unauthenticated` if the issuer does not know it, `Unavailable` if the issuer could not be asked.
        """
        if kid not in self._keys:
            async with self._fetching:
                if kid not in self._keys and self._now() >= self._next_fetch:
                    await self.refresh()
        if kid in self._keys:
            return self._keys[kid]
        if self._reached:
            raise Unauthenticated("The token is signed with an unknown key.")
        raise Unavailable("The keys of the token issuer cannot be read at the moment.", retry_after=NO_KEYS_SECONDS)

    async def refresh(self) -> None:
        """Read the keys anew; when that fails, keep what is known and log it."""
        try:
            self._keys = {key.key_id: key for key in await read_keys(self._issuer)}
            self._reached = True
        except Unavailable as error:
            self._reached = False
            log.warning("signing_keys_not_read", url=self._issuer.uri, reason=str(error))
        self._next_fetch = self._now() + (UNKNOWN_KEY_SECONDS if self._keys else NO_KEYS_SECONDS)

    async def keep_fresh(self) -> None:
        """Read the keys now and every 5 minutes, so that a withdrawn key stops working."""
        while True:
            async with self._fetching:
                await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)


class Verifier:
    """Verifies tokens; remembers the verified ones until they expire, for 5 minutes at most.

    Both methods raise `Unauthenticated`, whose sentence says what is wrong with the token, or `Unavailable`.
    """

    def __init__(
        self, keys: Mapping[str, SigningKeys], settings: IdentitySettings, now: Callable[[], float] = time.time
    ) -> None:
        self._keys, self._settings, self._now = keys, settings, now  # the keys by their issuer
        self._verified: OrderedDict[tuple[str, str], tuple[float, Mapping[str, Any]]] = OrderedDict()

    async def user(self, token: str) -> User:
        """The user whose token this is."""
        return _user(await self._claims(token, self._settings.audience, self._settings.issuer))

    async def service(self, token: str) -> ServiceCaller:
        """The service whose token this is."""
        given = self._settings
        claims = await self._claims(token, given.service_audience, given.service_issuer or given.issuer)
        return _service(claims, given.service_subject)

    async def _claims(self, token: str, audience: str, issuer: str) -> Mapping[str, Any]:
        until, claims = self._verified.get((audience, token), (0.0, {}))
        if self._now() < until:
            self._verified.move_to_end((audience, token))
            return claims
        claims = await self._verify(token, audience, issuer)
        self._verified[audience, token] = (min(float(claims["exp"]), self._now() + REMEMBERED_SECONDS), claims)
        if len(self._verified) > REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
        return claims

    async def _verify(self, token: str, audience: str, issuer: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated(f"The token's algorithm is not accepted; accepted are {', '.join(ALGORITHMS)}.")
            key = await self._keys[issuer].get(header.get("kid"))
            return jwt.decode(token, key, ALGORITHMS, _REQUIRED, audience=audience, issuer=issuer, leeway=SKEW_SECONDS)
        except jwt.PyJWTError as error:
            raise Unauthenticated(_REFUSALS.get(type(error), "The token is not valid.")) from error


def _user(claims: Mapping[str, Any]) -> User:
    tier = claims.get("tier", "free")
    if tier not in ("free", "verified", "paid"):
        raise Unauthenticated("The token's tier is none of free, verified, paid.")
    try:
        return User(uuid.UUID(claims["sub"]), tier)
    except ValueError as error:
        raise Unauthenticated("The token's subject is not a user id.") from error


def _service(claims: Mapping[str, Any], subject: str) -> ServiceCaller:
    name = claims["sub"].removeprefix(subject)
    if not name or name == claims["sub"]:
        raise Unauthenticated("The token's subject is not a service.")
    if claims["exp"] - claims.get("iat", 0) > SERVICE_TOKEN_SECONDS:
        raise Unauthenticated(f"The token of a service may last {SERVICE_TOKEN_SECONDS} s, and this one lasts longer.")
    return ServiceCaller(name)


@asynccontextmanager
async def open_verifier(settings: IdentitySettings) -> AsyncIterator[Verifier]:
    """A verifier whose keys are kept fresh in the background."""
    urls = {settings.service_issuer or settings.issuer: settings.service_jwks_url or settings.jwks_url}
    urls[settings.issuer] = settings.jwks_url
    keys = {issuer: SigningKeys(issuer_at(str(url))) for issuer, url in urls.items()}
    refreshing = asyncio.gather(*(one.keep_fresh() for one in keys.values()))
    try:
        yield Verifier(keys, settings)
    finally:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)


@dataclass(frozen=True)
class ServiceToken:
    """This process's own token, for its calls to other services: whatever its file holds at the moment."""

    file: Path

    def read(self) -> str:
        """The token. Raises `Unavailable` if the file cannot be read."""
        try:
            return self.file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Unavailable("The service's own token cannot be read.") from error
