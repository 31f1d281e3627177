"""What the bucket holds, page by page, with ages by S3's own clock.

Needs no permissions beside those of the object store. Multipart uploads come in S3's own order, which is by key on AWS
and by id on SeaweedFS, so a position among them is what S3 said about the next page.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from chassis.object_store import ObjectNotFound, ObjectStore, call
from services.upload.domain.findings import Held
from services.upload.ports import Page


@dataclass(frozen=True)
class BucketInventory:
    """Implements `ports.Inventory` on the bucket of an object store; a page has `page_size` things at most."""

    store: ObjectStore
    page_size: int = 1000

    async def list_objects(self, prefix: str, position: str) -> Page:
        async with call():
            reply = await self.store.client.list_objects_v2(
                Bucket=self.store.bucket, Prefix=prefix, StartAfter=position, MaxKeys=self.page_size
            )
        held = [Held(one["Key"], "", _age(reply, one["LastModified"])) for one in reply.get("Contents", [])]
        return Page(held, held[-1].s3_key if held and reply["IsTruncated"] else None)

    async def list_multiparts(self, prefix: str, position: str) -> Page:
        markers: dict[str, Any] = json.loads(position) if position else {}
        async with call():
            reply = await self.store.client.list_multipart_uploads(
                Bucket=self.store.bucket, Prefix=prefix, MaxUploads=self.page_size, **markers
            )
        held = [Held(one["Key"], one["UploadId"], _age(reply, one["Initiated"])) for one in reply.get("Uploads", [])]
        following = {name: reply.get(f"Next{name}") for name in ("KeyMarker", "UploadIdMarker")}
        told = {name: value for name, value in following.items() if value}
        return Page(held, json.dumps(told) if reply["IsTruncated"] and told else None)

    async def find_object(self, s3_key: str) -> Held | None:
        try:
            async with call():
                reply = await self.store.client.head_object(Bucket=self.store.bucket, Key=s3_key)
        except ObjectNotFound:
            return None
        return Held(s3_key, "", _age(reply, reply["LastModified"]))

    async def delete_object(self, s3_key: str) -> None:
        async with call():
            await self.store.client.delete_object(Bucket=self.store.bucket, Key=s3_key)


def _age(reply: Mapping[str, Any], since: datetime) -> timedelta:
    """From then until the reply was made. Without a date in the reply nothing has an age, so nothing is touched."""
    said = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(said) - since if said else timedelta()
