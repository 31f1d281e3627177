"""Scratch resources on the shared stack: schemas, topics and prefixes that a test has for itself alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from catalog_videos import Catalog, catalog_on
from google.protobuf.message import Message
from pydantic import HttpUrl, SecretStr
from scratch import Scratch, make_event_type, scratch_roles
from travel import create_notes

from chassis import group_member
from chassis.kafka import connection_options, open_producer
from chassis.migrations import migrate
from chassis.object_store import ObjectStore, open_object_store
from chassis.postgres import Connection, Pool, open_pool
from chassis.settings import KafkaSettings, ObjectStoreSettings
from chassis.transaction import Begin, transactions
from deploy.local.stack import Stack
from tests.conftest import BROKER

MakeScratch = Callable[[Traversable], Awaitable[Scratch]]


@pytest.fixture(scope="session")
def admin_dsn(stack: Stack) -> str:
    """The superuser's."""
    return stack.dsn("postgres")


@pytest.fixture
async def scratch_schema(admin_dsn: str) -> AsyncIterator[MakeScratch]:
    """Makes schemas with chassis' tables and those of a directory of migrations."""
    async with AsyncExitStack() as made:

        async def make(directory: Traversable) -> Scratch:
            scratch = await made.enter_async_context(scratch_roles(admin_dsn))
            await migrate(scratch.owner_dsn, scratch.schema, directory)
            return scratch

        yield make


@pytest.fixture
async def scratch(scratch_schema: MakeScratch, tmp_path: Path) -> Scratch:
    """A schema with chassis' tables alone."""
    empty = tmp_path / "no-migrations"
    empty.mkdir()
    return await scratch_schema(empty)


@pytest.fixture
async def pool(scratch: Scratch) -> AsyncIterator[Pool]:
    """The login role's pool on a schema with chassis' tables alone."""
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def kafka(stack: Stack) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=stack.kafka)


@pytest.fixture
def short_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let consumers begin sooner on the small broker, on which members wait for half a session before a group begins;
    Apache Kafka takes none so short."""
    if BROKER == "tansu":
        monkeypatch.setattr(group_member, "SESSION_MS", 1_500)


@pytest.fixture
async def producer(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    async with open_producer(kafka) as opened:
        yield opened


@pytest.fixture
async def topic(kafka: KafkaSettings) -> AsyncIterator[str]:
    """A topic with two partitions, and its dead-letter topic; both are deleted afterwards."""
    name = f"test.{uuid.uuid4().hex}.v1"
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 2, 1), NewTopic(f"{name}.dlq", 1, 1)])
        yield name
        await admin.delete_topics([name, f"{name}.dlq"])
    finally:
        await admin.close()


@pytest.fixture
def event_type(topic: str) -> type[Message]:
    """An event `Happened {string thing_id; uint32 number; bytes filling}` on the scratch topic, keyed by its thing."""
    return make_event_type(topic)


@pytest.fixture
def object_store_settings(stack: Stack) -> ObjectStoreSettings:
    s3 = stack.s3
    return ObjectStoreSettings(
        bucket=s3["bucket"],
        region=s3["region"],
        endpoint=HttpUrl(s3["endpoint"]),
        public_endpoint=None,
        access_key=s3["access_key"],
        secret_key=SecretStr(s3["secret_key"]),
    )


@pytest.fixture
async def object_store(object_store_settings: ObjectStoreSettings) -> AsyncIterator[ObjectStore]:
    async with open_object_store(object_store_settings) as store:
        yield store


@pytest.fixture
async def prefix(object_store: ObjectStore) -> AsyncIterator[str]:
    """A prefix of object keys; what is below it, multipart uploads too, is deleted afterwards."""
    name = f"test/{uuid.uuid4().hex}/"
    yield name
    await object_store.delete_prefix(name)
    async for upload in object_store.list_multiparts(name):
        await object_store.abort_multipart(upload.key, upload.s3_upload_id)


@pytest.fixture
async def notes(scratch: Scratch, pool: Pool) -> Pool:
    """The scratch schema's pool, with the table in which the handlers of travel.py note what they applied."""
    await create_notes(scratch)
    return pool


@pytest.fixture
def wake() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def begin(notes: Pool, wake: asyncio.Event) -> Begin[Connection]:
    return transactions(notes, lambda connection: connection, wake.set)


@pytest.fixture
async def catalog(scratch_schema: MakeScratch) -> AsyncIterator[Catalog]:
    """A catalog with tables of its own."""
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield catalog_on(opened)
