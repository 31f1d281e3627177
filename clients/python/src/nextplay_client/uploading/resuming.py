"""Finding the interrupted upload of a file, and what S3 holds of it."""

import hashlib
from pathlib import Path
from typing import cast

from nextplay_client.errors import NotFound
from nextplay_client.gateway import Gateway
from nextplay_client.types import Upload

END_BYTES = 1024 * 1024


def fingerprint(path: Path, video_id: str | None) -> str:
    """What identifies a file and the video it is for: its size, its time of change, and its first and last MiB."""
    facts = path.stat()
    digest = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns} {video_id or ''} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, facts.st_size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return f"sha256:{digest.hexdigest()}"


async def interrupted(gateway: Gateway, mark: str) -> Upload | None:
    """The newest upload under way with this fingerprint."""
    listed = await gateway.get("/v1/uploads", fingerprint=mark, page_size=1)
    for upload in listed["uploads"]:
        try:
            return cast(Upload, await gateway.get(f"/v1/uploads/{upload['upload_id']}"))
        except NotFound:
            continue
    return None


async def held_parts(gateway: Gateway, upload_id: str) -> dict[tuple[int, int], str]:
    """The ETags of the parts that S3 holds, by number and length."""
    upload = cast(Upload, await gateway.get(f"/v1/uploads/{upload_id}"))
    return by_number_and_length(upload)


def by_number_and_length(upload: Upload) -> dict[tuple[int, int], str]:
    """The ETags of an upload's parts."""
    return {(part["part_number"], part["size_bytes"]): part["etag"] for part in upload["parts_received"]}
