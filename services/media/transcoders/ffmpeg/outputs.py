"""What the two commands left in the working directory, and what is told about it."""

from dataclasses import dataclass
from pathlib import Path

from services.media.domain.outcomes import MAX_DURATION_MS, too_long
from services.media.domain.source import Source
from services.media.ladder import PREVIEW_SECONDS, Plan
from services.media.ports import Asset
from services.media.transcoders.ffmpeg import commands, hls

MP4, JPEG, PLAYLIST, SEGMENT = "video/mp4", "image/jpeg", "application/vnd.apple.mpegurl", "video/mp2t"


@dataclass(frozen=True)
class Made:
    """The finished files; paths are relative to `directory`, as they will be below the run's prefix."""

    directory: Path
    plan: Plan
    variants: tuple[hls.Variant, ...]

    @classmethod
    def read(cls, directory: Path, plan: Plan, *, audio: bool) -> "Made":
        """Read renditions and segments, and write the playlists over those of the converter. Raises ValueError for
        segments that are none of ours.
        """
        variants = tuple(
            hls.Variant(
                rendition,
                commands.playlist_path(rendition),
                hls.read_segments(directory / commands.playlist_path(rendition)),
                hls.codecs_of(directory / commands.rendition_path(rendition), audio=audio),
                plan.frame_rate,
            )
            for rendition in plan.renditions
        )
        made = cls(directory, plan, variants)
        for variant in variants:
            (directory / variant.playlist).write_text(hls.media_playlist(variant.segments), "utf-8")
        (directory / made.master).write_text(hls.master_playlist(variants), "utf-8")
        return made

    @property
    def master(self) -> str:
        return f"{commands.HLS}/{hls.MASTER}"

    @property
    def playlists(self) -> list[str]:
        return [variant.playlist for variant in self.variants]

    @property
    def segments(self) -> list[str]:
        return [f"{commands.HLS}/{segment.name}" for variant in self.variants for segment in variant.segments]

    @property
    def duration_ms(self) -> int:
        """How long the decoded video is, as its segments say."""
        return max(1, round(1000 * self.variants[0].seconds))

    def check_length(self, source: Source) -> None:
        """Raises Rejected. What was decoded counts, whatever the file's tables said."""
        if self.duration_ms > MAX_DURATION_MS + round(500 / self.plan.frame_rate):
            raise too_long(self.duration_ms, source)

    def assets(self, prefix: str) -> tuple[Asset, ...]:
        """Every output with its key below `prefix`."""
        top = self.plan.renditions[0]
        small = commands.preview_rendition(self.plan)
        preview_ms = min(self.duration_ms, 1000 * PREVIEW_SECONDS)
        renditions = (
            self._mp4(prefix, rendition.rung.kind, commands.rendition_path(rendition), rendition.size, self.duration_ms)
            for rendition in self.plan.renditions
        )
        playlists = sum(self._size(path) for path in (self.master, *self.playlists))
        return (
            *renditions,
            Asset(
                kind="HLS",
                s3_key=prefix + self.master,
                content_type=PLAYLIST,
                size_bytes=playlists + sum(variant.size_bytes for variant in self.variants),
                size=top.size,
                bitrate_bps=self.variants[0].average_bps,
                duration_ms=self.duration_ms,
            ),
            Asset("THUMB", prefix + commands.THUMBNAIL, JPEG, self._size(commands.THUMBNAIL), top.size),
            self._mp4(prefix, "PREVIEW", commands.PREVIEW, small.size, preview_ms),
        )

    def _mp4(self, prefix: str, kind: str, path: str, size: tuple[int, int], duration_ms: int) -> Asset:
        size_bytes = self._size(path)
        return Asset(kind, prefix + path, MP4, size_bytes, size, round(8000 * size_bytes / duration_ms), duration_ms)

    def _size(self, path: str) -> int:
        return (self.directory / path).stat().st_size
