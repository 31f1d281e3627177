"""The CreateJob request of a run: the specification's template, its gaps filled as docs/mediaconvert.md lists. Pure.

Every file that we know by name has the name that the FFmpeg transcoder gives it, so that both leave the same objects.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from services.media.domain.source import Audio, Source
from services.media.ladder import BUFFER_FILL, KEYFRAME_SECONDS, SEGMENT_SECONDS, Plan, Rendition, peak_bps
from services.media.ports import Task
from services.media.transcoders.ffmpeg import commands

CAPTURES = "captures/"
"""Below it, below the run's prefix, are the frames of which one becomes the thumbnail."""
STATUS_SECONDS = 10
"""How often MediaConvert tells the progress; it does not do so more often."""
SMALLEST_EDGE = 32
"""No output of MediaConvert is smaller, in pixels."""

_CAPTURE = f"{CAPTURES}frame"
_AUDIO_SELECTOR = "Audio Selector 1"
_MUTE = -60.0
# Left and right out of 5.1 (L R C LFE Ls Rs), in decibels; the LFE is left out, as everywhere.
_STEREO_OF_5_1 = ([0.0, _MUTE, -3.0, _MUTE, -3.0, _MUTE], [_MUTE, 0.0, -3.0, _MUTE, _MUTE, -3.0])


@dataclass(frozen=True)
class Account:
    """In whose name jobs run: the role that MediaConvert takes, the queue (None is the account's default) and whether
    it may accelerate (DISABLED, PREFERRED, ENABLED). All objects are in `bucket`.
    """

    bucket: str
    role: str
    queue: str | None = None
    acceleration: str = "DISABLED"


def feasible(plan: Plan) -> Plan:
    """The plan without edges that MediaConvert would refuse; only tiny sources have such."""

    def enlarged(rendition: Rendition) -> Rendition:
        width, height = rendition.size
        return replace(rendition, size=(max(SMALLEST_EDGE, width), max(SMALLEST_EDGE, height)))

    return replace(plan, renditions=tuple(map(enlarged, plan.renditions)))


def capture_path(number: int) -> str:
    """Where the captured frame of this number is, counted from 0."""
    return f"{_CAPTURE}.{number:07d}.jpg"


def job_request(task: Task, plan: Plan, account: Account) -> dict[str, Any]:
    """The arguments of CreateJob; equal for equal tasks, so a repeat makes no second job."""
    return {
        "ClientRequestToken": str(task.run_id),
        "Role": account.role,
        **({"Queue": account.queue} if account.queue else {}),
        "AccelerationSettings": {"Mode": account.acceleration},
        "StatusUpdateInterval": f"SECONDS_{STATUS_SECONDS}",
        "UserMetadata": {"run_id": str(task.run_id), **task.labels},
        "Settings": {
            "TimecodeConfig": {"Source": "ZEROBASED"},
            "Inputs": [_input(task.source, f"s3://{account.bucket}/{task.input_s3_key}")],
            "OutputGroups": _output_groups(task.source, plan, f"s3://{account.bucket}/{task.output_s3_prefix}"),
        },
    }


def _input(source: Source, url: str) -> dict[str, Any]:
    return {
        "FileInput": url,
        "TimecodeSource": "ZEROBASED",
        "FilterEnable": "DISABLE",
        "VideoSelector": {
            "Rotate": "AUTO",
            # What the file says counts; this is what players assume where it says nothing.
            "ColorSpace": "REC_601" if min(source.stored_width, source.stored_height) < 576 else "REC_709",
            "ColorSpaceUsage": "FALLBACK",
            "SampleRange": "FOLLOW",
        },
        **({"AudioSelectors": {_AUDIO_SELECTOR: _audio_selector(source.audio)}} if source.audio else {}),
    }


def _audio_selector(audio: Audio) -> dict[str, Any]:
    """The first track; the correction of drift is for AAC alone."""
    correction = "AUTO" if audio.codec == "aac" else "DISABLED"
    return {"DefaultSelection": "DEFAULT", "AudioDurationCorrection": correction}


def _output_groups(source: Source, plan: Plan, root: str) -> list[dict[str, Any]]:
    """A group for each MP4, because only the destination of a group gives a whole name; then HLS and the thumbnail."""
    mp4 = [
        _file_group(
            f"File Group - MP4 {rendition.rung.name}",
            root + commands.rendition_path(rendition).removesuffix(".mp4"),
            {
                "ContainerSettings": {"Container": "MP4", "Mp4Settings": {"MoovPlacement": "PROGRESSIVE_DOWNLOAD"}},
                "Extension": "mp4",
                **_encodes(source, plan, rendition),
            },
        )
        for rendition in plan.renditions
    ]
    capture = {
        "ContainerSettings": {"Container": "RAW"},
        "VideoDescription": {
            **_picture(source, plan.renditions[0].size),
            "CodecSettings": {"Codec": "FRAME_CAPTURE", "FrameCaptureSettings": _capture(plan.thumbnail_at)},
        },
    }
    thumbnail = _file_group("File Group - Thumbnail", root + _CAPTURE, capture)
    return [*mp4, _hls_group(source, plan, f"{root}{commands.HLS}/master"), thumbnail]


