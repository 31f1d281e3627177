"""The bucket's rules: put in place where S3 lets us, else checked, and what differs is told. On the real S3."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aioboto3
import httpx
import pytest
from botocore.exceptions import ClientError
from scratch import until

from chassis.errors import Unavailable
from deploy.local.infrastructure import s3_access
from deploy.local.stack import Stack
from services.upload.bucket import CORS_ID, LIFECYCLE_ID, BucketRules, set_up_bucket, watch_bucket

ORIGIN = "https://app.example.com"
WANTED = BucketRules([ORIGIN], abort_days=1)
FOREIGN_CORS = {"ID": "theirs", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}
FOREIGN_LIFECYCLE = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
NOT_KNOWN = "it is not known whether it is as it should be: S3 does not let us look (AccessDenied)"


@asynccontextmanager
async def client_of(stack: Stack, identity: str) -> AsyncIterator[Any]:
    s3 = s3_access(stack.home, stack.ports, identity)
    session = aioboto3.Session(s3["access_key"], s3["secret_key"], region_name=s3["region"])
    async with session.client("s3", endpoint_url=s3["endpoint"]) as client:
        yield client


@dataclass(frozen=True)
class Bucket:
    """A bucket of a test alone, as one who may do everything sees it."""

    client: Any
    name: str

    async def set_up(self, wanted: BucketRules = WANTED) -> dict[str, str]:
        return await set_up_bucket(self.client, self.name, wanted)

    async def cors(self) -> list[Any]:
        with suppress(ClientError):
            return list((await self.client.get_bucket_cors(Bucket=self.name))["CORSRules"])
        return []

    async def lifecycle(self) -> list[Any]:
        with suppress(ClientError):
            return list((await self.client.get_bucket_lifecycle_configuration(Bucket=self.name))["Rules"])
        return []

    async def have_cors(self, *rules: Any) -> None:
        await self.client.put_bucket_cors(Bucket=self.name, CORSConfiguration={"CORSRules": list(rules)})

    async def have_lifecycle(self, *rules: Any) -> None:
        told = {"Rules": list(rules)}
        await self.client.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration=told)


@pytest.fixture
async def bucket(stack: Stack) -> AsyncIterator[Bucket]:
    name = f"test-{uuid.uuid4().hex}"
    async with client_of(stack, "admin") as client:
        await client.create_bucket(Bucket=name)
        yield Bucket(client, name)
        await client.delete_bucket(Bucket=name)


class Counting:
    """The client, which notes what is put, and refuses or does not know some of its calls."""

    def __init__(self, client: Any, refused: str = "", code: str = "AccessDenied", status: int = 403) -> None:
        self._client, self._refused, self._said = client, refused, (code, status)
        self.asked, self.puts = 0, list[str]()

    def __getattr__(self, name: str) -> Any:
        async def call(**told: Any) -> Any:
            if self._refused and name.startswith(self._refused):
                self.asked += 1
                code, status = self._said
                said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
                raise ClientError(said, name)  # type: ignore[arg-type]
            if name.startswith("put"):
                self.puts.append(name)
            return await getattr(self._client, name)(**told)

        return call


async def test_an_empty_bucket_gets_the_rules_and_pages_may_send_parts(bucket: Bucket, stack: Stack) -> None:
    assert await bucket.set_up() == {}
    [cors], [lifecycle] = await bucket.cors(), await bucket.lifecycle()
    assert (cors["AllowedOrigins"], cors["ExposeHeaders"]) == ([ORIGIN], ["ETag"])
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert lifecycle["Filter"] == {"Prefix": "uploads/"}
    url = f"{stack.s3['endpoint']}/{bucket.name}/uploads/a/b/c/original.mp4"
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    async with httpx.AsyncClient() as page:
        ours = await page.options(url, headers={"Origin": ORIGIN, **asked})
        assert ours.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in ours.headers["access-control-allow-methods"]
        others = await page.options(url, headers={"Origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in others.headers


async def test_what_is_as_it_should_be_is_not_written_again(bucket: Bucket) -> None:
    counting = Counting(bucket.client)
    for _ in range(3):
        assert await set_up_bucket(counting, bucket.name, WANTED) == {}  # type: ignore[arg-type]
    assert counting.puts == ["put_bucket_cors", "put_bucket_lifecycle_configuration"]


async def test_many_instances_that_start_at_once_agree(bucket: Bucket) -> None:
    assert await asyncio.gather(*(bucket.set_up() for _ in range(8))) == [{}] * 8
    assert [rule["ID"] for rule in await bucket.cors()] == [CORS_ID]
    assert [rule["ID"] for rule in await bucket.lifecycle()] == [LIFECYCLE_ID]


async def test_rules_of_others_are_kept_and_our_old_ones_replaced(bucket: Bucket) -> None:
    await bucket.have_cors(FOREIGN_CORS)
    await bucket.have_lifecycle(FOREIGN_LIFECYCLE)
    for wanted in (BucketRules(["https://old.example.com"], 3), WANTED):
        assert await bucket.set_up(wanted) == {}
    assert [rule["ID"] for rule in await bucket.cors()] == ["theirs", CORS_ID]
    assert (await bucket.cors())[1]["AllowedOrigins"] == [ORIGIN]
    theirs, ours = await bucket.lifecycle()
    assert (theirs["Expiration"], ours["AbortIncompleteMultipartUpload"]) == ({"Days": 9}, {"DaysAfterInitiation": 1})


@pytest.mark.parametrize("pattern", ["*", "https://*.example.com", ORIGIN])
async def test_a_rule_of_somebody_else_is_as_good(bucket: Bucket, pattern: str) -> None:
    rule = {
        "AllowedOrigins": [pattern],
        "AllowedMethods": ["GET", "PUT", "HEAD"],
        "AllowedHeaders": ["Content-Type", "x-amz-*"],
        "ExposeHeaders": ["etag"],
    }
    await bucket.have_cors(rule)
    everywhere = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}}
    await bucket.have_lifecycle({**everywhere, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    counting = Counting(bucket.client)
    assert await set_up_bucket(counting, bucket.name, WANTED) == {}  # type: ignore[arg-type]
    assert counting.puts == []


async def test_without_origins_cors_is_left_alone(bucket: Bucket) -> None:
    assert await bucket.set_up(BucketRules([], abort_days=1)) == {}
    assert await bucket.cors() == []


async def test_a_rule_that_expires_originals_is_told(bucket: Bucket) -> None:
    harmful = {"ID": "all-old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    harmless = {**harmful, "ID": "off", "Status": "Disabled"}
    await bucket.have_lifecycle(harmful, harmless, FOREIGN_LIFECYCLE)
    found = await bucket.set_up()
    assert found == {"bucket_lifecycle": "the lifecycle rules all-old expire originals, whose time S3 does not know"}
    assert LIFECYCLE_ID in [rule["ID"] for rule in await bucket.lifecycle()], "the rest is put right"


LASTING = [
    ("AccessDenied", 403),
    ("InvalidAccessKeyId", 403),
    ("NoSuchBucket", 404),
    ("MethodNotAllowed", 405),
    ("PermanentRedirect", 301),
    ("MalformedXML", 400),
    ("NotImplemented", 501),
]
PASSING = [
    ("SlowDown", 503),
    ("RequestTimeout", 400),
    ("OperationAborted", 409),
    ("TooManyRequests", 429),
    ("InternalError", 500),
]


@pytest.mark.parametrize(("code", "status"), LASTING)
async def test_what_may_be_read_but_not_set_is_compared_and_told(bucket: Bucket, code: str, status: int) -> None:
    client: Any = Counting(bucket.client, "put", code, status)
    found = await set_up_bucket(client, bucket.name, WANTED)
    told = f"and S3 does not let us put that right ({code})"
    assert found == {
        "bucket_cors": "pages may not send and read back parts: no CORS rule for PUT from https://app.example.com, "
        f"GET from https://app.example.com, HEAD from https://app.example.com, {told}",
        "bucket_lifecycle": f"no lifecycle rule drops incomplete uploads below uploads/ within 24 hours, {told}",
    }
    await bucket.set_up()
    assert await set_up_bucket(client, bucket.name, WANTED) == {}, "somebody else has set them"


async def test_who_may_not_even_look_says_so_and_changes_nothing(stack: Stack) -> None:
    async with client_of(stack, "upload") as client:
        found = await set_up_bucket(client, stack.s3["bucket"], WANTED)
    assert found == {"bucket_cors": NOT_KNOWN, "bucket_lifecycle": NOT_KNOWN}


@pytest.mark.parametrize(("code", "status"), PASSING)
async def test_a_store_that_is_away_is_waited_for(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    monkeypatch.setattr("services.upload.bucket.AWAY_SECONDS", 0.05)
    facts: dict[str, object] = {}
    client: Any = Counting(bucket.client, "get", code, status)
    with pytest.raises(Unavailable):
        await set_up_bucket(client, bucket.name, WANTED)
    watching = asyncio.create_task(watch_bucket(client, bucket.name, WANTED, facts))

    async def it_was_asked_again() -> bool:
        return client.asked > 3

    async def both_are_there() -> bool:
        return bool(await bucket.cors() and await bucket.lifecycle())

    await until(it_was_asked_again)
    assert facts == {}
    client._refused = ""
    await until(both_are_there)
    watching.cancel()
    assert facts == {}


@pytest.mark.parametrize(("code", "status"), LASTING)
async def test_a_lasting_refusal_is_a_fact_of_readiness_until_it_is_mended_and_logged_once(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str, status: int
) -> None:
    monkeypatch.setattr("services.upload.bucket.MENDED_SECONDS", 0.05)
    facts: dict[str, object] = {"other": 1}
    client: Any = Counting(bucket.client, "get", code, status)
    watching = asyncio.create_task(watch_bucket(client, bucket.name, WANTED, facts))

    async def it_was_looked_at_again() -> bool:
        return client.asked > 4

    async def none_is_told() -> bool:
        return facts == {"other": 1}

    await until(it_was_looked_at_again)
    told = f"it is not known whether it is as it should be: S3 does not let us look ({code})"
    assert facts == {"other": 1, "bucket_cors": told, "bucket_lifecycle": told}
    client._refused = ""
    await until(none_is_told)
    watching.cancel()
    logged = [vars(record)["fields"]["rule"] for record in caplog.records if record.getMessage() == "bucket_differs"]
    assert sorted(logged) == ["bucket_cors", "bucket_lifecycle"]
    assert "object_store_refused" not in caplog.text
