"""The program that opens untrusted bytes to measure them: run by probe.py in a confined process, nothing else in it.

It has no file and no network: it asks its parent for ranges. On standard output it writes lines, `read OFFSET LENGTH`
or, once and last, `facts JSON` or `refused CODE TEXT`; each `read` is answered on standard input by a four-byte length
(big endian) and so many bytes, fewer than asked only at the end of the file.

Before all that it waits for the line `SIZE_BYTES MAX_FRAME_PIXELS MAX_CODED_PIXELS` on standard input, so that it can
be started before there is a file. Imports the standard library and PyAV only.
"""

import itertools
import json
import struct
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

BLOCK_BYTES = 256 * 1024
CACHED_BLOCKS = 64
MOST_BLOCKS_AT_ONCE = 16
"""What is read in sequence is asked for in ever larger pieces, as each costs a way to the object store."""
# What the transcoder has decoders for; a track of another codec is passed over.
AUDIO_CODECS = {
    *("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "amr_nb", "amr_wb"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be"),
    *("pcm_f64le", "pcm_f64be", "pcm_s8", "pcm_u8", "pcm_mulaw", "pcm_alaw"),
}
# Boxes that a QuickTime or MP4 file may begin with.
FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof", b"sidx"})
DECODABLE = frozenset({"h264", "hevc"})
# One demuxer, no other file, and no decoder: nothing is decoded before its size is known.
OPEN = {"protocol_whitelist": "none", "format_whitelist": "mov", "codec_whitelist": "none", "enable_drefs": "0"}
MOST_SAMPLES = 1_000_000
"""Of the video track; a short table can list any number, and to walk through more would take too long."""
TOLERANCE_SECONDS = Fraction(1, 4)
MOST_BOXES = 10_000
MOST_TABLE_BYTES = 32 * 1024 * 1024
# Code points of ISO/IEC 23091-2, as FFmpeg calls them; what is missing is treated as unknown.
PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 12: "smpte432"}
TRANSFERS = {1: "bt709", 6: "smpte170m", 13: "iec61966-2-1", 14: "bt2020-10", 16: "smpte2084", 18: "arib-std-b67"}
MATRICES = {0: "gbr", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}

Span = tuple[Fraction, Fraction]
"""How long a track is shown, by its edits if it has any, and how long its samples last in all, in seconds."""


class Refused(Exception):
    """The file can't be measured; the arguments are a reason's code and a text."""


