"""The two FFmpeg commands of a transcode, computed from the source's facts. Pure.

`encode_command` decodes once and makes every rendition and the thumbnail; `package_command` cuts HLS and the preview
out of the finished renditions without encoding again. All paths are relative to the working directory.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from services.media.domain.outcomes import MAX_CODED_PIXELS
from services.media.domain.source import Audio, Orientation, Source
from services.media.ladder import (
    BUFFER_FILL,
    KEYFRAME_SECONDS,
    PREVIEW_SECONDS,
    SEGMENT_SECONDS,
    Plan,
    Rendition,
    peak_bps,
)
from services.media.transcoders.ffmpeg.tonemap import HDR_TRANSFERS

INPUT = "input"
MAX_ERROR_RATE = 0.1
"""The share of a track's packets that may be undecodable; a clip with more is damaged, not just scratched."""
THUMBNAIL = "thumbnail.jpg"
PREVIEW = "preview.mp4"
HLS = "renditions/hls"
COLOURS = "colours.cube"
"""How the colours of an HDR source are shown; lies beside `INPUT`."""

_QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y")
_INPUT_CODECS = (
    "h264,hevc,aac,mp3,mp3float,ac3,eac3,alac,opus,flac,amrnb,amrwb,amr_nb,amr_wb,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be,pcm_s8,pcm_u8,pcm_mulaw,pcm_alaw"
)

# Chosen by measurement (docs/ladder.md): the VMAF of each rung against the CPU of the whole ladder. A lower rung is
# cheap to encode well and bound by its ceiling, so it gets the finer search. No scene cuts: segments need aligned ones.
_X264_PARAMS = (
    f"mbtree=1:rc-lookahead=8:b-adapt=0:trellis=1:aq-mode=2:aq-strength=0.4:scenecut=0:vbv-init={BUFFER_FILL}"
)
_B_FRAME_DELAY = 2
_ENCODERS = {
    "720p": ("superfast", "21.6", f"{_X264_PARAMS}:subme=1:partitions=p8x8,b8x8,i8x8,i4x4"),
    "480p": ("veryfast", "22.5", f"{_X264_PARAMS}:subme=2"),
    "240p": ("veryfast", "22.5", f"{_X264_PARAMS}:subme=3"),
}
"""Preset, quality (CRF) and parameters of x264 by rung."""

_TURNS = {
    Orientation.UPRIGHT: "",
    Orientation.TURNED_90: "transpose=clock",
    Orientation.TURNED_180: "hflip,vflip",
    Orientation.TURNED_270: "transpose=cclock",
    Orientation.MIRRORED: "hflip",
    Orientation.MIRRORED_90: "transpose=clock_flip",
    Orientation.MIRRORED_180: "vflip",
    Orientation.MIRRORED_270: "transpose=cclock_flip",
}
_WIDE_PRIMARIES = {"bt2020", "smpte432"}
# BT.775's: centre and surround at -3 dB, no subwoofer. The sum may pass full scale, and is then held there softly.
_DOWNMIX = (
    "aresample=ochl=stereo:osf=fltp:clev=0.7071:slev=0.7071:lfe_mix_level=0:rematrix_maxval=1000",
    "alimiter=limit=0.98:level=false:latency=true",
)
# Of ambisonics (ACN), which no converter knows how to mix, what comes from everywhere, and left against right.
_AMBISONICS_TO_STEREO = "pan=stereo|c0=c0+0.5*c1|c1=c0-0.5*c1"
_BT709 = "range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


# Paths, in the working directory and below the run's prefix. MediaConvert names the parts of HLS after the master.


def rendition_path(rendition: Rendition) -> str:
    return f"renditions/{rendition.rung.name}/video.mp4"


def playlist_path(rendition: Rendition) -> str:
    return f"{HLS}/master_{rendition.rung.name}.m3u8"


def preview_rendition(plan: Plan) -> Rendition:
    """The second rung where there is one: a preview is shown small, beside others."""
    return plan.renditions[:2][-1]


