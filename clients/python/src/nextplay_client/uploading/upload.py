"""The way of one file: look at it, announce it or find what is there of it, send what is missing, complete."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import cast

import httpx

from nextplay_client.errors import ApiError, Conflict, NextPlayError
from nextplay_client.files import FileChanged, facts
from nextplay_client.gateway import Gateway
from nextplay_client.preflight import examine
from nextplay_client.types import Completed, Initiated, Upload, Visibility
from nextplay_client.uploading import names
from nextplay_client.uploading.checksums import Checksums
from nextplay_client.uploading.notes import Note
from nextplay_client.uploading.parts import Part, cut
from nextplay_client.uploading.progress import Counter, OnProgress
from nextplay_client.uploading.resuming import STORED, fingerprint, held_parts, interrupted
from nextplay_client.uploading.sending import Sender
from nextplay_client.uploading.signing import BATCH, ServerClock, Signer

PART_BYTES = 10 * 1024 * 1024
OVER = frozenset({"UPLOAD_EXPIRED", "UPLOAD_NOT_ACTIVE", "UPLOAD_NOT_FOUND", "VIDEO_NOT_FOUND"})
NOT_WHAT_WAS_SENT = frozenset({"PARTS_MISSING", "PART_MISMATCH"})


async def upload_file(
    gateway: Gateway,
    s3: httpx.AsyncClient,
    path: Path,
    *,
    title: str,
    category: str,
    description: str | None,
    visibility: Visibility,
    content_type: str | None,
    video_id: str | None,
    publish: bool,
    preflight: bool,
    resume: bool,
    on_progress: OnProgress | None,
) -> Completed:
    """See Client.upload; `s3` sends no token."""
    if preflight:
        await asyncio.to_thread(examine, path)
    content_type = content_type or names.content_type(path)
    before = await asyncio.to_thread(facts, path)
    mark = await asyncio.to_thread(fingerprint, path, video_id)
    note = Note.of(gateway.address, mark)
    parts, checksums = cut(before.st_size, PART_BYTES), Checksums(path, before)
    told = {"title": title, "category": category, "description": description, "visibility": visibility}

    async def send(upload: Initiated | Upload, held: dict[tuple[int, int], str]) -> Completed:
        try:
            return await _send(gateway, s3, checksums, upload, parts, held, note, on_progress)
        except FileChanged:
            # Nobody can complete it: what has the other bytes is another file, and found under another fingerprint.
            with suppress(NextPlayError):
                await gateway.delete(f"/v1/uploads/{upload['upload_id']}")
                if video_id is None:
                    await gateway.delete(f"/v1/videos/{upload['video_id']}")
            raise

    # The first parts are read while the platform is asked.
    checksums.begin(parts[:BATCH])
    try:
        if resume and (begun := await interrupted(gateway, mark)):
            try:
                await gateway.patch(f"/v1/videos/{begun['video_id']}", **told)
                if publish:
                    await _publish_when_ready(gateway, begun["video_id"])
                if begun["status"] in STORED:
                    return await _complete(gateway, begun["upload_id"], None, note)
                return await send(begun, held_parts(begun))
            except ApiError as refused:
                if refused.code not in OVER:
                    raise
        announced = await gateway.post(
            "/v1/uploads/initiate",
            **told,
            filename=names.filename(path),
            content_type=content_type,
            file_size_bytes=before.st_size,
            video_id=video_id,
            fingerprint=mark,
            part_checksums=True,
        )
        initiated = cast(Initiated, announced)
        if publish:
            await _publish_when_ready(gateway, initiated["video_id"])
        return await send(initiated, {})
    finally:
        checksums.end()


async def _publish_when_ready(gateway: Gateway, video_id: str) -> None:
    """Repeatable."""
    await gateway.post(f"/v1/videos/{video_id}/publish", notify_followers=True, when_ready=True)


async def _send(
    gateway: Gateway,
    s3: httpx.AsyncClient,
    checksums: Checksums,
    upload: Initiated | Upload,
    parts: list[Part],
    held: dict[tuple[int, int], str],
    note: Note,
    on_progress: OnProgress | None,
) -> Completed:
    """Send the parts that S3 does not hold, and complete."""
    etags = {part.number: held[part.number, part.length] for part in parts if (part.number, part.length) in held}
    there = [part for part in parts if part.number in etags]
    total, resumed = sum(part.length for part in parts), sum(part.length for part in there)
    counter = Counter(upload["upload_id"], upload["video_id"], total, resumed, on_progress)
    counter.tell()
    clock = ServerClock()
    clock.told(upload["server_time"])
    signer = Signer(gateway, upload["upload_id"], checksums, clock)
    sender = Sender(s3, signer, counter)
    if there:
        # What is signed last is what is meant: so S3's bytes are held against what the file holds today.
        await signer.sign(there)
    etags |= await sender.send([part for part in parts if part.number not in etags])
    await checksums.must_hold()
    try:
        return await _complete(gateway, upload["upload_id"], etags, note)
    except Conflict as refused:
        if refused.code not in NOT_WHAT_WAS_SENT or not there:
            raise
    counter.resumed_bytes = 0
    etags |= await sender.send(there)
    await checksums.must_hold()
    return await _complete(gateway, upload["upload_id"], etags, note)


async def _complete(gateway: Gateway, upload_id: str, etags: dict[int, str] | None, note: Note) -> Completed:
    """Have the file put together of these parts, or of those that were named before; repeatable."""
    named = etags and [{"part_number": number, "etag": etag} for number, etag in sorted(etags.items())]
    await asyncio.to_thread(note.write, upload_id)
    completed = await gateway.post(f"/v1/uploads/{upload_id}/complete", parts=named)
    await asyncio.to_thread(note.remove)
    return cast(Completed, completed)
