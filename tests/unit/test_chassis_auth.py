"""Token verification against a JWKS that rotates, fails and recovers; no network."""

import asyncio
import base64
import gc
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from chassis import auth
from chassis.auth import ServiceCaller, ServiceToken, SigningKeys, User, Verifier, open_verifier
from chassis.errors import Unauthenticated, Unavailable
from chassis.settings import IdentitySettings

ISSUER = "https://id.example"
URL = "https://id.example/jwks"
OF_UPLOAD: dict[str, Any] = {
    "sub": "service:upload",
    "aud": "nextplay-internal",
    "iat": int(time.time()),
    "exp": int(time.time()) + 3600,
}
ALICE = uuid.UUID("0197f3a0-0000-7000-8000-000000000001")


@dataclass
class Issuer:
    """An issuer of tokens whose keys, clock and health the test decides."""

    keys: dict[str, Any] = field(default_factory=dict)
    now: float = 1_000_000.0
    away: bool = False
    fetches: int = 0
    uri: str = URL

    def signing_keys(self) -> SigningKeys:
        """What is known of its keys."""
        return SigningKeys(cast(jwt.PyJWKClient, self), lambda: self.now)

    def get_jwk_set(self) -> jwt.PyJWKSet:
        """As a client of it answers."""
        self.fetches += 1
        if self.away:
            raise jwt.PyJWKClientConnectionError("away")
        return jwt.PyJWKSet.from_dict({"keys": [self._jwk(kid, key) for kid, key in self.keys.items()]})

    def token(self, kid: str = "ec", *, headers: dict[str, str] | None = None, **claims: Any) -> str:
        wanted = {"iss": ISSUER, "aud": "nextplay", "sub": str(ALICE), "exp": 4_000_000_000, **claims}
        present = {name: value for name, value in wanted.items() if value is not None}
        return jwt.encode(present, self.keys[kid], _algorithm(self.keys[kid]), headers={"kid": kid, **(headers or {})})

    def _jwk(self, kid: str, key: Any) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(_KINDS[type(key).__name__][1].to_jwk(key.public_key()))
        return {**made, "kid": kid, "use": "sig"}


_KINDS: dict[str, tuple[str, Any]] = {
    "ECPrivateKey": ("ES256", ECAlgorithm),
    "RSAPrivateKey": ("RS256", RSAAlgorithm),
    "Ed25519PrivateKey": ("EdDSA", OKPAlgorithm),
}


def _algorithm(key: Any) -> str:
    return _KINDS[type(key).__name__][0]


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(
        {
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "rsa": rsa.generate_private_key(65537, 2048),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }
    )


@pytest.fixture
async def verifier(issuer: Issuer) -> Verifier:
    settings = IdentitySettings(issuer=ISSUER, jwks_url=URL)  # type: ignore[arg-type]
    return Verifier({ISSUER: issuer.signing_keys()}, settings, lambda: issuer.now)


@pytest.mark.parametrize("kid", ["ec", "rsa", "ed"])
async def test_a_token_of_each_accepted_algorithm_names_its_user(issuer: Issuer, verifier: Verifier, kid: str) -> None:
    assert await verifier.user(issuer.token(kid, tier="paid")) == User(ALICE, "paid")


async def test_a_token_without_tier_is_free(issuer: Issuer, verifier: Verifier) -> None:
    assert (await verifier.user(issuer.token())).tier == "free"


async def test_a_service_token_names_its_service(issuer: Issuer, verifier: Verifier) -> None:
    assert await verifier.service(issuer.token(**OF_UPLOAD)) == ServiceCaller("upload")


@pytest.mark.parametrize("claims", [{"iat": OF_UPLOAD["iat"] - 1}, {"iat": None}])
async def test_a_service_token_that_lasts_longer_than_an_hour_is_refused(
    issuer: Issuer, verifier: Verifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated, match="may last 3600 s"):
        await verifier.service(issuer.token(**(OF_UPLOAD | claims)))