class Ranges:
    """The file as PyAV reads it: blocks fetched from the parent, the latest of them kept."""

    def __init__(self, size: int, requests: BinaryIO, answers: BinaryIO) -> None:
        self._size, self._requests, self._answers = size, requests, answers
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self._expected, self._at_once = 0, 1

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, length: int) -> bytes:
        number, skip = divmod(self._position, BLOCK_BYTES)
        data = self._block(number)[skip : skip + length] if self._position < self._size else b""
        self._position += len(data)
        return data

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._at_once = min(2 * self._at_once, MOST_BLOCKS_AT_ONCE) if number == self._expected else 1
            self._expected = number + self._at_once
            self._requests.write(b"read %d %d\n" % (number * BLOCK_BYTES, self._at_once * BLOCK_BYTES))
            self._requests.flush()
            (length,) = struct.unpack(">I", self._answers.read(4))
            for offset in range(max(1, -(-length // BLOCK_BYTES))):
                while len(self._blocks) >= CACHED_BLOCKS:
                    del self._blocks[next(iter(self._blocks))]
                self._blocks[number + offset] = self._answers.read(min(BLOCK_BYTES, length - offset * BLOCK_BYTES))
        return self._blocks[number]


def measure(file: Ranges, size: int, max_frame_pixels: int, max_coded_pixels: int) -> dict[str, Any]:
    """The facts of services.media.domain.source.Source, as plain values. Raises Refused."""
    head = file.read(12)
    if head[4:8] not in FIRST_BOXES:
        raise Refused("NOT_A_VIDEO", "it does not begin like an MP4 or QuickTime file")
    spans = _spans(file, size)
    file.seek(0)
    try:
        with av.open(file, format="mov", mode="r", options=OPEN) as container:
            return _facts(container, spans, head, size, (max_frame_pixels, max_coded_pixels))
    except (av.FFmpegError, MemoryError, OverflowError, UnicodeDecodeError) as error:
        raise Refused("CORRUPT", "its structure can't be read") from error


def _spans(file: Ranges, size: int) -> dict[int, Span]:
    """The tracks that have tables of samples, by their ids; none of a file that can't be understood.

    Raises Refused for a file of boxes without end, which would keep the demuxer busy for minutes.
    """
    at = 0
    try:
        # The end of the file makes no box.
        for _ in range(MOST_BOXES):
            length, kind, header = _box(_read(file, at, 16))
            if kind == b"moov" and length <= MOST_TABLE_BYTES:
                return dict(_track_spans(_read(file, at + header, length - header)))
            at += length or size
    except (struct.error, StopIteration, RuntimeError, IndexError, ZeroDivisionError):
        return {}
    raise Refused("CORRUPT", f"it begins with more than {MOST_BOXES} boxes")


def _track_spans(movie: bytes) -> Iterator[tuple[int, Span]]:
    if next(_boxes(movie, b"mvex"), None) is not None:
        # Fragments follow: the tables list the first samples at most, and the edits what was known of then.
        return
    scale = _number(next(_boxes(movie, b"mvhd")))
    for track in _boxes(movie, b"trak"):
        steps = next(_boxes(track, b"mdia", b"minf", b"stbl", b"stts"))
        ticks = sum(count * step for count, step in struct.iter_unpack(">II", steps[8 : len(steps) // 8 * 8]))
        edits = sum(duration for table in _boxes(track, b"edts", b"elst") for duration in _edits(table))
        seconds = Fraction(ticks, _number(next(_boxes(track, b"mdia", b"mdhd"))))
        if ticks:
            yield _number(next(_boxes(track, b"tkhd"))), (Fraction(edits, scale) or seconds, seconds)


def _edits(table: bytes) -> Iterator[int]:
    """The durations of the edits that show something, in the movie's ticks."""
    entry = struct.Struct(">QqI" if table[0] else ">IiI")
    whole = (len(table) - 8) // entry.size * entry.size
    return (duration for duration, time, _ in entry.iter_unpack(table[8 : 8 + whole]) if time >= 0)


def _number(body: bytes) -> int:
    """The time scale of a `mvhd` or `mdhd`, the id of a `tkhd`: what comes after two times."""
    (number,) = struct.unpack_from(">I", body, 20 if body[0] else 12)
    return int(number)


def _boxes(data: bytes, wanted: bytes, *below: bytes) -> Iterator[bytes]:
    """The bodies of the boxes at a path."""
    at = 0
    while at + 8 <= len(data):
        length, kind, header = _box(data[at : at + 16])
        if kind == wanted:
            body = data[at + header : at + length]
            yield from _boxes(body, *below) if below else (body,)
        at += length or len(data)


def _box(head: bytes) -> tuple[int, bytes, int]:
    """The length of a box (0: to the end), its kind, and the length of what says so."""
    length, kind = struct.unpack_from(">I4s", head)
    if length == 1:
        return max(16, struct.unpack_from(">Q", head, 8)[0]), kind, 16
    return (max(8, length) if length else 0), kind, 8


def _read(file: Ranges, at: int, length: int) -> bytes:
    file.seek(at)
    data = b""
    while len(data) < length and (piece := file.read(length - len(data))):
        data += piece
    return data


def _facts(
    container: InputContainer, spans: dict[int, Span], head: bytes, size: int, pixels: tuple[int, int]
) -> dict[str, Any]:
    video = _video_track(container)
    codec = video.codec_context
    timing = _timing(container, video, spans.get(video.id))
    for stream in (*container.streams.video, *container.streams.audio):
        if any(entry.pos + entry.size > size for entry in stream.index_entries):
            raise Refused("CORRUPT", "it ends before its last sample")
    facts: dict[str, Any] = {
        "container": "mov" if head[4:8] != b"ftyp" or head[8:12] == b"qt  " else "mp4",
        "video_index": video.index,
        "video_codec": codec.codec.canonical_name,
        "stored_width": codec.width,
        "stored_height": codec.height,
        "pixel_aspect": str(video.sample_aspect_ratio or 1),
        "interlaced": codec.field_order not in (0, 1),
        "pixel_format": codec.pix_fmt or "unknown",
        "matrix": [65536, 0, 0, 65536],
        **_colour(codec),
        **timing,
        "audio": _audio(container),
    }
    shown, coded = pixels
    if facts["video_codec"] in DECODABLE and 0 < codec.width * codec.height <= shown:
        codec.options = {"max_pixels": str(coded)}
        facts |= _first_frame(container, video)
    return facts


def _video_track(container: InputContainer) -> VideoStream:
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    tracks = [
        stream
        for stream in container.streams.video
        if not stream.disposition & pictures and stream.codec_context is not None
    ]
    if not tracks:
        raise Refused("NO_VIDEO_TRACK", "it has no video track")
    return max(tracks, key=lambda stream: bool(stream.disposition & av.stream.Disposition.default))


def _audio(container: InputContainer) -> dict[str, Any] | None:
    """The default audio track that can be decoded, else the first one."""
    tracks = [
        stream
        for stream in container.streams.audio
        if stream.codec_context is not None
        and stream.codec_context.codec.canonical_name in AUDIO_CODECS
        and stream.codec_context.sample_rate > 0
    ]
    if not tracks:
        return None
    track = max(tracks, key=lambda stream: bool(stream.disposition & av.stream.Disposition.default))
    codec = track.codec_context
    return {
        "index": track.index,
        "codec": codec.codec.canonical_name,
        "channels": codec.channels,
        "sample_rate": codec.sample_rate,
        "start_us": _microseconds(track.start_time or 0, Fraction(track.time_base or 1)),
    }


def _timing(container: InputContainer, video: VideoStream, told: Span | None) -> dict[str, Any]:
    """Times from the tables of samples and edits, which decide what is shown when; a header's duration does not."""
    base = Fraction(video.time_base or 1)
    if told is None or not video.frames:
        # Fragments describe their samples on the way: walk through all of them, without the samples themselves.
        for stream in container.streams:
            stream.discard = av.stream.Discard.all
        for _ in container.demux(video):
            continue
        for stream in container.streams:
            stream.discard = av.stream.Discard.default
        container.seek(0)
    if len(video.index_entries) > MOST_SAMPLES:
        raise Refused("CORRUPT", f"it lists more than {MOST_SAMPLES} frames")
    # In the order of decoding. Frames that an edit cuts off may stand between ones that are shown, and what the next
    # edit shows is decoded from a frame on that lies before it.
    entries = video.index_entries[:]
    shown = [number for number, entry in enumerate(entries) if not entry.is_discard]
    if not shown:
        raise Refused("CORRUPT", "its video track has no samples")
    pairs = itertools.pairwise(entries[shown[0] : shown[-1] + 1])
    told_steps = (later.timestamp - entry.timestamp for entry, later in pairs if not entry.is_discard)
    steps = sorted(step for step in told_steps if step >= 0)
    step = steps[len(steps) // 2] if steps else 0
    duration = _duration(sum(steps) * base, step * base, told)
    constant = not steps or (steps[-1] - steps[0]) <= max(2, step // 10)
    guessed = video.guessed_rate or video.average_rate or 30
    rate = Fraction(guessed) if constant or not step else 1 / (step * base)
    return {
        "duration_ms": round(1000 * duration),
        "start_us": _microseconds(video.start_time or 0, base),
        "frames": len(shown),
        "frame_rate": str(rate.limit_denominator(1001)),
        "constant_rate": constant,
    }


def _duration(to_last: Fraction, step: Fraction, told: Span | None) -> Fraction:
    """Seconds of what is shown: `to_last` without the last frame, which lasts a median `step` if nothing tells more.

    The tables know it to the tick, but they can lie about samples that are not there.
    """
    whole = to_last + step
    shown, samples = told or (whole, whole)
    return shown if to_last - TOLERANCE_SECONDS <= shown <= samples + TOLERANCE_SECONDS else whole


def _first_frame(container: InputContainer, video: VideoStream) -> dict[str, Any]:
    """What only a decoded frame tells surely; it also proves that the track can be decoded."""
    frame = _decode_first(container, video)
    if frame is None:
        raise Refused("CORRUPT", "none of its frames can be decoded")
    facts: dict[str, Any] = {
        "stored_width": frame.width,
        "stored_height": frame.height,
        "interlaced": bool(frame.interlaced_frame),
        "pixel_format": frame.format.name,
        **_colour(frame),
    }
    for side_data in cast("Iterable[SideData]", frame.side_data):
        if side_data.type is SideDataType.DISPLAYMATRIX:
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
            facts["matrix"] = [a, b, c, d]
    return facts


def _decode_first(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    """The first frame that is shown."""
    codec = video.codec_context
    codec.thread_count = 1
    packet = next(container.demux(video))
    if not packet.is_discard:
        # Asked for at once: the frames that it would wait for, to be put in order, need not be decoded.
        for frame in (*codec.decode(packet), *codec.decode(None)):
            return frame
    codec.flush_buffers()
    container.seek(0)
    return next(container.decode(video), None)


def _colour(told_by: VideoCodecContext | VideoFrame) -> dict[str, str]:
    return {
        "color_primaries": PRIMARIES.get(told_by.color_primaries, "unknown"),
        "color_transfer": TRANSFERS.get(told_by.color_trc, "unknown"),
        "color_matrix": MATRICES.get(told_by.colorspace, "unknown"),
    }


def _microseconds(ticks: int, base: Fraction) -> int:
    return round(1_000_000 * ticks * base)


def main() -> None:
    asked, out = sys.stdin.buffer, sys.stdout.buffer
    size, *pixels = map(int, asked.readline().split())
    try:
        facts = measure(Ranges(size, out, asked), size, *pixels)
        out.write(b"facts " + json.dumps(facts).encode() + b"\n")
    except Refused as refused:
        out.write("refused {} {}\n".format(*refused.args).encode())
    out.flush()


if __name__ == "__main__":
    main()
