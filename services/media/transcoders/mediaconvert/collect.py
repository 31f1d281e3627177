"""What MediaConvert left below a run's prefix, read back; and what it can't make, made of that.

It can't cut one output shorter than the others, nor name a captured frame, nor leave the frame rate out of the master
playlist's guesses: preview, thumbnail and playlists are ours, the same as the FFmpeg transcoder's.
"""

import math
import shutil
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

from chassis.object_store import ObjectNotFound
from chassis.telemetry import logger
from services.media.domain.outcomes import Fault, Rejected, corrupt, disk_full
from services.media.ladder import SEGMENT_SECONDS, Plan
from services.media.ports import Objects, Report, Task
from services.media.storage import storage_faults, store_files, together
from services.media.transcoders.ffmpeg import MIN_FREE_BYTES, PACKAGE_SECONDS, commands, hls
from services.media.transcoders.ffmpeg.outputs import JPEG, MP4, PLAYLIST, Made
from services.media.transcoders.ffmpeg.process import Bounds, run_ffmpeg
from services.media.transcoders.mediaconvert.template import CAPTURES, capture_path

LEAST_DURATION = 0.9
"""The share of the announced duration that must come out; a clip that lacks more is damaged."""

log = logger(__name__)


async def collect(
    objects: Objects, ffmpeg: Path, memory_bytes: int, task: Task, plan: Plan, directory: Path, report: Report
) -> Made:
    """Read the outputs back into `directory`, make and store the rest, the master playlist last.

    Two workers may be at it, of which one does not know yet that it lost its lease. Both store the same bytes, and
    only the captured frames are removed, of which each finds what the other made.
    Raises Rejected when what came out shows that the original is unacceptable, and Fault.
    """
    report("package", 0)
    if shutil.disk_usage(directory).free < MIN_FREE_BYTES:
        raise disk_full()
    await _read_back(objects, task.output_s3_prefix, plan, directory)
    await _cut_preview(ffmpeg, memory_bytes, plan, directory)
    made = Made.read(directory, plan, audio=task.source.audio is not None)
    made.check_length(task.source)
    if made.duration_ms < LEAST_DURATION * task.source.duration_ms - 1000 / plan.frame_rate:
        raise corrupt(
            f"{made.duration_ms} of {task.source.duration_ms} ms are there",
            measured=f"{made.duration_ms} ms",
            limit=f"{task.source.duration_ms} ms",
            source=task.source,
        )
    report("store", 0)
    pictures = {commands.THUMBNAIL: JPEG, commands.PREVIEW: MP4}
    store = partial(store_files, objects, task.output_s3_prefix, directory)
    await store(pictures | dict.fromkeys(made.playlists, PLAYLIST))
    await store({made.master: PLAYLIST})
    with storage_faults():
        await objects.delete_prefix(task.output_s3_prefix + CAPTURES)
    return made


async def _read_back(objects: Objects, prefix: str, plan: Plan, directory: Path) -> None:
    """Renditions, playlists, segments and the thumbnail, to where the FFmpeg transcoder would have made them."""

    async def fetch(path: str) -> None:
        await objects.download(prefix + path, directory / path)

    playlists = [commands.playlist_path(rendition) for rendition in plan.renditions]
    renditions = [commands.rendition_path(rendition) for rendition in plan.renditions]
    for path in (*playlists, *renditions):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
    with storage_faults():
        try:
            await together(_fetch_thumbnail(objects, prefix, directory), *map(fetch, (*playlists, *renditions)))
            await together(*(fetch(path) for playlist in playlists for path in _segments(directory / playlist, plan)))
        except ObjectNotFound as error:
            raise _incomplete(str(error)) from error


async def _fetch_thumbnail(objects: Objects, prefix: str, directory: Path) -> None:
    """The second captured frame, or the first of a clip that ends before it.

    A worker that had the run before may be storing the thumbnail and removing the frames meanwhile. What it stored is
    looked for after each frame that is not there, so that the first is never taken for the second, nor both missed.
    """
    for path in (capture_path(1), commands.THUMBNAIL, capture_path(0), commands.THUMBNAIL):
        with suppress(ObjectNotFound):
            await objects.download(prefix + path, directory / commands.THUMBNAIL)
            return
    raise _incomplete("no frame was captured")


def _segments(playlist: Path, plan: Plan) -> list[str]:
    """The paths of the segments that a media playlist names. All but the last last as long as was asked for, to the
    frame, and the last no longer.
    """
    try:
        entries = hls.segment_entries(playlist)
    except ValueError as error:
        raise _incomplete(str(error)) from error
    *whole, last = [seconds for _, seconds in entries] or [math.inf]
    frame = 1 / plan.frame_rate + Fraction(1, 1000)
    if last > SEGMENT_SECONDS + frame or any(abs(seconds - SEGMENT_SECONDS) > frame for seconds in whole):
        raise _incomplete(f"the segments of {playlist.name} last {[*whole, last]} s")
    return [f"{commands.HLS}/{name}" for name, _ in entries]


async def _cut_preview(ffmpeg: Path, memory_bytes: int, plan: Plan, directory: Path) -> None:
    bounds = Bounds(PACKAGE_SECONDS, PACKAGE_SECONDS, memory_bytes)
    try:
        await run_ffmpeg(commands.preview_command(ffmpeg, plan), directory, bounds, step="preview")
    except Rejected as error:  # the rendition can't be read, which is not the original's fault
        raise _incomplete(str(error)) from error


def _incomplete(what: str) -> Fault:
    log.error("outputs_incomplete", reason=what)
    return Fault("TRANSCODER_ERROR", "The converting service left something out.", transient=True)
