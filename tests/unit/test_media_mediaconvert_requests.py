"""What is asked of MediaConvert, held against AWS's own model of the request, and what its events say."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import validate_parameters
from cfnlint.decode import cfn_yaml

from chassis.clock import new_id
from services.media import ladder
from services.media.domain.remote import RemoteStatus
from services.media.domain.source import Audio, Source
from services.media.fakes import A_SOURCE
from services.media.ladder import BUFFER_FILL, LADDER
from services.media.ports import Task
from services.media.settings import MediaConvertSettings, TranscoderSettings
from services.media.transcoders.ffmpeg import commands
from services.media.transcoders.mediaconvert.events import news_of
from services.media.transcoders.mediaconvert.template import Account, feasible, job_request
from tests.mediaconvert_stand_in import ROLE, Job, job_event

ACCOUNT = Account("nextplay", ROLE, queue="arn:aws:mediaconvert:us-east-1:123456789012:queues/nextplay")
PREFIX = "videos/user/video/run/"
LABELS = {"job_id": "job", "video_id": "video", "user_id": "user"}
SURROUND = Audio(index=1, codec="aac", channels=6, sample_rate=48_000, start_us=0)
MODEL = botocore.session.get_session().get_service_model("mediaconvert")


def task(source: Source) -> Task:
    return Task(new_id(), "uploads/user/video/upload/original.mp4", PREFIX, source, labels=LABELS)


def asked(source: Source = A_SOURCE, account: Account = ACCOUNT) -> dict[str, Any]:
    return job_request(task(source), feasible(ladder.plan(source)), account)


def groups(request: Mapping[str, Any]) -> dict[str, Any]:
    return {group["Name"]: group for group in request["Settings"]["OutputGroups"]}


def outputs(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those with video; a captured frame is none."""
    found = [output for group in groups(request).values() for output in group["Outputs"]]
    return [output for output in found if output["ContainerSettings"]["Container"] != "RAW"]


def destination(group: Mapping[str, Any]) -> str:
    settings = group["OutputGroupSettings"]
    found: str = (settings.get("FileGroupSettings") or settings["HlsGroupSettings"])["Destination"]
    return found