def _file_group(name: str, destination: str, output: dict[str, Any]) -> dict[str, Any]:
    """A group of one output, which is named by its destination alone and needs no NameModifier."""
    settings = {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": destination}}
    return {"Name": name, "OutputGroupSettings": settings, "Outputs": [output]}


def _hls_group(source: Source, plan: Plan, destination: str) -> dict[str, Any]:
    return {
        "Name": "Apple HLS",
        "OutputGroupSettings": {
            "Type": "HLS_GROUP_SETTINGS",
            "HlsGroupSettings": {
                "Destination": destination,
                "SegmentLength": SEGMENT_SECONDS,
                "MinSegmentLength": 0,
                "SegmentControl": "SEGMENTED_FILES",
                "SegmentLengthControl": "EXACT",
                "DirectoryStructure": "SINGLE_DIRECTORY",
                "ManifestDurationFormat": "FLOATING_POINT",
                "TargetDurationCompatibilityMode": "SPEC_COMPLIANT",
                "ManifestCompression": "NONE",
                "OutputSelection": "MANIFESTS_AND_SEGMENTS",
                "ProgramDateTime": "EXCLUDE",
                "CodecSpecification": "RFC_6381",
                "StreamInfResolution": "INCLUDE",
            },
        },
        "Outputs": [
            {
                "NameModifier": f"_{rendition.rung.name}",
                "ContainerSettings": {"Container": "M3U8", "M3u8Settings": {}},
                **_encodes(source, plan, rendition),
            }
            for rendition in plan.renditions
        ],
    }


def _encodes(source: Source, plan: Plan, rendition: Rendition) -> dict[str, Any]:
    """What an MP4 and its HLS variant have in common: picture and sound."""
    picture = _picture(source, rendition.size)
    h264 = {"Codec": "H_264", "H264Settings": _h264(source, plan.frame_rate, rendition)}
    sound = [_sound(source.audio, rendition.rung.audio_bps)] if source.audio else []
    return {
        "VideoDescription": {**picture, "CodecSettings": h264},
        **({"AudioDescriptions": sound} if sound else {}),
    }


def _picture(source: Source, size: tuple[int, int]) -> dict[str, Any]:
    """Upright BT.709 of limited range with square pixels, at the plan's size: that has the shown aspect already."""
    preprocessors: dict[str, Any] = {
        "ColorCorrector": {
            "ColorSpaceConversion": "FORCE_709",
            "HdrToSdrToneMapper": "VIBRANT",
            "SampleRangeConversion": "LIMITED_RANGE_SQUEEZE",
        }
    }
    if source.interlaced:
        preprocessors["Deinterlacer"] = {"Mode": "DEINTERLACE", "Algorithm": "INTERPOLATE", "Control": "NORMAL"}
    return {
        "Width": size[0],
        "Height": size[1],
        "ScalingBehavior": "STRETCH_TO_OUTPUT",
        "ColorMetadata": "INSERT",
        "AfdSignaling": "NONE",
        "RespondToAfd": "NONE",
        "TimecodeInsertion": "DISABLED",
        "VideoPreprocessors": preprocessors,
    }


def _h264(source: Source, frame_rate: Fraction, rendition: Rendition) -> dict[str, Any]:
    """Quality with a ceiling, where the template's CBR would spend the ceiling on every clip."""
    ceiling = peak_bps(rendition.rung, source.duration_ms)
    return {
        "RateControlMode": "QVBR",
        "QvbrSettings": {"QvbrQualityLevel": 7},
        "MaxBitrate": ceiling,
        "HrdBufferSize": ceiling,
        "HrdBufferInitialFillPercentage": round(100 * BUFFER_FILL),
        "QualityTuningLevel": "SINGLE_PASS_HQ",
        "CodecProfile": "HIGH",
        # The template's level 4 is too low for a very wide picture.
        "CodecLevel": "AUTO",
        "InterlaceMode": "PROGRESSIVE",
        "FramerateControl": "SPECIFIED",
        "FramerateNumerator": frame_rate.numerator,
        "FramerateDenominator": frame_rate.denominator,
        "FramerateConversionAlgorithm": "DUPLICATE_DROP",
        "ParControl": "SPECIFIED",
        "ParNumerator": 1,
        "ParDenominator": 1,
        # Keyframes where segments and the preview end, and nowhere else, so that the variants are aligned.
        "GopSizeUnits": "SECONDS",
        "GopSize": float(KEYFRAME_SECONDS),
        "GopClosedCadence": 1,
        "SceneChangeDetect": "DISABLED",
        "MinIInterval": 0,
        "NumberBFramesBetweenReferenceFrames": 2,
        "DynamicSubGop": "STATIC",
        "UnregisteredSeiTimecode": "DISABLED",
    }


def _sound(audio: Audio, bitrate: int) -> dict[str, Any]:
    mono = audio.channels == 1
    described: dict[str, Any] = {
        "AudioSourceName": _AUDIO_SELECTOR,
        "CodecSettings": {
            "Codec": "AAC",
            "AacSettings": {
                "CodecProfile": "LC",
                "RateControlMode": "CBR",
                "CodingMode": "CODING_MODE_1_0" if mono else "CODING_MODE_2_0",
                "Bitrate": bitrate,
                "SampleRate": 48_000,
            },
        },
    }
    if audio.channels == len(_STEREO_OF_5_1[0]):
        described["RemixSettings"] = {
            "ChannelsIn": audio.channels,
            "ChannelsOut": len(_STEREO_OF_5_1),
            "ChannelMapping": {"OutputChannels": [{"InputChannelsFineTune": mix} for mix in _STEREO_OF_5_1]},
        }
    return described


def _capture(at: Fraction) -> dict[str, int]:
    """The first frame, and the one after `at` seconds."""
    return {
        "FramerateNumerator": at.denominator,
        "FramerateDenominator": max(1, at.numerator),
        "MaxCaptures": 2,
        "Quality": 90,
    }
