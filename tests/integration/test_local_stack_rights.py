"""What each context may do on the local stack, and the files of keys and tokens that make it so."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError

from deploy.local import supervisor
from deploy.local.home import Home, open_home
from deploy.local.identity import open_issuer, service_token_file
from deploy.local.infrastructure import s3_access
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervision
from deploy.local.values import Context, read_values


def s3_client(s3: dict[str, str]) -> AbstractAsyncContextManager[Any]:
    session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
    return session.client("s3", endpoint_url=s3["endpoint"])


@pytest.fixture
async def keys(stack: Stack) -> AsyncIterator[dict[str, str]]:
    """An object below each prefix, `{prefix: key}`, which the developer's identity made."""
    made = {prefix: f"{prefix}/{uuid.uuid4()}/object" for prefix in ("uploads", "videos", "other")}
    async with s3_client(stack.s3) as client:
        for key in made.values():
            await client.put_object(Bucket=stack.s3["bucket"], Key=key, Body=b"x")
        yield made
        for key in made.values():
            await client.delete_object(Bucket=stack.s3["bucket"], Key=key)


@pytest.mark.parametrize(
    ("context", "reads", "writes"),
    [
        ("upload", {"uploads"}, {"uploads"}),
        ("media", {"uploads", "videos"}, {"videos"}),
        ("catalog", {"videos"}, set()),
    ],
)
async def test_a_context_reads_and_writes_below_its_own_prefixes_alone(
    stack: Stack, keys: dict[str, str], context: Context, reads: set[str], writes: set[str]
) -> None:
    given = stack.environment(context)
    names = ("endpoint", "bucket", "region", "access_key", "secret_key")
    s3 = {name: given[f"NEXTPLAY_S3_{name.upper()}"] for name in names}
    async with s3_client(s3) as client:
        await client.list_objects_v2(Bucket=s3["bucket"], MaxKeys=1)
        for prefix, key in keys.items():
            where = {"Bucket": s3["bucket"], "Key": key}
            assert await allowed(client.get_object(**where)) == (prefix in reads)
            assert await allowed(client.put_object(**where, Body=b"y")) == (prefix in writes)
            assert await allowed(client.create_multipart_upload(**where)) == (prefix in writes)
            assert await allowed(client.delete_object(**where)) == (prefix in writes)


async def allowed(call: Coroutine[Any, Any, Any]) -> bool:
    try:
        await call
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return False
    return True


@pytest.mark.parametrize("context", ["notify", None])
def test_who_needs_no_objects_gets_no_key_to_them(stack: Stack, context: Context | None) -> None:
    assert not [name for name in stack.environment(context) if name.startswith("NEXTPLAY_S3_")]
    s3_keys = {value for name, value in stack.home.keys.items() if name.startswith("s3:")}
    assert not s3_keys & set(stack.environment(context).values())


def test_the_developers_key_is_none_of_the_contexts(stack: Stack) -> None:
    assert stack.s3 == s3_access(stack.home, stack.ports, "nextplay")
    assert stack.s3["access_key"] not in {
        stack.environment(context).get("NEXTPLAY_S3_ACCESS_KEY") for context in read_values().contexts
    }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def test_a_kill_while_the_issuers_key_is_written_is_mended_by_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        open_issuer(home, 1)
    monkeypatch.undo()

    made = open_issuer(home, 1)

    assert (home.path / "identity.pem").stat().st_mode & 0o777 == 0o600
    assert open_issuer(home, 1).jwk == made.jwk


async def test_tokens_that_could_not_be_written_are_written_as_soon_as_they_can(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "RETRY_SECONDS", 0.01)
    values = read_values()
    home.tokens.rmdir()
    renewing = asyncio.create_task(
        supervisor._renew_service_tokens(Supervision(home, values, {}, open_issuer(home, 1)))
    )
    printed = ""

    def told() -> bool:
        nonlocal printed
        printed += capfd.readouterr().out
        return "service-tokens not renewed: [Errno 2]" in printed

    try:
        await until(told)
        home.tokens.mkdir()
        await until(lambda: all(service_token_file(home, context).exists() for context in values.contexts))
    finally:
        renewing.cancel()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