def mistakes(value: Any, shape: Shape, where: str = "") -> Iterator[str]:
    """What botocore's own validation lets through: words, patterns and the upper ends of ranges."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield from mistakes(member, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for number, member in enumerate(value):
            yield from mistakes(member, shape.member, f"{where}[{number}]")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield from mistakes(member, shape.value, f"{where}.{name}")
    else:
        known = shape.metadata
        size = len(value) if isinstance(value, str) else value
        if "enum" in known and value not in known["enum"]:
            yield f"{where}: {value} is none of {known['enum']}"
        if "pattern" in known and not re.search(known["pattern"], value):
            yield f"{where}: {value} does not match {known['pattern']}"
        if not known.get("min", size) <= size <= known.get("max", size):
            yield f"{where}: {value} is outside {known}"


SOURCES = {
    "plain": A_SOURCE,
    "silent": replace(A_SOURCE, audio=None),
    "surround": replace(A_SOURCE, audio=SURROUND),
    "interlaced": replace(A_SOURCE, interlaced=True),
    "tiny": replace(A_SOURCE, stored_width=16, stored_height=18, duration_ms=40, frames=1),
    "portrait": replace(A_SOURCE, stored_width=1080, stored_height=1920, frame_rate=Fraction(30000, 1001)),
    "wide": replace(A_SOURCE, stored_width=4096, stored_height=720),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_request_is_one_that_the_model_of_aws_allows(source: Source) -> None:
    shape = MODEL.operation_model("CreateJob").input_shape
    request = asked(source)
    validate_parameters(request, shape)
    assert list(mistakes(request, shape)) == []


def test_the_check_of_the_request_can_fail() -> None:
    shape = MODEL.operation_model("CreateJob").input_shape
    request = asked() | {"AccelerationSettings": {"Mode": "SOMETIMES"}, "Priority": 99}
    assert len(list(mistakes(request, shape))) == 2


def test_role_queue_and_acceleration_are_the_accounts() -> None:
    request = asked(account=replace(ACCOUNT, acceleration="PREFERRED"))
    assert (request["Role"], request["Queue"]) == (ROLE, ACCOUNT.queue)
    assert request["AccelerationSettings"] == {"Mode": "PREFERRED"}
    assert "Queue" not in asked(account=replace(ACCOUNT, queue=None))


def test_a_repeat_has_the_same_token_and_the_ids_are_told() -> None:
    one = task(A_SOURCE)
    plan = ladder.plan(A_SOURCE)
    assert job_request(one, plan, ACCOUNT) == job_request(one, plan, ACCOUNT)
    assert job_request(one, plan, ACCOUNT)["ClientRequestToken"] == str(one.run_id)
    assert job_request(one, plan, ACCOUNT)["UserMetadata"] == {"run_id": str(one.run_id), **LABELS}


def test_each_rung_is_stored_as_its_video_mp4() -> None:
    request = asked()
    for rung in LADDER:
        group = groups(request)[f"File Group - MP4 {rung.name}"]
        (output,) = group["Outputs"]
        assert "NameModifier" not in output, "it would become part of the name"
        assert (
            f"{destination(group)}.{output['Extension']}" == f"s3://nextplay/{PREFIX}renditions/{rung.name}/video.mp4"
        )


def test_hls_is_named_as_the_ffmpeg_transcoder_names_it() -> None:
    group = groups(asked())["Apple HLS"]
    playlists = [f"{destination(group)}{output['NameModifier']}.m3u8" for output in group["Outputs"]]
    plan = ladder.plan(A_SOURCE)
    assert destination(group) == f"s3://nextplay/{PREFIX}renditions/hls/master"
    assert playlists == [f"s3://nextplay/{PREFIX}{commands.playlist_path(rendition)}" for rendition in plan.renditions]
    assert group["OutputGroupSettings"]["HlsGroupSettings"]["SegmentLength"] == 6


def test_hls_has_the_sound_of_the_mp4() -> None:
    found = {}
    for output in outputs(asked()):
        (sound,) = output["AudioDescriptions"]
        size = output["VideoDescription"]["Height"]
        found.setdefault(size, []).append(sound["CodecSettings"]["AacSettings"]["Bitrate"])
    assert found == {720: [128_000] * 2, 480: [128_000] * 2, 240: [96_000] * 2}


def test_nothing_is_said_of_sound_where_there_is_none() -> None:
    request = asked(replace(A_SOURCE, audio=None))
    assert "AudioSelectors" not in request["Settings"]["Inputs"][0]
    assert not any("AudioDescriptions" in output for output in outputs(request))


def test_surround_is_mixed_down_and_mono_stays() -> None:
    (sound,) = outputs(asked(replace(A_SOURCE, audio=SURROUND)))[0]["AudioDescriptions"]
    left, right = (mix["InputChannelsFineTune"] for mix in sound["RemixSettings"]["ChannelMapping"]["OutputChannels"])
    assert (left[0], left[1], left[2]) == (0, -60, -3)
    assert (right[0], right[1], right[2]) == (-60, 0, -3)
    (mono,) = outputs(asked(replace(A_SOURCE, audio=replace(SURROUND, channels=1))))[0]["AudioDescriptions"]
    assert mono["CodecSettings"]["AacSettings"]["CodingMode"] == "CODING_MODE_1_0"
    assert "RemixSettings" not in mono


def test_the_bit_rate_of_a_rung_is_a_ceiling_and_no_target() -> None:
    for output, rung in zip(outputs(asked()), (*LADDER, *LADDER), strict=True):
        h264 = output["VideoDescription"]["CodecSettings"]["H264Settings"]
        assert h264["RateControlMode"] == "QVBR"
        assert "Bitrate" not in h264
        seconds = A_SOURCE.duration_ms / 1000
        assert h264["MaxBitrate"] * seconds + BUFFER_FILL * h264["HrdBufferSize"] <= rung.video_bps * seconds + 1
        assert h264["HrdBufferSize"] <= h264["MaxBitrate"], "the buffer is one second at most"


def test_the_picture_comes_out_upright_in_bt709() -> None:
    request = asked()
    selector = request["Settings"]["Inputs"][0]["VideoSelector"]
    assert (selector["Rotate"], selector["ColorSpaceUsage"]) == ("AUTO", "FALLBACK")
    for output in outputs(request):
        corrector = output["VideoDescription"]["VideoPreprocessors"]["ColorCorrector"]
        assert corrector["ColorSpaceConversion"] == "FORCE_709"
        assert corrector["SampleRangeConversion"] == "LIMITED_RANGE_SQUEEZE"


def test_keyframes_fall_on_the_ends_of_segments_and_of_the_preview_alone() -> None:
    for output in outputs(asked()):
        h264 = output["VideoDescription"]["CodecSettings"]["H264Settings"]
        assert (h264["GopSize"], h264["GopSizeUnits"], h264["SceneChangeDetect"]) == (3.0, "SECONDS", "DISABLED")


def test_only_interlaced_sources_are_deinterlaced() -> None:
    def deinterlaced(source: Source) -> set[bool]:
        return {"Deinterlacer" in output["VideoDescription"]["VideoPreprocessors"] for output in outputs(asked(source))}

    assert (deinterlaced(A_SOURCE), deinterlaced(SOURCES["interlaced"])) == ({False}, {True})


@pytest.mark.parametrize(("duration_ms", "seconds"), [(10_000, 1), (1500, Fraction(3, 4))])
def test_the_thumbnail_is_the_frame_at_one_second_or_in_the_middle(duration_ms: int, seconds: Fraction) -> None:
    group = groups(asked(replace(A_SOURCE, duration_ms=duration_ms)))["File Group - Thumbnail"]
    (output,) = group["Outputs"]
    capture = output["VideoDescription"]["CodecSettings"]["FrameCaptureSettings"]
    assert Fraction(capture["FramerateDenominator"], capture["FramerateNumerator"]) == seconds
    assert capture["MaxCaptures"] == 2


def test_a_tiny_picture_is_made_as_large_as_the_smallest_that_is_taken() -> None:
    (output, _) = outputs(asked(SOURCES["tiny"]))
    assert (output["VideoDescription"]["Width"], output["VideoDescription"]["Height"]) == (32, 32)


# Events


RUN_ID = new_id()
JOB = Job("1-abc", {"userMetadata": {"run_id": str(RUN_ID)}})


def event(status: str, **detail: Any) -> str:
    return json.dumps(job_event(JOB, status, **detail))


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("PROGRESSING", RemoteStatus.PROGRESSING),
        ("STATUS_UPDATE", RemoteStatus.PROGRESSING),
        ("COMPLETE", RemoteStatus.COMPLETE),
        ("CANCELED", RemoteStatus.CANCELED),
    ],
)
def test_an_event_says_how_the_job_of_a_run_is(said: str, understood: RemoteStatus) -> None:
    news = news_of(event(said))
    assert news
    assert (news.run_id, news.remote_id, news.status) == (RUN_ID, "1-abc", understood)


def test_a_status_update_says_how_far_the_job_is() -> None:
    news = news_of(event("STATUS_UPDATE", jobProgress={"jobPercentComplete": 42, "currentPhase": "TRANSCODING"}))
    assert news
    assert news.percent == 42


def test_an_error_says_its_code_and_its_reason() -> None:
    news = news_of(event("ERROR", errorCode=1076, errorMessage="Is the file truncated?"))
    assert news
    assert (news.status, news.error_code, news.error_message) == ("ERROR", 1076, "Is the file truncated?")


@pytest.mark.parametrize("said", ["INPUT_INFORMATION", "NEW_WARNING", "QUEUE_HOP"])
def test_an_event_that_changes_nothing_is_passed_over(said: str) -> None:
    assert news_of(event(said)) is None


def test_the_job_of_somebody_else_is_passed_over() -> None:
    assert news_of(json.dumps(job_event(Job("2-def", {}), "COMPLETE"))) is None


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "{}",
        '{"detail": "COMPLETE"}',
        json.dumps(job_event(Job("3", {"userMetadata": {"run_id": "not an id"}}), "COMPLETE")),
    ],
)
def test_what_is_no_event_is_not_understood(body: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        news_of(body)


# What deploy/aws/mediaconvert.yaml declares


def declared() -> Any:
    return cfn_yaml.load(str(Path(__file__).parents[2] / "deploy/aws/mediaconvert.yaml"))["Resources"]


def test_the_rule_passes_on_every_event_that_is_understood_and_no_other() -> None:
    pattern = declared()["EventRule"]["Properties"]["EventPattern"]
    assert pattern["detail-type"] == ["MediaConvert Job State Change"]
    passed_over = ["INPUT_INFORMATION", "NEW_WARNING", "QUEUE_HOP", "SUBMITTED"]
    assert all(news_of(event(status)) for status in pattern["detail"]["status"])
    assert not set(pattern["detail"]["status"]) & set(passed_over)
    assert {"PROGRESSING", "STATUS_UPDATE", "COMPLETE", "ERROR"} <= set(pattern["detail"]["status"])


def test_an_event_that_cannot_be_applied_goes_to_the_dead_letters() -> None:
    redrive = declared()["Events"]["Properties"]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 5
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadEvents", "Arn"]}


# Settings


def test_mediaconvert_is_not_chosen_without_what_it_needs() -> None:
    with pytest.raises(ValueError, match="NEXTPLAY_MEDIA_MEDIACONVERT_ROLE"):
        TranscoderSettings(transcoder="mediaconvert", mediaconvert=MediaConvertSettings(role=ROLE))


def test_ffmpeg_needs_no_settings_of_mediaconvert() -> None:
    assert TranscoderSettings(mediaconvert=MediaConvertSettings()).transcoder == "ffmpeg"
