"""Scratch resources on the shared stack: schemas, topics and prefixes that a test has for itself alone."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from chassis.migrations import migrate
from chassis.object_store import ObjectStore, open_object_store
from chassis.postgres import Pool, open_pool
from chassis.settings import KafkaSettings, ObjectStoreSettings


@dataclass(frozen=True)
class Scratch:
    """A schema of its own: `dsn` logs in as its role, `owner_dsn` as its owner, both with its search_path."""

    schema: str
    dsn: str
    owner_dsn: str


MakeScratch = Callable[[Traversable], Awaitable[Scratch]]


@asynccontextmanager
async def scratch_roles(admin_dsn: str) -> AsyncIterator[Scratch]:
    """An empty schema with an owner and a login role."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(admin_dsn)
    owner = f"{name}_owner"
    try:
        await admin.execute(f"""
            CREATE ROLE {owner} LOGIN PASSWORD 'scratch';
            CREATE ROLE {name} LOGIN PASSWORD 'scratch';
            GRANT CONNECT ON DATABASE nextplay TO {owner}, {name};
            ALTER ROLE {owner} SET search_path = {name};
            ALTER ROLE {name} SET search_path = {name};
            CREATE SCHEMA {name} AUTHORIZATION {owner};
        """)
        where = admin_dsn.rpartition("@")[2]
        yield Scratch(name, f"postgresql://{name}:scratch@{where}", f"postgresql://{owner}:scratch@{where}")
    finally:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)", [name, owner]
        )
        await admin.execute(f"DROP OWNED BY {owner}, {name} CASCADE; DROP ROLE {owner}, {name}")
        await admin.close()


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
def kafka(stack: Mapping[str, Any]) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=stack["kafka"])


@pytest.fixture
def object_store_settings(stack: Mapping[str, Any]) -> ObjectStoreSettings:
    s3 = stack["s3"]
    return ObjectStoreSettings(
        bucket=s3["bucket"],
        region=s3["region"],
        endpoint=s3["endpoint"],
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