def encode_command(ffmpeg: Path, source: Source, plan: Plan, *, threads: int) -> list[str]:
    """Reads `INPUT`; writes the renditions and the thumbnail, and its progress to standard output."""
    seconds = f"{float(plan.frames / plan.frame_rate):.6f}"
    command = [
        *(str(ffmpeg), *_QUIET, "-progress", "pipe:1", "-stats_period", "0.25"),
        *("-threads", str(threads), "-filter_complex_threads", str(min(threads, 4))),
        # Timestamps as the file has them, so that both tracks are cut and moved by the same clock.
        *("-copyts", "-noautorotate", "-apply_cropping", "codec", "-f", "mov", "-protocol_whitelist", "file"),
        *("-format_whitelist", "mov", "-enable_drefs", "0", "-codec_whitelist", _INPUT_CODECS),
        # Frames may change their size or range on the way. Filters that began anew there would be a frame late from
        # then on; but the scaler, which comes first, takes frames as they are. Only the deinterlacer before it can't.
        *(() if source.interlaced else ("-reinit_filter:v", "0")),
        *("-max_pixels", str(MAX_CODED_PIXELS), "-max_error_rate", str(MAX_ERROR_RATE), "-i", INPUT),
    ]
    for graph in filter_graphs(source, plan):
        command += ["-filter_complex", graph]
    for rendition in plan.renditions:
        name = rendition.rung.name
        # A lower rung keeps up with half the threads, each of which costs a little quality.
        sharing = threads if rendition is plan.renditions[0] else max(1, threads // 2)
        command += [
            *("-map", f"[{name}]", *_video_encoder(rendition, source, sharing)),
            *(("-map", f"[{name}-audio]", *_audio_encoder(rendition)) if source.audio else ()),
            # Where filters begin anew on the way, they may cut a frame too late.
            *("-frames:v", str(plan.frames), "-t", seconds, *_mp4(), rendition_path(rendition)),
        ]
    command += ["-map", "[thumbnail]", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-map_metadata", "-1"]
    return [*command, "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "image2", "-update", "1", THUMBNAIL]


def package_command(ffmpeg: Path, plan: Plan) -> list[str]:
    """Reads the renditions; writes a playlist with its segments for each, and the preview."""
    command = [str(ffmpeg), *_QUIET]
    for rendition in plan.renditions:
        command += ["-f", "mov", "-i", rendition_path(rendition)]
    for number, rendition in enumerate(plan.renditions):
        command += [
            *("-map", str(number), "-c", "copy", "-f", "hls", "-hls_time", str(SEGMENT_SECONDS)),
            *("-hls_list_size", "0", "-hls_playlist_type", "vod", "-hls_flags", "independent_segments"),
            *("-hls_segment_filename", f"{HLS}/master_{rendition.rung.name}_%05d.ts", playlist_path(rendition)),
        ]
    return [*command, *_preview(plan, plan.renditions.index(preview_rendition(plan)))]


def preview_command(ffmpeg: Path, plan: Plan) -> list[str]:
    """Reads the preview's rendition; writes the preview alone."""
    return [str(ffmpeg), *_QUIET, "-f", "mov", "-i", rendition_path(preview_rendition(plan)), *_preview(plan, 0)]


def filter_graphs(source: Source, plan: Plan) -> Iterator[str]:
    """From one decode to all encoders. Each graph begins anew by itself when the frames that come into it change."""
    yield ";".join(_pictures(source, plan))
    if source.audio:
        outputs = "".join(f"[{rendition.rung.name}-audio]" for rendition in plan.renditions)
        yield f"[0:{source.audio.index}]{_audio(source, source.audio, plan)},asplit={len(plan.renditions)}{outputs}"


def _pictures(source: Source, plan: Plan) -> Iterator[str]:
    """The chains of the picture: each rung is scaled from the one above it."""
    top, *lower = plan.renditions
    yield f"[0:{source.video_index}]{_to_top(source, top, plan)},split[{top.rung.name}-frames][thumb-frames]"
    above = top.rung.name
    for rendition in lower:
        name = rendition.rung.name
        yield f"[{above}-frames]split[{above}][{name}-larger]"
        # Bicubic, because bilinear in the cascade ruins the lowest rung.
        yield f"[{name}-larger]scale={_colon(rendition.size)}:flags=bicubic,setsar=1[{name}-frames]"
        above = name
    yield f"[{above}-frames]null[{above}]"
    yield f"[thumb-frames]{_thumbnail(plan)}[thumbnail]"


def _to_top(source: Source, top: Rendition, plan: Plan) -> str:
    """From the decoder to upright BT.709 frames of the top rung at the output's rate.

    Scaled before turned, because there is less to turn then.
    """
    size = top.size[::-1] if source.orientation.swaps_edges else top.size
    scale = f"scale={_colon(size)}:flags=bicubic"
    return ",".join(
        filter(
            None,
            (
                "bwdif=mode=send_frame:deint=interlaced" if source.interlaced else "",
                f"setpts=PTS-{source.start_us}/1000000/TB",
                f"fps={plan.frame_rate}:start_time=0,trim=end_frame={plan.frames}",
                *_to_bt709(source, scale),
                _TURNS[source.orientation],
                # What the frames carry along (matrix, HDR metadata, captions) is true of the source only.
                "sidedata=mode=delete",
                f"setsar=1,setparams={_BT709}",
            ),
        )
    )


def _to_bt709(source: Source, scale: str) -> tuple[str, ...]:
    """Scale, and turn the source's colours into 8-bit 4:2:0 BT.709 of limited range."""
    told = f"setparams={_source_colours(source)}"
    if is_hdr(source):
        # 16 bits a channel, or the steps of the dark would show.
        table = f"lut3d=file={COLOURS}:interp=tetrahedral"
        return (f"{told},{scale},format=gbrp16le,{table},scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",)
    if _primaries(source) in _WIDE_PRIMARIES:
        return (f"{told},{scale}", "zscale=transfer=bt709:matrix=bt709:primaries=bt709:range=tv,format=yuv420p")
    return (f"{told},{scale}:out_color_matrix=bt709:out_range=tv,format=yuv420p",)


def _colon(size: tuple[int, ...]) -> str:
    return ":".join(map(str, size))


def is_hdr(source: Source) -> bool:
    """Whether the encode needs the table of colours `tonemap.cube` as `COLOURS`."""
    return source.color_transfer in HDR_TRANSFERS


def _primaries(source: Source) -> str:
    return "bt2020" if _matrix(source).startswith("bt2020") else source.color_primaries


def _matrix(source: Source) -> str:
    """The matrix of the source; guessed as players do where it says nothing: BT.601 if the picture is small."""
    if source.color_matrix != "unknown":
        return source.color_matrix
    if is_hdr(source) or source.color_primaries == "bt2020":
        return "bt2020nc"
    short, long = sorted((source.stored_width, source.stored_height))
    return "smpte170m" if short <= 576 and long < 1280 else "bt709"


def _source_colours(source: Source) -> str:
    """What is told to the filters. The primaries of BT.601 are taken for BT.709's, as everybody does, and so is every
    curve of standard range: a picture is meant for the display that it is seen on. Each frame tells its own range.
    """
    primaries = _primaries(source) if _primaries(source) in _WIDE_PRIMARIES else "bt709"
    return f"color_primaries={primaries}:color_trc=bt709:colorspace={_matrix(source)}"


def _thumbnail(plan: Plan) -> str:
    """The frame that is shown at `thumbnail_at`.

    A JPEG's readers assume BT.601 of full range, whatever its encoder was given.
    """
    number = math.floor(plan.thumbnail_at * plan.frame_rate)
    return f"trim=start_frame={number}:end_frame={number + 1},scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p"


def _audio(source: Source, audio: Audio, plan: Plan) -> str:
    """The audio under the video: at most stereo, of the video's length, silence where there is none.

    By the video's clock all along: where rate or channels change on the way, this begins anew and goes on there.
    """
    start, seconds = source.start_us, float(plan.frames / plan.frame_rate)
    late_us = max(0, audio.start_us - start)
    return ",".join(
        (
            f"atrim=start={start}us:end={start + round(1_000_000 * seconds)}us",
            f"asetpts=PTS-{start + late_us}/1000000/TB",
            *((_AMBISONICS_TO_STEREO,) if _is_ambisonic(audio) else ()),
            # Gaps and drift are made good from 20 ms on, long before anybody sees lips go their own way.
            "aresample=48000:async=1:min_hard_comp=0.02",
            # Some layouts (of AAC) only the stream itself tells.
            *(() if audio.channels in (1, 2) else _DOWNMIX),
            "aformat=sample_fmts=fltp:channel_layouts=mono|stereo",
            *((f"adelay={late_us / 1000:g}:all=1",) if late_us else ()),
            # Silence after no sound at all, of a track that is never heard, has no times.
            f"apad=whole_dur={seconds:.6f},asetpts='if(isnan(PTS),N/SR/TB,PTS)'",
            f"atrim=end={seconds:.6f}",
        )
    )


def _is_ambisonic(audio: Audio) -> bool:
    """Opus of loudspeakers has at most eight channels, and four are hardly ever meant so."""
    return audio.codec == "opus" and (audio.channels == 4 or audio.channels > 8)


def _video_encoder(rendition: Rendition, source: Source, threads: int) -> tuple[str, ...]:
    preset, quality, params = _ENCODERS[rendition.rung.name]
    maxrate = peak_bps(rendition.rung, source.duration_ms)
    return (
        *("-c:v", "libx264", "-preset", preset, "-profile:v", "high", "-threads:v", str(threads)),
        *("-crf", quality, "-maxrate", str(maxrate), "-bufsize", str(maxrate)),
        *("-x264-params", params, "-a53cc", "0"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})"),
    )


def _audio_encoder(rendition: Rendition) -> tuple[str, ...]:
    return ("-c:a", "aac", "-aac_coder", "fast", "-b:a", str(rendition.rung.audio_bps))


def _preview(plan: Plan, input_number: int) -> tuple[str, ...]:
    return ("-map", f"{input_number}:v", "-c", "copy", "-t", _before_preview_end(plan), *_mp4(), PREVIEW)


def _before_preview_end(plan: Plan) -> str:
    """Half a frame before the keyframe that follows the preview, in seconds of decoding time.

    Copying compares decoding times, which run ahead of the shown ones by the frames that B-frames are delayed.
    """
    keyframe = math.ceil(PREVIEW_SECONDS * plan.frame_rate)
    return f"{float((keyframe - _B_FRAME_DELAY - Fraction(1, 2)) / plan.frame_rate):.6f}"


def _mp4() -> tuple[str, ...]:
    """An MP4 that can be played while it loads, and that tells nothing of where it comes from."""
    return (
        *("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"),
        *("-movflags", "+faststart", "-f", "mp4"),
    )
