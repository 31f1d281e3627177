"""What each context may do with objects: by its key, and by the URLs that it signs. The policies are those for AWS."""

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeAlias

import aioboto3
import httpx
import pytest
from botocore.exceptions import ClientError

from chassis.object_store import open_object_store
from chassis.settings import ObjectStoreSettings
from deploy.local.infrastructure import s3_access
from deploy.local.s3_rights import POLICIES
from deploy.local.stack import Stack
from deploy.local.values import Context, read_values

PREFIXES = ("uploads", "videos", "other")
MAY: dict[tuple[str, str], set[str]] = {
    ("upload", "uploads"): {"read", "write", "begin_multipart", "send_part", "list_parts", "abort", "delete"},
    ("media", "uploads"): {"read"},
    # To write is one right at S3, whether in one request or in parts; here it is also that to see and to drop parts,
    # which AWS keeps apart.
    ("media", "videos"): {"read", "write", "begin_multipart", "send_part", "list_parts", "abort", "delete"},
    ("catalog", "videos"): {"read"},
}
"""What a context may do below a prefix; nothing where there is no row."""
MAY_WITH_THE_BUCKET = {
    "upload": {"list", "list_multiparts"},
    "media": {"list"},
    "catalog": {"list"},
}

Call: TypeAlias = Coroutine[Any, Any, Any]


def s3_of(stack: Stack, context: Context) -> dict[str, str]:
    """The access that the processes of a context are given."""
    given = stack.environment(context)
    names = ("endpoint", "bucket", "region", "access_key", "secret_key")
    return {name: given[f"NEXTPLAY_S3_{name.upper()}"] for name in names}


def s3_client(s3: dict[str, str]) -> AbstractAsyncContextManager[Any]:
    session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
    return session.client("s3", endpoint_url=s3["endpoint"])


async def allowed(call: Call) -> bool:
    try:
        reply = await call
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] != 403)  # then no right was missing
    return not reply.get("Errors")  # of a deletion of many


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Any]:
    async with s3_client(s3_access(stack.home, stack.ports, "admin")) as client:
        yield client


@pytest.fixture
async def keys(admin: Any, stack: Stack) -> AsyncIterator[dict[str, str]]:
    """An object below each prefix, `{prefix: key}`, and no other trace of the test afterwards."""
    bucket = stack.s3["bucket"]
    made = {prefix: f"{prefix}/{uuid.uuid4()}/object" for prefix in PREFIXES}
    for key in made.values():
        await admin.put_object(Bucket=bucket, Key=key, Body=b"x")
    yield made
    for key in made.values():
        for open_one in (await admin.list_multipart_uploads(Bucket=bucket, Prefix=key)).get("Uploads", []):
            with suppress(ClientError):
                await admin.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=open_one["UploadId"])
        await admin.delete_object(Bucket=bucket, Key=key)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("context", POLICIES)
async def test_a_context_does_with_objects_what_it_is_for_and_nothing_else(
    stack: Stack, admin: Any, keys: dict[str, str], context: Context, prefix: str
) -> None:
    where = {"Bucket": stack.s3["bucket"], "Key": keys[prefix]}
    multipart = {**where, "UploadId": (await admin.create_multipart_upload(**where))["UploadId"]}
    attempts: dict[str, Callable[[Any], Call]] = {
        "read": lambda s3: s3.get_object(**where),
        "write": lambda s3: s3.put_object(**where, Body=b"y"),
        "begin_multipart": lambda s3: s3.create_multipart_upload(**where),
        "send_part": lambda s3: s3.upload_part(**multipart, PartNumber=1, Body=b"z"),
        "list_parts": lambda s3: s3.list_parts(**multipart),
        "abort": lambda s3: s3.abort_multipart_upload(**multipart),
        "open_to_everybody": lambda s3: s3.put_object_acl(**where, ACL="public-read"),
        "tag": lambda s3: s3.put_object_tagging(**where, Tagging={"TagSet": []}),
        "delete": lambda s3: s3.delete_object(**where),
    }
    many = {"Bucket": where["Bucket"], "Delete": {"Objects": [{"Key": where["Key"]}]}}
    async with s3_client(s3_of(stack, context)) as s3:
        done = {name for name, attempt in attempts.items() if await allowed(attempt(s3))}
        assert done == MAY.get((context, prefix), set())
        assert await allowed(s3.delete_objects(**many)) == ("delete" in done)


@pytest.mark.parametrize("context", POLICIES)
async def test_a_context_does_with_the_bucket_what_it_is_for_and_nothing_else(stack: Stack, context: Context) -> None:
    bucket = {"Bucket": stack.s3["bucket"]}
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    attempts: dict[str, Callable[[Any], Call]] = {
        "list": lambda s3: s3.list_objects_v2(**bucket, MaxKeys=1),
        "list_multiparts": lambda s3: s3.list_multipart_uploads(**bucket, MaxUploads=1),
        "read_cors": lambda s3: s3.get_bucket_cors(**bucket),
        "read_lifecycle": lambda s3: s3.get_bucket_lifecycle_configuration(**bucket),
        "write_cors": lambda s3: s3.put_bucket_cors(**bucket, CORSConfiguration=cors),
        "write_policy": lambda s3: s3.put_bucket_policy(**bucket, Policy="{}"),
        "list_the_brokers": lambda s3: s3.list_objects_v2(Bucket="kafka", MaxKeys=1),
        "make_a_bucket": lambda s3: s3.create_bucket(Bucket=f"of-{context}-{uuid.uuid4().hex}"),
    }
    async with s3_client(s3_of(stack, context)) as s3:
        assert {name for name, attempt in attempts.items() if await allowed(attempt(s3))} == MAY_WITH_THE_BUCKET[
            context
        ]


@pytest.mark.parametrize("context", POLICIES)
async def test_a_url_that_a_context_signs_opens_no_more_than_the_context_may(
    stack: Stack, keys: dict[str, str], context: Context
) -> None:
    settings = ObjectStoreSettings(**s3_of(stack, context))  # type: ignore[arg-type]
    async with open_object_store(settings) as objects, httpx.AsyncClient() as http:
        for prefix, key in keys.items():
            may = MAY.get((context, prefix), set())
            read = await http.get(await objects.presign_get(key, expires_seconds=60))
            assert read.status_code == (200 if "read" in may else 403), prefix
            part = await objects.presign_part(
                key, "an-upload", 1, content_type="video/mp4", content_length=1, expires_seconds=60
            )
            sent = await http.put(part.url, headers=dict(part.headers), content=b"y")
            assert (sent.status_code != 403) == ("send_part" in may), prefix


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
