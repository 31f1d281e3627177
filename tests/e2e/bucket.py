"""The platform's bucket, behind everybody's back."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import aioboto3

from deploy.local.stack import Stack
from tests.e2e.broker import in_thread

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")


def keys_below(platform: Stack, prefix: str) -> set[str]:
    """The keys of all objects below a prefix."""

    async def keys(client: "S3Client") -> set[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=platform.s3["bucket"], Prefix=prefix)
        return {found["Key"] async for page in pages for found in page.get("Contents", [])}

    return _with_client(platform, keys)


def read_object(platform: Stack, key: str) -> bytes:
    """The bytes of an object."""

    async def read(client: "S3Client") -> bytes:
        found = await client.get_object(Bucket=platform.s3["bucket"], Key=key)
        return await found["Body"].read()

    return _with_client(platform, read)


def delete_object(platform: Stack, key: str) -> None:
    async def delete(client: "S3Client") -> None:
        await client.delete_object(Bucket=platform.s3["bucket"], Key=key)

    _with_client(platform, delete)


def _with_client(platform: Stack, use: "Callable[[S3Client], Awaitable[T]]") -> T:
    async def run() -> T:
        s3 = platform.s3
        async with aioboto3.Session().client(
            "s3",
            endpoint_url=s3["endpoint"],
            region_name=s3["region"],
            aws_access_key_id=s3["access_key"],
            aws_secret_access_key=s3["secret_key"],
        ) as client:
            return await use(client)

    result: T = in_thread(run())
    return result
