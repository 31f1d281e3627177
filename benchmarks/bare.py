"""The bare chain that the platform is compared with: uvicorn → grpc.aio → asyncpg, as each comes, and nothing else.

    BEHIND=<DSN> python -m benchmarks.bare service
    BEHIND=<host:port of the service> python -m benchmarks.bare gateway

No identity, validation, logs, metrics or traces; the service makes the JSON and the gateway passes it on. Each prints
the port that it was given.

    GET  /<video id>     the row of `videos`: one SELECT by primary key
    POST /<upload id>    {"part_number", "content_length"}: the upload's row locked, the part's written, a URL signed
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import botocore.session
import grpc
import uvicorn
import uvloop

POOL_SIZE = 20
OPTIONS: dict[str, Any] = {"ws": "none", "lifespan": "off", "access_log": False, "log_config": None}
OPTIONS |= {"server_header": False, "proxy_headers": False}
SELECT = "SELECT video_id, status, sequence, generation, changed_at FROM videos WHERE video_id = $1"
LOCK = "SELECT s3_key, s3_upload_id FROM uploads WHERE upload_id = $1 FOR UPDATE"
WRITE = (
    "INSERT INTO upload_parts (upload_id, part_number, content_length) VALUES ($1, $2, $3) "
    "ON CONFLICT (upload_id, part_number) DO UPDATE SET content_length = excluded.content_length, signed_at = now()"
)


@contextmanager
def bare_chain(dsn: str) -> Iterator[str]:
    """Run the chain on the tables that `dsn` sees; yields the URL of its gateway."""
    with _process("service", dsn) as service, _process("gateway", f"127.0.0.1:{service}") as gateway:
        yield f"http://127.0.0.1:{gateway}"


@contextmanager
def _process(role: str, behind: str) -> Iterator[int]:
    """A process of the chain; yields its port. A session of its own, as each of the platform's processes is: Linux may
    share the processors out by session."""
    command, environment = [sys.executable, "-m", "benchmarks.bare", role], {**os.environ, "BEHIND": behind}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def service(dsn: str) -> None:
    """A method for each request; an id, and what was posted for it, come as JSON."""
    async with asyncpg.create_pool(dsn, max_size=POOL_SIZE) as pool:
        s3: Any = botocore.session.get_session().create_client(
            "s3",
            "us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106
        )

        async def get(request: bytes, context: Any) -> bytes:
            row = await pool.fetchrow(SELECT, UUID(json.loads(request)["id"]))
            return json.dumps(dict(row) if row else {}, default=str).encode()

        async def presign(request: bytes, context: Any) -> bytes:
            asked = json.loads(request)
            upload_id, number, length = UUID(asked["id"]), asked["part_number"], asked["content_length"]
            async with pool.acquire() as connection, connection.transaction():
                [upload] = await connection.fetch(LOCK, upload_id)
                await connection.execute(WRITE, upload_id, number, length)
            part = {"Bucket": "nextplay", "Key": upload["s3_key"], "UploadId": upload["s3_upload_id"]}
            part |= {"PartNumber": number, "ContentLength": length}
            return json.dumps({"presigned_url": s3.generate_presigned_url("upload_part", part, 600)}).encode()

        server = grpc.aio.server()
        methods: Any = {
            "GET": grpc.unary_unary_rpc_method_handler(get),
            "POST": grpc.unary_unary_rpc_method_handler(presign),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Service", methods),))
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        await server.start()
        await server.wait_for_termination()


async def gateway(address: str) -> None:
    """No router: the verb is the method, and the id is what follows the slash."""
    async with grpc.aio.insecure_channel(address) as channel:
        methods: Any = {verb: channel.unary_unary(f"/bare.Service/{verb}") for verb in ("GET", "POST")}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            posted = (await receive())["body"]
            request = json.dumps({"id": scope["path"][1:], **json.loads(posted or b"{}")})
            body = await methods[scope["method"]](request.encode(), timeout=10)
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        listening = socket.create_server(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        await uvicorn.Server(uvicorn.Config(app, http="httptools", **OPTIONS)).serve([listening])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"service": service, "gateway": gateway}[sys.argv[1]](os.environ["BEHIND"]))