@pytest.fixture
def clusters_issuer() -> Issuer:
    """Kubernetes, which signs the tokens of service accounts, with a key of the same name as the users' issuer."""
    return Issuer({"ec": ec.generate_private_key(ec.SECP256R1())})


async def test_a_cluster_may_be_the_issuer_of_service_tokens_and_of_no_others(
    issuer: Issuer, clusters_issuer: Issuer
) -> None:
    settings = IdentitySettings(
        issuer=ISSUER,
        jwks_url=URL,  # type: ignore[arg-type]
        service_issuer="https://cluster.example",
        service_subject="system:serviceaccount:video:np-",
    )
    of_cluster = OF_UPLOAD | {"iss": "https://cluster.example", "sub": "system:serviceaccount:video:np-upload"}
    keys = {ISSUER: issuer.signing_keys(), "https://cluster.example": clusters_issuer.signing_keys()}
    verifier = Verifier(keys, settings)
    assert await verifier.service(clusters_issuer.token(**of_cluster)) == ServiceCaller("upload")
    assert await verifier.user(issuer.token()) == User(ALICE, "free")
    for forged in (
        issuer.token(**of_cluster),
        issuer.token(**(of_cluster | {"iss": ISSUER})),
        clusters_issuer.token(**(of_cluster | {"sub": "system:serviceaccount:elsewhere:np-upload"})),
        clusters_issuer.token(**(of_cluster | {"aud": "https://kubernetes.default.svc"})),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.service(forged)
    with pytest.raises(Unauthenticated):
        await verifier.user(clusters_issuer.token(iss="https://cluster.example"))


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "not valid"),
        ({"aud": "nextplay-internal"}, "audience"),
        ({"aud": None}, "not valid"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"sub": "alice"}, "not a user id"),
        ({"sub": None}, "not valid"),
        ({"tier": "gold"}, "tier"),
        ({"nbf": 4_000_000_000}, "not valid"),
    ],
)
async def test_a_user_token_with_a_wrong_claim_is_refused(
    issuer: Issuer, verifier: Verifier, claims: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Unauthenticated, match=sentence):
        await verifier.user(issuer.token(**claims))


@pytest.mark.parametrize("sub", [str(ALICE), "service:", "other:upload"])
async def test_a_service_token_without_a_service_is_refused(issuer: Issuer, verifier: Verifier, sub: str) -> None:
    with pytest.raises(Unauthenticated, match="not a service"):
        await verifier.service(issuer.token(**(OF_UPLOAD | {"sub": sub})))


async def test_a_users_token_is_no_service_token(issuer: Issuer, verifier: Verifier) -> None:
    with pytest.raises(Unauthenticated, match="audience"):
        await verifier.service(issuer.token())


async def test_an_unsigned_token_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    head, body, _ = issuer.token().split(".")
    for algorithm in ("none", "None", "nOnE"):
        forged = _base64(json.dumps({"alg": algorithm, "kid": "ec"}).encode())
        with pytest.raises(Unauthenticated, match="algorithm"):
            await verifier.user(f"{forged}.{body}.")
    with pytest.raises(Unauthenticated):
        await verifier.user(f"{head}.{body}.")


async def test_a_token_signed_symmetrically_with_the_public_key_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    public = (
        issuer.keys["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    _, body, _ = issuer.token("rsa").split(".")
    signed = f"{_base64(json.dumps({'alg': 'HS256', 'kid': 'rsa'}).encode())}.{body}"
    signature = _base64(hmac.digest(public, signed.encode(), "sha256"))
    with pytest.raises(Unauthenticated, match="algorithm"):
        await verifier.user(f"{signed}.{signature}")


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def test_a_token_signed_by_a_stranger_under_a_known_kid_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    stranger = Issuer({"ec": ec.generate_private_key(ec.SECP256R1())})
    with pytest.raises(Unauthenticated, match="not valid"):
        await verifier.user(stranger.token())


async def test_a_token_that_names_another_keys_algorithm_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.user(issuer.token("rsa", headers={"kid": "ec"}))


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "é.b.c", "." * 10_000])
async def test_a_text_that_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.user(token)


