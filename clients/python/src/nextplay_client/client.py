"""The client: one method for each thing a person does with a video."""

import mimetypes
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import cast

import httpx
import httpx_sse

from nextplay_client.errors import ApiError, NextPlayError, VideoNotReady
from nextplay_client.transport import TIMEOUT, WORTH_ANOTHER_TRY, request
from nextplay_client.types import (
    Completed,
    Initiated,
    NotificationPage,
    PresignedPart,
    Published,
    Status,
    Video,
    VideoPage,
)
from nextplay_client.uploading import OnProgress, Part, checksum, cut, send_parts

CONTENT_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".qt": "video/quicktime"}
GOOD_ENDS = frozenset({"READY", "PUBLISHED"})
BAD_ENDS = frozenset({"REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED", "DELETED"})
POLL_SECONDS = 2.0


class Client:
    """A connection to one NextPlay gateway for one user. Thread-safe. Close it, or use it with `with`.

    Every call has a deadline (15 s, parts 60 s without movement) and is repeated after passing failures with
    exponential backoff and jitter; commands carry an Idempotency-Key, so a repeat never does a thing twice.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=base_url, timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}, follow_redirects=False
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(
        self,
        path: str | Path,
        *,
        title: str,
        category: str,
        description: str | None = None,
        visibility: str = "public",
        content_type: str | None = None,
        video_id: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Completed:
        """Upload a file of at most 150 MB in 10 MiB parts, three at a time, and complete the upload. S3 takes no part
        whose bytes changed on the way: each is sent with its SHA-256.

        `content_type` is guessed from the file's name. `video_id` uploads again into an own video that was rejected,
        failed or is a draft. Raises ApiError (FILE_TOO_LARGE, RATE_LIMITED, …), Unreachable, or OSError for the file.
        """
        file = Path(path)
        total = file.stat().st_size
        announcement: dict[str, object] = {
            "title": title,
            "category": category,
            "visibility": visibility,
            "filename": file.name,
            "content_type": content_type or _content_type(file),
            "file_size_bytes": total,
            "part_checksums": True,
        }
        if description is not None:
            announcement["description"] = description
        if video_id is not None:
            announcement["video_id"] = video_id
        initiated = cast(Initiated, self._post("/v1/uploads/initiate", announcement))
        upload = f"/v1/uploads/{initiated['upload_id']}"

        def presign(parts: list[Part]) -> list[PresignedPart]:
            wanted = [
                {
                    "part_number": part.number,
                    "content_length": part.length,
                    "checksum_sha256": checksum(file, part),
                }
                for part in parts
            ]
            return cast(list[PresignedPart], self._post(f"{upload}/parts/presign-batch", {"parts": wanted})["parts"])

        etags = send_parts(file, cut(total, initiated["part_size_bytes"]), presign, on_progress)
        named = [{"part_number": number, "etag": etag} for number, etag in sorted(etags.items())]
        return cast(Completed, self._post(f"{upload}/complete", {"parts": named}))

    def status(self, video_id: str, *, min_sequence: int | None = None) -> Status:
        """Where an own video stands; at least as new as `min_sequence`."""
        query = {"min_sequence": min_sequence} if min_sequence is not None else None
        return cast(Status, request(self._http, "GET", f"/v1/videos/{video_id}/status", query=query))

    def watch(self, video_id: str, *, after_sequence: int | None = None) -> Iterator[Status]:
        """The status as it changes, by server-sent events; ends when the server ends the stream, at once where
        `after_sequence` is all that there will be.

        Raises httpx.TransportError when the connection is lost; start again with the last `sequence` seen.
        """
        headers = {"Last-Event-ID": str(after_sequence)} if after_sequence is not None else {}
        with httpx_sse.connect_sse(
            self._http,
            "GET",
            f"/v1/videos/{video_id}/events",
            headers=headers,
            timeout=httpx.Timeout(60.0, connect=5.0),
        ) as source:
            if source.response.status_code >= 400:
                source.response.read()
                raise ApiError.of(source.response)
            if source.response.status_code == 204:
                return
            for event in source.iter_sse():
                if event.event == "error":
                    return
                if event.data:
                    yield cast(Status, event.json())

    def wait(
        self, video_id: str, *, timeout_seconds: float = 600.0, on_status: Callable[[Status], None] | None = None
    ) -> Status:
        """Wait until a video is READY or PUBLISHED, by server-sent events, by polling where those do not get through,
        and over passing refusals of the server.

        Raises VideoNotReady when it was rejected, failed or deleted, and NextPlayError after `timeout_seconds`.
        """
        deadline = time.monotonic() + timeout_seconds
        for status in self._statuses(video_id, deadline):
            if on_status:
                on_status(status)
            if status["status"] in GOOD_ENDS:
                return status
            if status["status"] in BAD_ENDS or (status["status"] == "DRAFT" and "reason" in status):
                raise VideoNotReady(status)
        raise NextPlayError(
            f"The video {video_id} was not ready within {timeout_seconds:.0f} s; it goes on without us."
        )

    def _statuses(self, video_id: str, deadline: float) -> Iterator[Status]:
        while time.monotonic() < deadline:
            try:
                try:
                    for status in self.watch(video_id):
                        yield status
                        if time.monotonic() > deadline:
                            return
                except httpx.TransportError:
                    yield self.status(video_id)
            except ApiError as refused:
                if refused.status not in WORTH_ANOTHER_TRY:
                    raise
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def video(self, video_id: str) -> Video:
        """A video with its facts and the assets that may be played."""
        return cast(Video, request(self._http, "GET", f"/v1/videos/{video_id}"))

    def publish(
        self,
        video_id: str,
        *,
        visibility: str | None = None,
        notify_followers: bool = True,
        when_ready: bool = False,
    ) -> Published:
        """Publish an own video that is READY, or with `when_ready` as soon as it is."""
        body: dict[str, object] = {"notify_followers": notify_followers, "when_ready": when_ready}
        if visibility is not None:
            body["visibility"] = visibility
        return cast(Published, self._post(f"/v1/videos/{video_id}/publish", body))

    def delete(self, video_id: str) -> None:
        """Delete an own video, for ever."""
        request(self._http, "DELETE", f"/v1/videos/{video_id}")

    def follow(self, user_id: str) -> None:
        """Follow a user."""
        request(self._http, "PUT", f"/v1/users/{user_id}/follow")

    def unfollow(self, user_id: str) -> None:
        """Stop following a user."""
        request(self._http, "DELETE", f"/v1/users/{user_id}/follow")

    def feed(self, *, page_size: int = 20, page_token: str = "") -> VideoPage:
        """A page of published public videos of the users the caller follows, last published first."""
        return cast(VideoPage, request(self._http, "GET", "/v1/feed", query=_page(page_size, page_token)))

    def notifications(self, *, page_size: int = 20, page_token: str = "") -> NotificationPage:
        """A page of the inbox, newest first, with the number of unread entries."""
        return cast(
            NotificationPage, request(self._http, "GET", "/v1/notifications", query=_page(page_size, page_token))
        )

    def _post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return cast(dict[str, object], request(self._http, "POST", path, json=body, headers=headers))


def _page(page_size: int, page_token: str) -> dict[str, str | int]:
    return {"page_size": page_size, "page_token": page_token} if page_token else {"page_size": page_size}


def _content_type(file: Path) -> str:
    guessed = CONTENT_TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
    if guessed is None:
        raise NextPlayError(f"{file.name}: give content_type, video/mp4 or video/quicktime; the name does not tell it.")
    return guessed
