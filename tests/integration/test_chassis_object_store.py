"""The object store against the real S3 endpoint."""

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from botocore.stub import Stubber
from pydantic import SecretStr

from chassis.errors import Unavailable
from chassis.object_store import (
    InvalidPart,
    MultipartUploadNotFound,
    ObjectNotFound,
    ObjectStore,
    Part,
    PartTooSmall,
    open_object_store,
)
from chassis.settings import ObjectStoreSettings

MIB = 1024 * 1024
TYPE = "video/mp4"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


async def put_part(
    http: httpx.AsyncClient, store: ObjectStore, key: str, upload: str, number: int, data: bytes
) -> httpx.Response:
    presigned = await store.presign_part(
        key, upload, number, content_length=len(data), content_type=TYPE, expires_seconds=600
    )
    return await http.put(presigned.url, content=data, headers=dict(presigned.headers))


async def test_parts_put_by_url_become_the_object(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key, first, last = f"{prefix}a b+ü/original.mp4", b"1" * (5 * MIB), b"2" * 1000
    upload = await object_store.create_multipart(key, TYPE)
    etags = []
    for number, data in ((1, first), (2, last)):
        reply = await put_part(http, object_store, key, upload, number, data)
        assert reply.status_code == 200, reply.text
        etags.append(reply.headers["etag"].strip('"'))

    listed = await object_store.list_parts(key, upload)
    assert listed == [Part(1, len(first), etags[0]), Part(2, len(last), etags[1])]

    done = await object_store.complete_multipart(key, upload, [(part.number, part.etag) for part in listed])
    assert (done.size_bytes, done.content_type) == (len(first) + len(last), TYPE)
    assert await object_store.get_range(key, len(first) - 2, 4) == b"1122"
    assert await object_store.get_range(key, done.size_bytes - 1, 10) == b"2"
    assert await object_store.get_range(key, done.size_bytes, 10) == b""


@pytest.mark.parametrize("number_of_bytes", [999, 1001])
async def test_a_part_of_another_length_is_refused(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient, number_of_bytes: int
) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    presigned = await object_store.presign_part(
        key, upload, 1, content_length=1000, content_type=TYPE, expires_seconds=600
    )
    headers = {**presigned.headers, "Content-Length": str(number_of_bytes)}
    reply = await http.put(presigned.url, content=b"x" * number_of_bytes, headers=headers)
    assert reply.status_code == 403
    assert await object_store.list_parts(key, upload) == []


async def test_a_part_of_another_type_is_refused(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    presigned = await object_store.presign_part(
        key, upload, 1, content_length=3, content_type=TYPE, expires_seconds=600
    )
    reply = await http.put(presigned.url, content=b"abc", headers={**presigned.headers, "Content-Type": "text/html"})
    assert reply.status_code == 403


async def test_a_part_with_a_checksum_takes_only_those_bytes(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    presigned = await object_store.presign_part(
        key,
        upload,
        1,
        content_length=3,
        content_type=TYPE,
        expires_seconds=600,
        checksum_sha256=base64.b64encode(hashlib.sha256(b"abc").digest()).decode(),
    )
    assert (await http.put(presigned.url, content=b"abd", headers=dict(presigned.headers))).status_code == 400
    assert (await http.put(presigned.url, content=b"abc", headers=dict(presigned.headers))).status_code == 200


async def test_aws_is_told_of_checksums_as_it_asks_for_them(object_store: ObjectStore) -> None:
    where, first, last = {"Bucket": object_store.bucket, "Key": "a"}, "b" * 43 + "=", "c" * 43 + "="
    listed = {"PartNumber": 1, "Size": 3, "ETag": '"e"', "ChecksumSHA256": first, "LastModified": datetime.now(UTC)}
    with Stubber(object_store.client) as aws:
        aws.add_response(
            "create_multipart_upload",
            {"UploadId": "u"},
            where | {"ContentType": TYPE, "ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"},
        )
        aws.add_response("create_multipart_upload", {"UploadId": "v"}, where | {"ContentType": TYPE})
        aws.add_response("list_parts", {"Parts": [listed]}, where | {"UploadId": "u"})
        named = [
            {"PartNumber": 1, "ETag": '"e"', "ChecksumSHA256": first},
            {"PartNumber": 2, "ETag": '"f"', "ChecksumSHA256": last},
        ]
        assembled = where | {"UploadId": "u", "MultipartUpload": {"Parts": named}}
        aws.add_response("complete_multipart_upload", {}, assembled)
        aws.add_response("head_object", {"ContentLength": 6, "ETag": '"g"', "ContentType": TYPE}, where)

        assert await object_store.create_multipart("a", TYPE, part_checksums=True) == "u"
        assert await object_store.create_multipart("a", TYPE) == "v"
        assert await object_store.list_parts("a", "u") == [Part(1, 3, "e", first)]
        await object_store.complete_multipart("a", "u", [(1, "e"), (2, "f")], {1: first, 2: last})
        aws.assert_no_pending_responses()


async def test_a_url_stops_working_after_its_time(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key = f"{prefix}clip.mp4"
    await object_store.put(key, b"clip", content_type=TYPE)
    past = datetime.now(UTC) - timedelta(minutes=20)
    expired = await object_store.presign_get(key, signed_at=past, expires_seconds=600)
    valid = await object_store.presign_get(key, signed_at=past, expires_seconds=1800)
    assert (await http.get(expired)).status_code == 403
    assert (await http.get(valid)).content == b"clip"


async def test_urls_of_one_window_are_equal_and_name_the_public_endpoint(
    object_store_settings: ObjectStoreSettings, prefix: str
) -> None:
    settings = object_store_settings.model_copy(update={"public_endpoint": "https://media.example.com/"})
    window = datetime(2030, 1, 1, 12, 15, tzinfo=UTC)
    async with open_object_store(settings) as store:
        first = await store.presign_get(f"{prefix}a", signed_at=window, expires_seconds=1800)
        again = await store.presign_get(f"{prefix}a", signed_at=window, expires_seconds=1800)
        internal = await store.presign_get(f"{prefix}a", signed_at=window, expires_seconds=1800, public=False)
    assert first == again
    assert first.startswith(f"https://media.example.com/{settings.bucket}/{prefix}a?")
    assert internal.startswith(f"{settings.endpoint}{settings.bucket}/")


async def test_nobody_reads_an_object_by_its_key_alone(
    object_store: ObjectStore, object_store_settings: ObjectStoreSettings, prefix: str, http: httpx.AsyncClient
) -> None:
    await object_store.put(f"{prefix}clip.mp4", b"clip", content_type=TYPE)
    url = f"{object_store_settings.endpoint}{object_store_settings.bucket}/{prefix}clip.mp4"
    assert (await http.get(url)).status_code == 403


async def test_a_wrong_etag_is_an_invalid_part(object_store: ObjectStore, prefix: str, http: httpx.AsyncClient) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    await put_part(http, object_store, key, upload, 1, b"abc")
    with pytest.raises(InvalidPart):
        await object_store.complete_multipart(key, upload, [(1, "0" * 32)])
    with pytest.raises(InvalidPart):
        await object_store.complete_multipart(key, upload, [(2, "0" * 32)])


async def test_a_small_part_before_the_last_is_refused(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    for number in (1, 2):
        await put_part(http, object_store, key, upload, number, b"abc")
    parts = [(part.number, part.etag) for part in await object_store.list_parts(key, upload)]
    with pytest.raises(PartTooSmall):
        await object_store.complete_multipart(key, upload, parts)


async def test_an_upload_that_ended_is_not_found_and_aborting_it_again_is_fine(
    object_store: ObjectStore, prefix: str, http: httpx.AsyncClient
) -> None:
    key = f"{prefix}original.mp4"
    upload = await object_store.create_multipart(key, TYPE)
    await put_part(http, object_store, key, upload, 1, b"abc")
    assert [found.s3_upload_id async for found in object_store.list_multiparts(prefix)] == [upload]

    await object_store.abort_multipart(key, upload)
    await object_store.abort_multipart(key, upload)
    with pytest.raises(MultipartUploadNotFound):
        await object_store.list_parts(key, upload)
    with pytest.raises(MultipartUploadNotFound):
        await object_store.complete_multipart(key, upload, [(1, "0" * 32)])
    assert [found async for found in object_store.list_multiparts(prefix)] == []


async def test_an_absent_object_is_not_found(object_store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        await object_store.head(f"{prefix}absent")
    with pytest.raises(ObjectNotFound):
        await object_store.get_range(f"{prefix}absent", 0, 1)
    with pytest.raises(ObjectNotFound):
        await object_store.download(f"{prefix}absent", tmp_path / "absent")


async def test_a_file_goes_in_and_comes_out_unchanged(object_store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)) * 30_000)
    await object_store.put_file(f"{prefix}file", sent, content_type=TYPE, cache_control="public, max-age=60")
    await object_store.download(f"{prefix}file", received)
    assert received.read_bytes() == sent.read_bytes()
    assert (await object_store.head(f"{prefix}file")).content_type == TYPE


async def test_deleting_a_prefix_takes_all_of_it_and_nothing_else(object_store: ObjectStore, prefix: str) -> None:
    for number in range(12):
        await object_store.put(f"{prefix}gone/{number:04}", b"x", content_type=TYPE)
    await object_store.put(f"{prefix}gone-not/0", b"x", content_type=TYPE)
    assert await object_store.delete_prefix(f"{prefix}gone/") == 12
    assert await object_store.delete_prefix(f"{prefix}gone/") == 0
    assert (await object_store.head(f"{prefix}gone-not/0")).size_bytes == 1
    assert await object_store.delete_prefix(prefix) == 1
    with pytest.raises(ValueError, match="empty prefix"):
        await object_store.delete_prefix("")


async def test_a_store_that_is_away_is_unavailable(object_store_settings: ObjectStoreSettings) -> None:
    settings = object_store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    async with open_object_store(settings) as store:
        with pytest.raises(Unavailable):
            await store.head("any")


async def test_what_s3_refuses_passes_when_the_deployment_is_mended_and_is_logged(
    object_store_settings: ObjectStoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: list[dict[str, object]] = [
        {"access_key": "nobody"},
        {"secret_key": SecretStr("wrong")},
        {"bucket": "no-such-bucket"},
    ]
    for change in wrong:
        async with open_object_store(object_store_settings.model_copy(update=change)) as store:
            caplog.clear()
            with pytest.raises(Unavailable):
                await store.put("any", b"", content_type=TYPE)
            assert "object_store_refused" in caplog.text


async def test_each_request_is_counted_by_its_operation_and_how_it_ended(
    object_store: ObjectStore, object_store_settings: ObjectStoreSettings, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counter[tuple[str, str]]()

    class Metric:
        def add(self, amount: int, attributes: dict[str, str]) -> None:
            counted[attributes["operation"], attributes["outcome"]] += amount

    monkeypatch.setattr("chassis.object_store.OBJECT_STORE_CALLS", Metric())
    await object_store.put(f"{prefix}a", b"a", content_type=TYPE)
    with pytest.raises(ObjectNotFound):
        await object_store.head(f"{prefix}b")
    away = object_store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    async with open_object_store(away) as store:
        with pytest.raises(Unavailable):
            await store.head("any")

    assert counted == {("PutObject", "ok"): 1, ("HeadObject", "refused"): 1, ("HeadObject", "failed"): 1}
