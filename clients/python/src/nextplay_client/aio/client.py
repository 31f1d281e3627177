"""The client: one method for each thing a person does with a video."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import cast

import httpx

from nextplay_client.aio.devices import AsyncDevices
from nextplay_client.aio.notifications import AsyncNotifications
from nextplay_client.aio.uploads import AsyncUploads
from nextplay_client.aio.webhooks import AsyncWebhooks
from nextplay_client.errors import NextPlayError
from nextplay_client.gateway import TIMEOUT, Gateway
from nextplay_client.tokens import Bearer, Token
from nextplay_client.types import (
    Completed,
    Follow,
    Published,
    Retried,
    Status,
    TimelineEntry,
    Updated,
    Video,
    VideoStatus,
    VideoSummary,
    Visibility,
)
from nextplay_client.uploading import PART_TIMEOUT, OnProgress, upload_file
from nextplay_client.waiting import statuses, until_ready


class AsyncClient:
    """A connection to one NextPlay gateway for one user. Close it, or use it with `async with`.

    Every call has a deadline (20 s; parts 60 s without movement) and is repeated after passing failures with
    exponential backoff and jitter; commands carry an Idempotency-Key, so a repeat never does a thing twice. Refusals
    are ApiError, an absent server is Unreachable. Lists fetch their pages as they are read.
    """

    def __init__(self, base_url: str, token: Token) -> None:
        if not base_url.startswith(("https://", "http://")) or not httpx.URL(base_url).host:
            raise NextPlayError(f"The address {base_url!r} must begin with https:// or http:// and name a host.")
        trusted = httpx.create_ssl_context()
        self._http = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, auth=Bearer(token), verify=trusted)
        self._s3 = httpx.AsyncClient(timeout=PART_TIMEOUT, verify=trusted)
        self._gateway = Gateway(self._http)
        self.uploads = AsyncUploads(self._gateway)
        self.notifications = AsyncNotifications(self._gateway)
        self.devices = AsyncDevices(self._gateway)
        self.webhooks = AsyncWebhooks(self._gateway)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._s3.aclose()

    async def upload(
        self,
        path: str | Path,
        *,
        title: str,
        category: str,
        description: str | None = None,
        visibility: Visibility = "public",
        content_type: str | None = None,
        video_id: str | None = None,
        publish: bool = False,
        preflight: bool = True,
        resume: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Completed:
        """Upload a file of at most 150 MB and 30 s: 10 MiB parts, three at a time, straight to S3, which takes none
        whose bytes changed on the way.

        An upload that was interrupted at any moment goes on when the same file is uploaded again by the same user:
        only missing parts are sent, and title and all else are as given now. `resume=False` begins anew.
        `preflight=False` leaves it to the platform to look whether it takes the file. `content_type` is guessed from
        the file's name; one that tells nothing is refused before anything is sent, with or without `preflight`.
        `video_id` uploads again into an own video that was rejected, failed or is a draft. `publish` has it published
        as soon as it is READY; that is told before the first byte, so it holds whatever becomes of us. `on_progress` is
        called as bytes move; what it raises ends the call.

        Raises PreflightRefused before anything is sent, ApiError (RATE_LIMITED, UPLOAD_EXPIRED, …), Unreachable when
        parts did not get through for minutes, or OSError for the file. An upload whose file changes meanwhile is taken
        back, with the video that was made for it.
        """
        return await upload_file(
            self._gateway,
            self._s3,
            Path(path),
            title=title,
            category=category,
            description=description,
            visibility=visibility,
            content_type=content_type,
            video_id=video_id,
            publish=publish,
            preflight=preflight,
            resume=resume,
            on_progress=on_progress,
        )

    async def status(self, video_id: str, *, min_sequence: int | None = None) -> Status:
        """Where an own video stands; at least as new as `min_sequence`."""
        return cast(Status, await self._gateway.get(f"/v1/videos/{video_id}/status", min_sequence=min_sequence))

    async def watch(self, video_id: str, *, after_sequence: int | None = None) -> AsyncIterator[Status]:
        """The status of an own video as it changes, the present one first: by server-sent events, which are opened
        again when they break, and by polling where they do not get through.

        Ends when the status changes no more without the owner; at once where `after_sequence` is all there will be.
        """
        async for status in statuses(self._gateway, video_id, after_sequence):
            yield status

    async def wait(
        self, video_id: str, *, timeout_seconds: float = 600.0, on_status: Callable[[Status], None] | None = None
    ) -> Status:
        """Wait until a video is READY or PUBLISHED. `on_status` is told each change.

        Raises VideoNotReady when it was rejected, failed or deleted, and StillWaiting after `timeout_seconds`.
        """
        return await until_ready(self._gateway, video_id, timeout_seconds, on_status)

    async def video(self, video_id: str) -> Video:
        """A video with its facts and the assets that may be played."""
        return cast(Video, await self._gateway.get(f"/v1/videos/{video_id}"))

    async def publish(
        self,
        video_id: str,
        *,
        visibility: Visibility | None = None,
        notify_followers: bool = True,
        when_ready: bool = False,
    ) -> Published:
        """Publish an own video that is READY, or with `when_ready` as soon as it is. Safe to repeat."""
        reply = await self._gateway.post(
            f"/v1/videos/{video_id}/publish",
            visibility=visibility,
            notify_followers=notify_followers,
            when_ready=when_ready,
        )
        return cast(Published, reply)

    async def update(
        self,
        video_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        category: str | None = None,
        visibility: Visibility | None = None,
    ) -> Updated:
        """Change what is given of an own video. A visibility other than public takes it out of every feed."""
        reply = await self._gateway.patch(
            f"/v1/videos/{video_id}", title=title, description=description, category=category, visibility=visibility
        )
        return cast(Updated, reply)

    async def retry(self, video_id: str) -> Retried:
        """Transcode an own video whose processing failed again, from its stored original."""
        return cast(Retried, await self._gateway.post(f"/v1/videos/{video_id}/retry"))

    async def delete(self, video_id: str) -> None:
        """Delete an own video, for ever. Safe to repeat."""
        await self._gateway.delete(f"/v1/videos/{video_id}")

    async def timeline(self, video_id: str) -> list[TimelineEntry]:
        """Everything that happened to an own video, in causal order."""
        return cast(list[TimelineEntry], (await self._gateway.get(f"/v1/videos/{video_id}/timeline"))["entries"])

    async def videos(
        self, *, status: VideoStatus | None = None, category: str | None = None, limit: int | None = None
    ) -> AsyncIterator[VideoSummary]:
        """Own videos in any state but DELETED, newest first."""
        async for video in self._gateway.entries("/v1/videos", "videos", limit, status=status, category=category):
            yield video

    async def feed(self, *, limit: int | None = None) -> AsyncIterator[VideoSummary]:
        """Published public videos of the users whom the caller follows, last published first."""
        async for video in self._gateway.entries("/v1/feed", "videos", limit):
            yield video

    async def discover(self, *, category: str | None = None, limit: int | None = None) -> AsyncIterator[VideoSummary]:
        """Published public videos of everybody, last published first."""
        async for video in self._gateway.entries("/v1/feed/discover", "videos", limit, category=category):
            yield video

    async def user_videos(self, user_id: str, *, limit: int | None = None) -> AsyncIterator[VideoSummary]:
        """Published public videos of a user, last published first."""
        async for video in self._gateway.entries(f"/v1/users/{user_id}/videos", "videos", limit):
            yield video

    async def follow(self, user_id: str) -> None:
        """Follow a user. Safe to repeat."""
        await self._gateway.put(f"/v1/users/{user_id}/follow")

    async def unfollow(self, user_id: str) -> None:
        """Stop following a user. Safe to repeat."""
        await self._gateway.delete(f"/v1/users/{user_id}/follow")

    async def followers(self, user_id: str, *, limit: int | None = None) -> AsyncIterator[Follow]:
        """Who follows a user, latest first."""
        async for follow in self._gateway.entries(f"/v1/users/{user_id}/followers", "followers", limit):
            yield follow

    async def following(self, user_id: str, *, limit: int | None = None) -> AsyncIterator[Follow]:
        """Whom a user follows, latest first."""
        async for follow in self._gateway.entries(f"/v1/users/{user_id}/following", "following", limit):
            yield follow
