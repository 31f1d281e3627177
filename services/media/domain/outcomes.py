"""How a run can end badly: the original is unacceptable (`Rejected`), or the run failed (`Fault`).

Both travel as events, not as RPC errors; `code` is one of the reasons that clients know.
"""

import math

from services.media.domain.source import Source

MAX_DURATION_MS = 30_000
MAX_FRAME_PIXELS = 4096 * 2304
"""The largest frame of H.264 and H.265 level 5.1, which phones up to 4K stay within."""
MAX_CODED_PIXELS = MAX_FRAME_PIXELS * 5 // 4
"""What a decoder may need for such a frame, which is coded in whole blocks."""
MAX_EDGE = 16_384
"""Pixels: the longest that x264 encodes. Only a pixel aspect makes a picture so long."""
MAX_FRAMES = 30_000
"""A thousand a second, where the fastest phones make 960: more are there to keep a decoder busy."""
VIDEO_CODECS = ("h264", "hevc")


class Rejected(Exception):
    """The original is outside what is accepted; the same bytes will be refused again.

    `measured` and `limit` carry their unit. `too_long` tells a clip that must be trimmed from a file that must be
    converted. `source` is what was measured, as far as it could be.
    """

    def __init__(
        self, code: str, message: str, *, measured: str = "", limit: str = "", source: Source | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.measured, self.limit, self.source = code, measured, limit, source

    @property
    def too_long(self) -> bool:
        return self.code == "DURATION_TOO_LONG"


class Fault(Exception):
    """The run failed for a cause on our side. `transient`: another run may succeed. `original_gone`: no run of any job
    will, because there is nothing stored to convert. The message is for the owner.
    """

    def __init__(self, code: str, message: str, *, transient: bool, original_gone: bool = False) -> None:
        super().__init__(message)
        self.code, self.transient, self.original_gone = code, transient, original_gone


def not_a_video() -> Rejected:
    return Rejected(
        "NOT_A_VIDEO",
        "The file is not an MP4 or QuickTime video.",
        measured="another kind of file",
        limit="MP4 or QuickTime",
    )


def corrupt(what: str, *, measured: str = "", limit: str = "", source: Source | None = None) -> Rejected:
    """`what` completes the sentence "The video is damaged: …"."""
    return Rejected("CORRUPT", f"The video is damaged: {what}.", measured=measured, limit=limit, source=source)


def no_video_track() -> Rejected:
    return Rejected(
        "NO_VIDEO_TRACK", "The file has no video track.", measured="0 video tracks", limit="1 video track at least"
    )


def too_long(duration_ms: int, source: Source) -> Rejected:
    return Rejected(
        "DURATION_TOO_LONG",
        f"The video lasts {duration_ms} ms; the limit is {MAX_DURATION_MS} ms.",
        measured=f"{duration_ms} ms",
        limit=f"{MAX_DURATION_MS} ms",
        source=source,
    )


def original_gone() -> Fault:
    return Fault("STORAGE_ERROR", "The uploaded file is not stored any more.", transient=False, original_gone=True)


def disk_full() -> Fault:
    return Fault("DISK_FULL", "There was no room to convert the video.", transient=True)


def stopped(why: str) -> Fault:
    """An operator decided against the clip; `why` is the operator's, for the owner to read."""
    return Fault("TRANSCODE_STOPPED", f"Converting the video was stopped by our operators: {why}", transient=False)


def service_away(what: str) -> Fault:
    """A service to which runs are handed on is out of reach, or refuses us for what an operator has to mend."""
    return Fault("SERVICE_AWAY", f"The converting service {what}.", transient=True)


def check(source: Source) -> None:
    """Raises Rejected for the first limit that the source breaks: duration, frames, codec, frame size, edge."""
    if source.duration_ms > MAX_DURATION_MS:
        raise too_long(source.duration_ms, source)
    if source.frames > MAX_FRAMES:
        raise corrupt(
            f"it has {source.frames} frames in {source.duration_ms} ms; the limit is {MAX_FRAMES} frames",
            measured=f"{source.frames} frames",
            limit=f"{MAX_FRAMES} frames",
            source=source,
        )
    if source.video_codec not in VIDEO_CODECS:
        raise Rejected(
            "CODEC_UNSUPPORTED",
            f"The video is coded as {source.video_codec}; H.264 and H.265 are accepted.",
            measured=source.video_codec,
            limit="h264 or hevc",
            source=source,
        )
    # As shown too: a pixel aspect may stretch a small stored frame to any size.
    width, height = max((source.stored_width, source.stored_height), source.shown_size, key=math.prod)
    if width * height > MAX_FRAME_PIXELS:
        raise Rejected(
            "TOO_LARGE_FRAME",
            f"A frame has {width}x{height} = {width * height} pixels; the limit is {MAX_FRAME_PIXELS} pixels.",
            measured=f"{width * height} pixels",
            limit=f"{MAX_FRAME_PIXELS} pixels",
            source=source,
        )
    width, height = source.shown_size
    edge = max(width, height)
    if edge > MAX_EDGE:
        raise Rejected(
            "TOO_LARGE_FRAME",
            f"A frame of {width}x{height} has an edge of {edge} pixels; the limit is {MAX_EDGE} pixels.",
            measured=f"{edge} pixels an edge",
            limit=f"{MAX_EDGE} pixels an edge",
            source=source,
        )
