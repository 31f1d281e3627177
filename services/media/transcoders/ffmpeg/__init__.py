"""The transcoder that runs FFmpeg in our own workers: one process decodes once and makes all renditions, a second one
cuts HLS and the preview out of them; what is finished is stored meanwhile.
"""

import errno
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.media import ladder
from services.media.domain.outcomes import corrupt, disk_full
from services.media.domain.source import Source
from services.media.ladder import Plan
from services.media.ports import Objects, Outputs, Report, Task
from services.media.storage import storage_faults, store_files, together
from services.media.transcoders.ffmpeg import commands, tonemap
from services.media.transcoders.ffmpeg.outputs import JPEG, MP4, PLAYLIST, SEGMENT, Made
from services.media.transcoders.ffmpeg.process import Bounds, run_ffmpeg
from services.media.workspace import scratch_directory

START_SECONDS = 60.0
SLOWEST_PIXELS_PER_SECOND = 10_000_000
MOST_ENCODE_SECONDS = 900.0
"""The most that any file gets, or one with a million empty frames would hold its worker for days."""
PACKAGE_SECONDS = 60.0
MIN_FREE_BYTES = 256 * 1024 * 1024
"""Room for all outputs of the longest clip, twice over because faststart rewrites, beside the original."""
LEAST_FRAMES = 0.9
"""The share of the announced frames that must come; a clip that lacks more is damaged."""


@dataclass(frozen=True)
class FfmpegTranscoder:
    """`workspace` takes the temporary files; `threads` and `memory_bytes` are for each process.

    A run is killed when no frame comes for `stall_seconds`, and when it takes longer than its pixels explain.
    """

    ffmpeg: Path
    objects: Objects
    workspace: Path
    threads: int
    memory_bytes: int
    stall_seconds: float = 30.0

    async def transcode(self, task: Task, report: Report) -> Outputs:
        """See ports.Transcoder."""
        with scratch_directory(self.workspace) as directory:
            await self._download(task, directory, report)
            plan = ladder.plan(task.source)
            async with task.turn:
                started = time.monotonic()
                await self._encode(task.source, plan, directory, report)
                encode_ms = round(1000 * (time.monotonic() - started))
            finished = {commands.rendition_path(rendition): MP4 for rendition in plan.renditions}
            made = await together(
                self._package(task, plan, directory, report),
                store_files(self.objects, task.output_s3_prefix, directory, finished | {commands.THUMBNAIL: JPEG}),
            )
            report("store", 1)
            return Outputs(made.assets(task.output_s3_prefix), encode_ms, "ffmpeg")

    async def _download(self, task: Task, directory: Path, report: Report) -> None:
        report("download", 0)
        if shutil.disk_usage(directory).free - task.source.size_bytes < MIN_FREE_BYTES:
            raise disk_full()
        try:
            with storage_faults():
                await self.objects.download(task.input_s3_key, directory / commands.INPUT)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise disk_full() from error

    async def _encode(self, source: Source, plan: Plan, directory: Path, report: Report) -> None:
        for rendition in plan.renditions:
            (directory / commands.rendition_path(rendition)).parent.mkdir(parents=True)
        if commands.is_hdr(source):
            (directory / commands.COLOURS).write_text(tonemap.cube(source.color_transfer), "ascii")
        expected = plan.frames
        frames = await run_ffmpeg(
            commands.encode_command(self.ffmpeg, source, plan, threads=self.threads),
            directory,
            Bounds(encode_seconds(source, expected), self.stall_seconds, self.memory_bytes),
            lambda frames: report("encode", frames / expected),
            step="encode",
            renditions=[rendition.rung.name for rendition in plan.renditions],
        )
        if frames < LEAST_FRAMES * expected - 1:
            raise corrupt(
                f"{frames} of {expected} frames are there",
                measured=f"{frames} frames",
                limit=f"{expected} frames",
                source=source,
            )
        if not (directory / commands.THUMBNAIL).exists():
            raise corrupt("none of its frames has a time to be shown at", source=source)

    async def _package(self, task: Task, plan: Plan, directory: Path, report: Report) -> Made:
        """Cut HLS and the preview and store them, the master playlist last."""
        report("package", 0)
        (directory / commands.HLS).mkdir()
        bounds = Bounds(PACKAGE_SECONDS, PACKAGE_SECONDS, self.memory_bytes)
        packaged = [rendition.rung.name for rendition in plan.renditions]
        command = commands.package_command(self.ffmpeg, plan)
        await run_ffmpeg(command, directory, bounds, step="package", renditions=packaged)
        made = Made.read(directory, plan, audio=task.source.audio is not None)
        made.check_length(task.source)
        report("store", 0)
        segments = dict.fromkeys(made.segments, SEGMENT)
        store = partial(store_files, self.objects, task.output_s3_prefix, directory)
        await store(segments | dict.fromkeys(made.playlists, PLAYLIST) | {commands.PREVIEW: MP4})
        await store({made.master: PLAYLIST})
        return made


def encode_seconds(source: Source, expected: int) -> float:
    """How long the encode of a source may take, of which `expected` frames come out."""
    pixels = source.stored_width * source.stored_height * max(source.frames, expected)
    return min(MOST_ENCODE_SECONDS, START_SECONDS + pixels / SLOWEST_PIXELS_PER_SECOND)
