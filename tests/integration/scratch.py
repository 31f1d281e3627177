"""What the scratch fixtures are made of, for tests that want more than one."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from nextplay.api.v1 import options_pb2


@dataclass(frozen=True)
class Scratch:
    """A schema of its own: `dsn` logs in as its role, `owner_dsn` as its owner, both with its search_path."""

    schema: str
    dsn: str
    owner_dsn: str


@asynccontextmanager
async def scratch_roles(admin_dsn: str) -> AsyncIterator[Scratch]:
    """An empty schema with an owner and a login role."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    owner = f"{name}_owner"
    admin = await asyncpg.connect(admin_dsn)
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
        if admin.is_closed():  # the test took the server away for a while
            admin = await asyncpg.connect(admin_dsn)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)", [name, owner]
        )
        await admin.execute(f"DROP OWNED BY {name}; DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}, {name}")
        await admin.close()


def make_event_type(topic: str, *, name: str = "Happened", signal: bool = False) -> type[Message]:
    """A message class with the event option, as if it had been generated from a proto file."""
    package = f"nextplay.test_{uuid.uuid4().hex}.v1"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    field = descriptor_pb2.FieldDescriptorProto
    for number, (field_name, kind) in enumerate(
        [("thing_id", field.TYPE_STRING), ("number", field.TYPE_UINT32), ("filling", field.TYPE_BYTES)], start=1
    ):
        message.field.add(name=field_name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    message.options.Extensions[options_pb2.event].CopyFrom(
        options_pb2.Event(topic=topic, key="thing_id", signal=signal)
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


async def until(condition: Callable[[], Awaitable[object]], *, seconds: float = 30.0) -> None:
    """Wait for a condition, looking ten times a second; the test fails when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.1)