async def test_a_new_key_is_found_and_an_unknown_one_looked_for_once_in_30_s(
    issuer: Issuer, verifier: Verifier
) -> None:
    await verifier.user(issuer.token())
    assert issuer.fetches == 1
    issuer.keys["new"] = ec.generate_private_key(ec.SECP256R1())
    issuer.now += 31
    assert await verifier.user(issuer.token("new"))
    assert issuer.fetches == 2
    stranger = Issuer({"unheard": ec.generate_private_key(ec.SECP256R1())})
    for _ in range(5):
        with pytest.raises(Unauthenticated, match="unknown key"):
            await verifier.user(stranger.token("unheard"))
    assert issuer.fetches == 2
    issuer.now += 31
    with pytest.raises(Unauthenticated, match="unknown key"):
        await verifier.user(stranger.token("unheard"))
    assert issuer.fetches == 3


async def test_known_keys_work_while_the_issuer_is_away(issuer: Issuer, verifier: Verifier) -> None:
    await verifier.user(issuer.token())
    issuer.away = True
    issuer.now += 3600
    assert await verifier.user(issuer.token(tier="paid"))


async def test_without_any_key_an_absent_issuer_means_unavailable_until_it_is_back(
    issuer: Issuer, verifier: Verifier
) -> None:
    issuer.away = True
    with pytest.raises(Unavailable):
        await verifier.user(issuer.token())
    issuer.away = False
    issuer.now += auth.NO_KEYS_SECONDS
    assert await verifier.user(issuer.token())


async def test_a_withdrawn_key_stops_working_when_the_keys_are_read_anew(issuer: Issuer) -> None:
    keys = issuer.signing_keys()
    await keys.refresh()
    del issuer.keys["ec"]
    await keys.refresh()
    with pytest.raises(Unauthenticated, match="unknown key"):
        await keys.get("ec")


@pytest.mark.parametrize(("lives_seconds", "remembered_seconds"), [(100, 100), (4000, 300)])
async def test_a_verified_token_is_remembered_until_it_expires_and_for_5_minutes_at_most(
    issuer: Issuer, verifier: Verifier, lives_seconds: int, remembered_seconds: int
) -> None:
    issuer.now = time.time()
    token = issuer.token(exp=int(issuer.now) + lives_seconds)
    await verifier.user(token)
    del issuer.keys["ec"]
    await verifier._keys[ISSUER].refresh()
    issuer.now += remembered_seconds - 2
    assert await verifier.user(token)
    issuer.now += 3
    with pytest.raises(Unauthenticated, match="unknown key"):
        await verifier.user(token)


async def test_the_memory_of_verified_tokens_is_bounded(
    issuer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_TOKENS", 3)
    for number in range(10):
        await verifier.user(issuer.token(jti=str(number)))
    assert len(verifier._verified) == 3


def test_a_missing_token_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        ServiceToken(tmp_path / "absent").read()


def test_outside_a_call_there_is_no_caller() -> None:
    assert auth.optional_user() is None
    with pytest.raises(Unauthenticated):
        auth.current_user()
    with auth.acting_as(User(ALICE, "free")):
        assert auth.current_user().user_id == ALICE
    assert auth.optional_user() is None


async def test_a_verifier_ends_without_a_word_about_who_kept_its_keys_fresh() -> None:
    settings = IdentitySettings(issuer=ISSUER, jwks_url=URL)  # type: ignore[arg-type]
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    async with open_verifier(settings):
        await asyncio.sleep(0)
    for _ in range(3):  # turns of the loop: who was cancelled ends in the first
        await asyncio.sleep(0)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert not said
