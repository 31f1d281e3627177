"""The client: one method for each thing a person does with a video.

Made of aio/client.py by generate/make_sync.py, not by hand.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from nextplay_client.aio.client import AsyncClient
from nextplay_client.loop_thread import LoopThread
from nextplay_client.sync.devices import Devices
from nextplay_client.sync.notifications import Notifications
from nextplay_client.sync.uploads import Uploads
from nextplay_client.sync.webhooks import Webhooks
from nextplay_client.tokens import Token
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
from nextplay_client.uploading import OnProgress


class Client:
    """A connection to one NextPlay gateway for one user. Close it, or use it with `with`.

    Every call has a deadline (20 s; parts 60 s without movement) and is repeated after passing failures with
    exponential backoff and jitter; commands carry an Idempotency-Key, so a repeat never does a thing twice. Refusals
    are ApiError, an absent server is Unreachable. Lists fetch their pages as they are read.
    """

    def __init__(self, base_url: str, token: Token) -> None:
        self._served = AsyncClient(base_url, token)
        self._thread = LoopThread()
        self.uploads = Uploads(self._thread, self._served.uploads)
        self.notifications = Notifications(self._thread, self._served.notifications)
        self.devices = Devices(self._thread, self._served.devices)
        self.webhooks = Webhooks(self._thread, self._served.webhooks)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. What still runs in other threads ends with RuntimeError."""
        if self._thread.runs:
            self._thread.close(self._served.aclose())

    def upload(
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
        return self._thread.run(
            self._served.upload(
                path,
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
        )

    def status(self, video_id: str, *, min_sequence: int | None = None) -> Status:
        """Where an own video stands; at least as new as `min_sequence`."""
        return self._thread.run(self._served.status(video_id, min_sequence=min_sequence))

    def watch(self, video_id: str, *, after_sequence: int | None = None) -> Iterator[Status]:
        """The status of an own video as it changes, the present one first: by server-sent events, which are opened
        again when they break, and by polling where they do not get through.

        Ends when the status changes no more without the owner; at once where `after_sequence` is all there will be.
        """
        return self._thread.iterate(self._served.watch(video_id, after_sequence=after_sequence))

    def wait(
        self, video_id: str, *, timeout_seconds: float = 600.0, on_status: Callable[[Status], None] | None = None
    ) -> Status:
        """Wait until a video is READY or PUBLISHED. `on_status` is told each change.

        Raises VideoNotReady when it was rejected, failed or deleted, and StillWaiting after `timeout_seconds`.
        """
        return self._thread.run(self._served.wait(video_id, timeout_seconds=timeout_seconds, on_status=on_status))

    def video(self, video_id: str) -> Video:
        """A video with its facts and the assets that may be played."""
        return self._thread.run(self._served.video(video_id))

    def publish(
        self,
        video_id: str,
        *,
        visibility: Visibility | None = None,
        notify_followers: bool = True,
        when_ready: bool = False,
    ) -> Published:
        """Publish an own video that is READY, or with `when_ready` as soon as it is. Safe to repeat."""
        return self._thread.run(
            self._served.publish(
                video_id, visibility=visibility, notify_followers=notify_followers, when_ready=when_ready
            )
        )

    def update(
        self,
        video_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        category: str | None = None,
        visibility: Visibility | None = None,
    ) -> Updated:
        """Change what is given of an own video. A visibility other than public takes it out of every feed."""
        return self._thread.run(
            self._served.update(
                video_id, title=title, description=description, category=category, visibility=visibility
            )
        )

    def retry(self, video_id: str) -> Retried:
        """Transcode an own video whose processing failed again, from its stored original."""
        return self._thread.run(self._served.retry(video_id))

    def delete(self, video_id: str) -> None:
        """Delete an own video, for ever. Safe to repeat."""
        self._thread.run(self._served.delete(video_id))

    def timeline(self, video_id: str) -> list[TimelineEntry]:
        """Everything that happened to an own video, in causal order."""
        return self._thread.run(self._served.timeline(video_id))

    def videos(
        self, *, status: VideoStatus | None = None, category: str | None = None, limit: int | None = None
    ) -> Iterator[VideoSummary]:
        """Own videos in any state but DELETED, newest first."""
        return self._thread.iterate(self._served.videos(status=status, category=category, limit=limit))

    def feed(self, *, limit: int | None = None) -> Iterator[VideoSummary]:
        """Published public videos of the users whom the caller follows, last published first."""
        return self._thread.iterate(self._served.feed(limit=limit))

    def discover(self, *, category: str | None = None, limit: int | None = None) -> Iterator[VideoSummary]:
        """Published public videos of everybody, last published first."""
        return self._thread.iterate(self._served.discover(category=category, limit=limit))

    def user_videos(self, user_id: str, *, limit: int | None = None) -> Iterator[VideoSummary]:
        """Published public videos of a user, last published first."""
        return self._thread.iterate(self._served.user_videos(user_id, limit=limit))

    def follow(self, user_id: str) -> None:
        """Follow a user. Safe to repeat."""
        self._thread.run(self._served.follow(user_id))

    def unfollow(self, user_id: str) -> None:
        """Stop following a user. Safe to repeat."""
        self._thread.run(self._served.unfollow(user_id))

    def followers(self, user_id: str, *, limit: int | None = None) -> Iterator[Follow]:
        """Who follows a user, latest first."""
        return self._thread.iterate(self._served.followers(user_id, limit=limit))

    def following(self, user_id: str, *, limit: int | None = None) -> Iterator[Follow]:
        """Whom a user follows, latest first."""
        return self._thread.iterate(self._served.following(user_id, limit=limit))
