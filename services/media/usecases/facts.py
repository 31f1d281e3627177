"""Media's events, from what is known of a run."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from nextplay.media.v1.media_events_pb2 import (
    Asset,
    ProbeFacts,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeRetryScheduled,
    TranscodeStarted,
    VideoRejected,
)
from services.media.domain.job import Job, Run, public_code
from services.media.domain.outcomes import Fault, Rejected
from services.media.domain.source import Source
from services.media.ports import Outputs


def started(run: Run, source: Source) -> TranscodeStarted:
    return TranscodeStarted(
        **_names(run.job),
        run_id=str(run.run_id),
        attempt=run.attempt,
        probe=_measured(source),
        queued_at=_timestamp(run.queued_at),
    )


def completed(run: Run, source: Source, outputs: Outputs, bucket: str, run_ms: int) -> TranscodeCompleted:
    assets = [
        Asset(
            kind=asset.kind,
            s3_bucket=bucket,
            s3_key=asset.s3_key,
            size_bytes=asset.size_bytes,
            width=asset.size[0],
            height=asset.size[1],
            bitrate_bps=asset.bitrate_bps,
            duration_ms=asset.duration_ms,
            content_type=asset.content_type,
        )
        for asset in outputs.assets
    ]
    return TranscodeCompleted(
        **_names(run.job),
        run_id=str(run.run_id),
        attempt=run.attempt,
        output_s3_prefix=run.output_s3_prefix,
        assets=assets,
        probe=_measured(source),
        run_ms=run_ms,
        encode_ms=outputs.encode_ms,
    )


def rejected(run: Run, why: Rejected) -> VideoRejected:
    return VideoRejected(
        **_names(run.job),
        upload_id=str(run.job.upload_id),
        input_s3_key=run.job.input_s3_key,
        code=why.code,
        measured=why.measured,
        limit=why.limit,
        message=str(why),
        probe=_measured(why.source) if why.source else None,
    )


def retry_scheduled(run: Run, fault: Fault, attempt: int, next_at: datetime) -> TranscodeRetryScheduled:
    """`attempt` is the one that ended."""
    return TranscodeRetryScheduled(**_names(run.job), attempt=attempt, code=fault.code, next_at=_timestamp(next_at))


def failed(job: Job, fault: Fault, attempts: int) -> TranscodeFailed:
    return TranscodeFailed(
        **_names(job),
        code=public_code(fault.code),
        message=str(fault),
        attempts=attempts,
        original_gone=fault.original_gone,
    )


def _names(job: Job) -> dict[str, Any]:
    return {
        "video_id": str(job.video_id),
        "job_id": str(job.job_id),
        "user_id": str(job.user_id),
        "generation": job.generation,
    }


def _measured(source: Source) -> ProbeFacts:
    width, height = source.shown_size
    return ProbeFacts(
        duration_ms=source.duration_ms,
        width=width,
        height=height,
        fps=source.fps,
        video_codec=source.video_codec,
        audio_codec=source.audio.codec if source.audio else "",
        rotation=source.orientation.degrees,
        pixel_format=source.pixel_format,
        color_transfer=source.color_transfer,
        container=source.container,
        size_bytes=source.size_bytes,
    )


def _timestamp(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
