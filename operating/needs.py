"""What a process needs of others and finds missing, named in /readyz and in the log with what to do about it.

    await wait_for(service, schema=partial(schema, pool, "upload"))
    look_after(service, topics=partial(topics, producer, consumed=CONSUMED, produced=[UploadCompleted]))

Looked for is what somebody has forgotten or set wrongly, and what nobody but a person can mend. What is only away is
not told here: it comes back, and the parts that need it say so themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from google.protobuf.message import Message

from chassis import migrations, queries, telemetry
from chassis.auth import ALGORITHMS, ServiceToken, issuer_at, read_keys
from chassis.errors import Unavailable
from chassis.events import topic_of
from chassis.postgres import Pool, acquire
from chassis.run import Service
from chassis.settings import IdentitySettings

if TYPE_CHECKING:
    from chassis.object_store import ObjectStore

QUERIES = queries.load("operating")
AGAIN_SECONDS, MENDED_SECONDS = 60.0, 5.0
LOOK_SECONDS = 10.0

log = telemetry.logger(__name__)

Look = Callable[[], Awaitable[str | None]]
"""Says in a sentence what is missing and what to do; None when all is there. Raises Unavailable where nobody knows."""


async def wait_for(service: Service, **needs: Look) -> None:
    """Return when all of them are there: for what nothing of the process works without. Meanwhile it is not ready."""
    missing = _shown(service, needs)
    while await _look(needs, missing):  # noqa: ASYNC110 - nothing tells when somebody has mended it
        await asyncio.sleep(MENDED_SECONDS)


def look_after(service: Service, **needs: Look) -> None:
    """Look now and every minute, every five seconds while something is missing, until the process stops."""

    async def keep_looking() -> None:
        while True:  # noqa: ASYNC110 - see above
            await asyncio.sleep(MENDED_SECONDS if await _look(needs, missing) else AGAIN_SECONDS)

    missing = _shown(service, needs)
    service.task("needs", keep_looking())


def _shown(service: Service, needs: Mapping[str, Look]) -> dict[str, str]:
    """What is missing, by name, of which readiness tells whatever stands in it."""
    missing: dict[str, str] = {}

    async def check(name: str) -> None:
        if name in missing:
            raise Unavailable(missing[name])

    for name in needs:
        service.check(name, partial(check, name))
    return missing


async def _look(needs: Mapping[str, Look], missing: dict[str, str]) -> bool:
    """Whether something is missing; told once. Where nobody knows, what was known holds."""
    for name, look in needs.items():
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                reason = await look()
        except (Unavailable, TimeoutError):
            continue
        told = missing.pop(name, None)
        if reason:
            missing[name] = reason
            if reason != told:
                log.error("need_found_missing", need=name, reason=reason)
        elif told:
            log.info("need_met", need=name)
    return bool(missing)


async def schema(pool: Pool, context: str) -> str | None:
    """Every migration of this version is applied, and the role may use the tables."""
    migrate = f"Run `python -m services.{context} migrate`."
    try:
        async with acquire(pool) as connection:
            applied = {row["name"] for row in await connection.fetch(QUERIES["list_applied_migrations"])}
            barred = [row["name"] for row in await connection.fetch(QUERIES["list_barred_tables"])]
    except asyncpg.UndefinedTableError:
        return f"There are no tables that the role of {context} can see. {migrate}"
    except asyncpg.InsufficientPrivilegeError as error:
        return f"The role of {context} lacks rights: {error}. {migrate}"
    folders = (resources.files(package) for package in (migrations.__name__, f"services.{context}.migrations"))
    files = {file.name for folder in folders for file in folder.iterdir() if file.name.endswith(".sql")}
    if absent := sorted(files - applied):
        return f"The schema {context} lacks {', '.join(absent)}. {migrate}"
    return f"The role of {context} may not read and write {', '.join(barred)}. {migrate}" if barred else None


async def topics(
    producer: AIOKafkaProducer, *, consumed: Collection[type[Message]] = (), produced: Collection[type[Message]] = ()
) -> str | None:
    """Every topic is there and may be used, those of dead letters too."""
    read = {topic_of(event) for event in consumed}
    wanted = read | {f"{topic}.dlq" for topic in read} | {topic_of(event) for event in produced}
    try:
        cluster: Any = await producer.client.fetch_all_metadata()
    except KafkaError as error:
        raise Unavailable("The event broker is not reachable.") from error
    if barred := sorted(wanted & set(cluster.unauthorized_topics)):
        return f"Kafka does not permit {', '.join(barred)}. Give its user, NEXTPLAY_KAFKA_SASL_USERNAME, the rights."
    if absent := sorted(wanted - set(cluster.topics())):
        return f"Kafka has no topic {', '.join(absent)}. Run `python -m deploy.topics`."
    return None


async def bucket(objects: "ObjectStore", *prefixes: str) -> str | None:
    """The bucket is there, and what is below the prefixes may be listed and read."""
    # Here, because the client of S3 is 17 MB that a service without a bucket need not have.
    from botocore.exceptions import ClientError

    from chassis.object_store import ObjectNotFound, call

    name, client = objects.bucket, objects.client
    for prefix in prefixes:
        asked = "ListBucket"
        try:
            async with call():
                await client.list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=1)
            asked = "GetObject"
            with suppress(ObjectNotFound):
                await objects.head(f"{prefix}nothing")
        except Unavailable as error:
            if not isinstance(refused := error.__cause__, ClientError):
                raise
            match code := refused.response["Error"]["Code"]:
                case "NoSuchBucket":
                    return f"S3 has no bucket {name}. Create it, private, or set NEXTPLAY_S3_BUCKET."
                case "InvalidAccessKeyId" | "SignatureDoesNotMatch":
                    return f"S3 does not know the key ({code}). Set NEXTPLAY_S3_ACCESS_KEY and NEXTPLAY_S3_SECRET_KEY."
                case "AccessDenied" | "403":
                    # Who may use one bucket alone is told the same of another one, whether that is there or not.
                    barred = f"S3 permits no {asked} below {prefix} in the bucket {name}."
                    return f"{barred} Give the identity that right, or set NEXTPLAY_S3_BUCKET."
            raise
    return None


def signing_keys(settings: IdentitySettings) -> Look:
    """The keys of each issuer can be read, and one of them is of a kind that is accepted. An issuer whose keys were
    read once is only away: they stay in use, and if every instance became unready for it, nothing would work any more.
    """
    given = {"JWKS_URL": settings.jwks_url, "SERVICE_JWKS_URL": settings.service_jwks_url}
    issuers = {variable: issuer_at(str(url)) for variable, url in given.items() if url}
    read_once = set[str]()

    async def look() -> str | None:
        for variable, issuer in issuers.items():
            try:
                keys = await read_keys(issuer)
            except Unavailable as error:
                if variable in read_once:
                    raise
                return f"{error} Set NEXTPLAY_IDENTITY_{variable}."
            if not keys:
                accepted = ", ".join(ALGORITHMS)
                return f"No key at {issuer.uri} has an id and is one of {accepted}. Let the issuer publish one."
            read_once.add(variable)
        return None

    return look


async def service_token(token: ServiceToken) -> str | None:
    """The process has a token for its own calls."""
    with suppress(Unavailable):
        if token.read():
            return None
    return f"There is no token in {token.file}. Put the service's own there, or set NEXTPLAY_SERVICE_TOKEN_FILE."
