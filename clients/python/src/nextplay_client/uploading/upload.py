"""The way of one file: look at it, announce it or find what is there of it, send what is missing, complete."""

import asyncio
import mimetypes
from pathlib import Path
from typing import cast

import httpx

from nextplay_client.errors import ApiError, NextPlayError
from nextplay_client.gateway import Gateway
from nextplay_client.preflight import examine
from nextplay_client.types import Completed, Initiated, Upload, Visibility
from nextplay_client.uploading.parts import cut
from nextplay_client.uploading.progress import Counter, OnProgress
from nextplay_client.uploading.resuming import by_number_and_length, fingerprint, interrupted
from nextplay_client.uploading.sending import TIMEOUT, Sender
from nextplay_client.uploading.signing import ServerClock, Signer

CONTENT_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".qt": "video/quicktime"}
OVER = frozenset({"UPLOAD_EXPIRED", "UPLOAD_NOT_ACTIVE", "UPLOAD_NOT_FOUND"})


async def upload_file(
    gateway: Gateway,
    path: Path,
    *,
    title: str,
    category: str,
    description: str | None,
    visibility: Visibility,
    content_type: str | None,
    video_id: str | None,
    preflight: bool,
    resume: bool,
    on_progress: OnProgress | None,
) -> Completed:
    """See Client.upload."""
    if preflight:
        await asyncio.to_thread(examine, path)
    mark = await asyncio.to_thread(fingerprint, path, video_id)
    told = {"title": title, "category": category, "description": description, "visibility": visibility}
    if resume and (begun := await interrupted(gateway, mark)):
        try:
            await gateway.patch(f"/v1/videos/{begun['video_id']}", **told)
            return await _send_and_complete(gateway, path, begun, by_number_and_length(begun), on_progress)
        except ApiError as refused:
            if refused.code not in OVER:
                raise
    total = (await asyncio.to_thread(path.stat)).st_size
    announced = await gateway.post(
        "/v1/uploads/initiate",
        **told,
        filename=path.name,
        content_type=content_type or _content_type(path),
        file_size_bytes=total,
        video_id=video_id,
        fingerprint=mark,
        part_checksums=True,
    )
    return await _send_and_complete(gateway, path, cast(Initiated, announced), {}, on_progress)


async def _send_and_complete(
    gateway: Gateway,
    path: Path,
    upload: Initiated | Upload,
    held: dict[tuple[int, int], str],
    on_progress: OnProgress | None,
) -> Completed:
    total = (await asyncio.to_thread(path.stat)).st_size
    parts = cut(total, upload["part_size_bytes"])
    etags = {part.number: held[part.number, part.length] for part in parts if (part.number, part.length) in held}
    missing = [part for part in parts if part.number not in etags]
    resumed = total - sum(part.length for part in missing)
    counter = Counter(upload["upload_id"], upload["video_id"], total, resumed, on_progress)
    counter.tell()
    clock = ServerClock()
    clock.told(upload["server_time"])
    signer = Signer(gateway, upload["upload_id"], path, clock)
    async with httpx.AsyncClient(timeout=TIMEOUT) as s3:
        etags |= await Sender(s3, signer, counter).send(missing)
    named = [{"part_number": number, "etag": etag} for number, etag in sorted(etags.items())]
    return cast(Completed, await gateway.post(f"/v1/uploads/{upload['upload_id']}/complete", parts=named))


def _content_type(path: Path) -> str:
    guessed = CONTENT_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    if guessed is None:
        raise NextPlayError(f"{path.name}: give content_type, video/mp4 or video/quicktime; the name does not tell it.")
    return guessed
