"""Steps that make the infrastructure usable: database cluster, roles and schemas, bucket, topics.

Each runs as a short process of its own at every start, and changes nothing that is already as it should be. They are
kept out of the supervisor's process because their libraries would stay in its memory.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.apache_kafka import CONTROLLER, PARTITIONS, prepare
from deploy.local.home import Home, Trouble
from deploy.local.infrastructure import Ports, postgres_binary, postgres_data, postgres_dsn, s3_access
from deploy.local.process import Process, as_other_user
from deploy.local.s3_rights import BUCKET
from deploy.local.values import read_values


async def postgres_files(home: Home, ports: Ports) -> None:
    """Makes the database cluster, complete or not at all: it gets its name when it is finished."""
    data = postgres_data(home)
    if data.exists():
        return
    new = _empty_directory(data.with_name("postgres.new"))
    with tempfile.NamedTemporaryFile("w", dir=home.path) as password:
        password.write(home.keys["postgres:postgres"])
        password.flush()
        command = [
            *(postgres_binary("initdb"), "-D", str(new), "--username=postgres", f"--pwfile={password.name}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
        ]
        _run_unprivileged("initdb", command)
    new.rename(data)


async def replica_files(home: Home, ports: Ports) -> None:
    """Makes the replica's files from the running primary, complete or not at all. Those that are there stay, unless
    the primary no longer keeps what they lack. The role by which the replica follows can do nothing else."""
    import asyncpg

    data = postgres_data(home, "replica")
    password = home.keys["postgres:replica"]
    connection = await asyncpg.connect(postgres_dsn(home, ports, "postgres"), timeout=10)
    try:
        await connection.execute(f"""
            DO $$ BEGIN CREATE ROLE replica LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            ALTER ROLE replica PASSWORD '{password}';
        """)
        slot = "FROM pg_replication_slots WHERE slot_name = 'replica'"
        if data.exists() and await connection.fetchval(f"SELECT wal_status IN ('reserved', 'extended') {slot}"):
            return
        await connection.execute(f"SELECT pg_drop_replication_slot(slot_name) {slot}")
    finally:
        await connection.close()
    new = _empty_directory(data.with_name("replica.new"))
    command = [
        *(postgres_binary("pg_basebackup"), "-D", str(new), "--write-recovery-conf", "--checkpoint=fast"),
        *("--host=127.0.0.1", f"--port={ports['postgres']}", "--username=replica", "--no-password"),
        *("--create-slot", "--slot=replica"),
    ]
    _run_unprivileged("pg_basebackup", command, {"PGPASSWORD": password})
    shutil.rmtree(data, ignore_errors=True)
    new.rename(data)


def _empty_directory(path: Path) -> Path:
    """A directory for the user that PostgreSQL runs as."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return path


def _run_unprivileged(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    unprivileged = as_other_user(Process(name, command, unprivileged=True))
    subprocess.run([*unprivileged, *command], env={**os.environ, **(environment or {})}, check=True)


async def database(home: Home, ports: Ports) -> None:
    """Database `nextplay` with a schema per context, which nobody but its own two roles can enter."""
    import asyncpg

    admin = postgres_dsn(home, ports, "postgres")
    connection = await asyncpg.connect(admin.replace("/nextplay", "/postgres"), timeout=10)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'nextplay'"):
            await connection.execute("CREATE DATABASE nextplay")
    finally:
        await connection.close()
    connection = await asyncpg.connect(admin, timeout=10)
    try:
        await connection.execute("REVOKE ALL ON DATABASE nextplay FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for context in read_values().contexts:
            await connection.execute(_context_sql(context, home))
    finally:
        await connection.close()


def _context_sql(context: str, home: Home) -> str:
    """Roles and schema of a context; names come from our own list and passwords are hexadecimal."""
    owner = f"{context}_owner"
    roles = "".join(
        f"""
        DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        ALTER ROLE {role} PASSWORD '{home.keys[f"postgres:{role}"]}';
        ALTER ROLE {role} SET search_path = {context};
        GRANT CONNECT ON DATABASE nextplay TO {role};
        """
        for role in (context, owner)
    )
    return f"""
        {roles}
        CREATE SCHEMA IF NOT EXISTS {context} AUTHORIZATION {owner};
        GRANT USAGE ON SCHEMA {context} TO {context};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {context}
            GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {context};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {context} GRANT USAGE ON SEQUENCES TO {context};
    """


async def bucket(home: Home, ports: Ports) -> None:
    """Rules of the bucket, which SeaweedFS made at its start: those that upload wants and may not put in place here,
    with pages of any origin."""
    import aioboto3
    from aiobotocore.config import AioConfig

    from services.upload.bucket import BucketRules, set_up_bucket

    s3 = s3_access(home, ports, "admin")
    session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
    limits = AioConfig(connect_timeout=2, read_timeout=10, retries={"max_attempts": 5})
    async with session.client("s3", endpoint_url=s3["endpoint"], config=limits) as client:
        if lacking := await set_up_bucket(client, BUCKET, BucketRules(["*"], abort_days=1)):
            raise Trouble(f"The rules of the bucket could not be set up: {'; '.join(lacking.values())}.")


async def kafka_files(home: Home, ports: Ports) -> None:
    """What Apache Kafka needs before it starts."""
    prepare(home, ports)


async def topics(home: Home, ports: Ports) -> None:
    """Every topic of the chart's values, and the dead-letter topics of those that have one. Apache Kafka has more
    partitions of some, because there it is the real thing that is tried."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from deploy.topics import NotCreated, create_missing

    least = PARTITIONS if CONTROLLER in ports else 1
    wanted = [NewTopic(topic.name, max(least, topic.partitions), 1) for topic in read_values().topics]
    wanted += [NewTopic(f"{topic.name}.dlq", 1, 1) for topic in read_values().topics if topic.deadLetters]
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{ports['kafka']}", request_timeout_ms=10_000)
    await admin.start()
    try:
        await create_missing(admin, wanted)
    except NotCreated as error:
        raise Trouble(str(error)) from error
    finally:
        await admin.close()


STEPS = {
    "postgres-files": postgres_files,
    "database": database,
    "replica-files": replica_files,
    "bucket": bucket,
    "kafka-files": kafka_files,
    "topics": topics,
}


def run_step(step: str, home: Home, ports: Ports) -> None:
    asyncio.run(STEPS[step](home, ports))
