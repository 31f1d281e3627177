"""What is missing is named, with what to do about it: on real infrastructure, by each look and by a whole process."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from pydantic import HttpUrl, SecretStr
from scratch import Scratch, make_event_type, until
from upload_world import MakeScratch

from chassis.auth import ServiceToken
from chassis.errors import Unavailable
from chassis.migrations import migrate
from chassis.object_store import open_object_store
from chassis.postgres import open_pool
from chassis.run import Service
from chassis.settings import IdentitySettings, ObjectStoreSettings
from deploy.local.ports import free_port
from deploy.local.stack import Stack
from operating import needs
from operating.needs import look_after

MIGRATE = "Run `python -m services.upload migrate`."


@pytest.fixture
async def scratch(scratch_schema: MakeScratch) -> Scratch:
    return await scratch_schema(resources.files("services.upload.migrations"))


async def as_owner(scratch: Scratch, statement: str) -> None:
    owner = await asyncpg.connect(scratch.owner_dsn)
    try:
        await owner.execute(statement.format(schema=scratch.schema))
    finally:
        await owner.close()


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ("SELECT 1", None),
        (
            "DELETE FROM schema_migrations WHERE name = '0004_create_findings.sql'",
            f"The schema upload lacks 0004_create_findings.sql. {MIGRATE}",
        ),
        (
            "REVOKE USAGE ON SCHEMA {schema} FROM {schema}",
            f"There are no tables that the role of upload can see. {MIGRATE}",
        ),
        ("DROP TABLE schema_migrations", f"There are no tables that the role of upload can see. {MIGRATE}"),
        (
            "REVOKE ALL ON schema_migrations FROM {schema}",
            f"The role of upload lacks rights: permission denied for table schema_migrations. {MIGRATE}",
        ),
        ("REVOKE DELETE ON outbox FROM {schema}", f"The role of upload may not read and write outbox. {MIGRATE}"),
    ],
    ids=["all is there", "a migration", "the schema", "every table", "the migrations' table", "rights on a table"],
)
async def test_a_schema_that_is_not_migrated_is_named(scratch: Scratch, done: str, told: str | None) -> None:
    await as_owner(scratch, done)
    async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
        assert await needs.schema(pool, "upload") == told


async def test_topics_that_are_missing_are_named(producer: AIOKafkaProducer, event_type: Any) -> None:
    assert await needs.topics(producer, consumed=[event_type], produced=[event_type]) is None
    nowhere = make_event_type("test.nowhere.v1")
    told = "Kafka has no topic test.nowhere.v1, test.nowhere.v1.dlq. Run `python -m deploy.topics`."
    assert await needs.topics(producer, consumed=[nowhere]) == told
    assert await needs.topics(producer, produced=[event_type, nowhere]) == told.replace(", test.nowhere.v1.dlq", "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"bucket": "nowhere"}, "S3 has no bucket nowhere. Create it, private, or set NEXTPLAY_S3_BUCKET."),
        (
            {"secret_key": SecretStr("wrong")},
            "S3 does not know the key (SignatureDoesNotMatch). Set NEXTPLAY_S3_ACCESS_KEY and NEXTPLAY_S3_SECRET_KEY.",
        ),
        (
            {"access_key": "nobody"},
            "S3 does not know the key (InvalidAccessKeyId). Set NEXTPLAY_S3_ACCESS_KEY and NEXTPLAY_S3_SECRET_KEY.",
        ),
    ],
    ids=["all is there", "the bucket", "the secret", "the key"],
)
async def test_what_s3_refuses_is_named(
    stack: Stack, object_store_settings: ObjectStoreSettings, changes: dict[str, Any], told: str | None
) -> None:
    if "bucket" in changes:  # who may use one bucket alone is not told which others there are
        keys = stack.home.keys
        changes |= {"access_key": keys["s3:admin:access"], "secret_key": SecretStr(keys["s3:admin:secret"])}
    async with open_object_store(object_store_settings.model_copy(update=changes)) as objects:
        assert await needs.bucket(objects, "uploads/", "videos/") == told


async def test_what_an_identity_may_not_read_is_named(stack: Stack, object_store_settings: ObjectStoreSettings) -> None:
    keys = stack.home.keys
    catalogs = {"access_key": keys["s3:catalog:access"], "secret_key": SecretStr(keys["s3:catalog:secret"])}
    async with open_object_store(object_store_settings.model_copy(update=catalogs)) as objects:
        assert await needs.bucket(objects, "videos/") is None
        told = await needs.bucket(objects, "uploads/")
    assert told == (
        "S3 permits no GetObject below uploads/ in the bucket nextplay. "
        "Give the identity that right, or set NEXTPLAY_S3_BUCKET."
    )


async def test_an_s3_that_is_away_is_not_called_a_missing_bucket(object_store_settings: ObjectStoreSettings) -> None:
    away = object_store_settings.model_copy(update={"endpoint": HttpUrl("http://127.0.0.1:9")})
    async with open_object_store(away) as objects:
        with pytest.raises(Unavailable):
            await needs.bucket(objects, "uploads/")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("jwks.json", None),
        ("nothing", "No keys can be read at {url} (HTTPError). Set NEXTPLAY_IDENTITY_JWKS_URL."),
    ],
)
async def test_keys_that_cannot_be_read_are_named(stack: Stack, path: str, told: str | None) -> None:
    url = f"{stack.addresses['identity']}/{path}"
    settings = IdentitySettings(issuer="any", jwks_url=HttpUrl(url))
    assert await needs.signing_keys(settings)() == (told and told.format(url=url))


async def test_an_issuer_that_goes_away_is_not_called_missing_once_its_keys_were_read(stack: Stack) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        keys = await http.get(f"{stack.addresses['identity']}/jwks.json")
    answers = [keys.content, b"not now"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = answers.pop(0)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as issuer:
        url = f"http://127.0.0.1:{issuer.sockets[0].getsockname()[1]}"
        look = needs.signing_keys(IdentitySettings(issuer="any", jwks_url=HttpUrl(url)))
        assert await look() is None
        with pytest.raises(Unavailable, match=r"No keys can be read at .* \(JSONDecodeError\)"):
            await look()
    with pytest.raises(Unavailable, match=r"No keys can be read at .* \(URLError\)"):
        await look()


async def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    told = f"There is no token in {file}. Put the service's own there, or set NEXTPLAY_SERVICE_TOKEN_FILE."
    assert await needs.service_token(ServiceToken(file)) == told
    file.write_text("\n")
    assert await needs.service_token(ServiceToken(file)) == told
    file.write_text("a.b.c\n")
    assert await needs.service_token(ServiceToken(file)) is None


async def test_what_is_missing_is_told_until_it_is_there_and_what_is_away_changes_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MENDED_SECONDS", 0.01)
    answers: list[str | Exception | None] = [None, "Make it.", Unavailable("away"), TimeoutError(), "Make it."]
    looked = 0

    async def look() -> str | None:
        nonlocal looked
        looked += 1
        answer = answers[min(looked, len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def other() -> str | None:
        return "Another thing."

    async def has_looked(times: int) -> bool:
        return looked >= times

    service = Service("test")
    service._composer = None
    with caplog.at_level(logging.INFO, logger="nextplay"):
        look_after(service, thing=look, other=other)
        await until(lambda: has_looked(8))
        assert await service.unready() == {"thing": "Make it.", "other": "Another thing."}
        answers.append(None)
        twice_more = looked + 2
        await until(lambda: has_looked(twice_more))
        assert await service.unready() == {"other": "Another thing."}
    told = [(one.message, one.fields["need"]) for one in caplog.records]  # type: ignore[attr-defined]
    assert told == [("need_found_missing", "other"), ("need_found_missing", "thing"), ("need_met", "thing")]
    service.stop()


@asynccontextmanager
async def media_serving(environment: Mapping[str, str], log: Path) -> AsyncIterator[None]:
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.media", "serve"), env={**os.environ, **environment}, stderr=written
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        (
            {"NEXTPLAY_MEDIA_POSTGRES_DSN": "{dsn}?options=-csearch_path%3Dnowhere"},
            {"schema": "Run `python -m services.media migrate`."},
        ),
        (
            {"NEXTPLAY_S3_SECRET_KEY": "wrong", "NEXTPLAY_IDENTITY_JWKS_URL": "{identity}/nowhere"},
            {
                "bucket": "Set NEXTPLAY_S3_ACCESS_KEY and NEXTPLAY_S3_SECRET_KEY.",
                "signing_keys": "Set NEXTPLAY_IDENTITY_JWKS_URL.",
            },
        ),
    ],
    ids=["before its tables are made", "with wrong keys"],
)
async def test_a_process_says_in_readyz_and_in_its_log_what_it_misses(
    stack: Stack, tmp_path: Path, changes: dict[str, str], ends: dict[str, str]
) -> None:
    await migrate(stack.dsn("media_owner"), "media", resources.files("services.media.migrations"))
    port, log = free_port(), tmp_path / "media.log"
    given = {"dsn": stack.dsn("media"), "identity": stack.addresses["identity"]}
    environment = {
        **stack.environment("media"),
        "NEXTPLAY_MEDIA_GRPC_BIND": "127.0.0.1:0",
        "NEXTPLAY_MEDIA_METRICS_BIND": f"127.0.0.1:{port}",
        **{name: value.format(**given) for name, value in changes.items()},
    }
    told: dict[str, str] = {}

    async def has_told() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            with suppress(httpx.TransportError):
                told.update((await http.get(f"http://127.0.0.1:{port}/readyz")).json()["unready"])
        return set(ends) <= set(told)

    async with media_serving(environment, log):
        await until(has_told)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    logged = {line["need"]: line["reason"] for line in lines if line["event"] == "need_found_missing"}
    assert logged == {name: told[name] for name in ends}
    for name, end in ends.items():
        assert told[name].endswith(end)
