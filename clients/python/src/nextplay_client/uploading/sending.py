"""The bytes: parts straight to S3, three at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx
import stamina

from nextplay_client.errors import NextPlayError, Unreachable
from nextplay_client.uploading.parts import Part, pieces
from nextplay_client.uploading.progress import Counter
from nextplay_client.uploading.resuming import held_parts
from nextplay_client.uploading.signing import Signed, Signer

PARALLEL_PARTS = 3
PART_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
ATTEMPTS = 24
"""At a part, before the upload is given up, to be resumed later: the pauses between them come to three minutes."""
SIGN_AGAIN = frozenset({400, 403, 404})
"""The signature is over or of other bytes, or the upload is: signing again tells."""


class _Refused(Exception):
    """S3 answered, and did not take the part."""

    def __init__(self, status: int) -> None:
        super().__init__(f"S3 answered {status}")
        self.status = status


@dataclass(frozen=True)
class Sender:
    """Sends parts of one file for one upload."""

    s3: httpx.AsyncClient
    signer: Signer
    counter: Counter

    async def send(self, parts: Sequence[Part]) -> dict[int, str]:
        """Send the parts, and say the ETag of each.

        In memory are three pieces of a MiB. Raises Unreachable when a part never got through; what arrived stays with
        S3.
        """
        etags: dict[int, str] = {}
        left = iter(parts)

        async def send_one_after_the_other() -> None:
            for _ in left:
                signed = await self.signer.queue.get()
                etags[signed.part.number] = await self._send_until_it_is_there(signed)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.signer.sign_ahead(parts))
                for _ in range(PARALLEL_PARTS):
                    group.create_task(send_one_after_the_other())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return etags

    async def _send_until_it_is_there(self, signed: Signed) -> str:
        part, usable = signed.part, True
        try:
            async for attempt in stamina.retry_context(
                on=(httpx.TransportError, _Refused), attempts=ATTEMPTS, timeout=None, wait_initial=0.3, wait_max=10.0
            ):
                with attempt:
                    signed = await self.signer.renewed(signed, usable=usable)
                    try:
                        return await self._put(signed)
                    except _Refused as refused:
                        usable = refused.status not in SIGN_AGAIN
                        raise
                    except httpx.TransportError:
                        if etag := await self._held_after_all(part):
                            return etag
                        raise
        except (httpx.TransportError, _Refused) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(
                f"Part {part.number} could not be sent after {ATTEMPTS} attempts: {why}. "
                "What arrived is kept; upload the file again to send the rest."
            ) from error
        raise AssertionError("unreachable: the retry context returns or raises")

    async def _put(self, signed: Signed) -> str:
        response = await self.s3.put(
            signed.to["presigned_url"],
            content=self._content(signed.part),
            headers={header["name"]: header["value"] for header in signed.to["headers"]},
        )
        if response.status_code != 200:
            raise _Refused(response.status_code)
        etag = response.headers.get("etag")
        if not etag:
            raise httpx.RemoteProtocolError("the answer has no ETag", request=response.request)
        return str(etag)

    async def _content(self, part: Part) -> AsyncIterator[bytes]:
        """The part as it is sent, and counted."""
        reading, sent = pieces(self.signer.checksums.path, part), 0
        while piece := await asyncio.to_thread(next, reading, b""):
            yield piece
            sent += len(piece)
            self.counter.moved(part.number, sent)

    async def _held_after_all(self, part: Part) -> str | None:
        """The ETag of a part of which only the answer was lost: a look is cheaper than another ten megabytes."""
        if self.counter.sent.get(part.number) != part.length:
            return None
        try:
            upload = await self.signer.gateway.get(f"/v1/uploads/{self.signer.upload_id}")
        except NextPlayError:
            return None
        return held_parts(upload).get((part.number, part.length))
