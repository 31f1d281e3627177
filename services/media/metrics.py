"""What media measures. `transcode_success_rate`, `duration_rejection_rate` and `format_rejection_rate` are recording
rules over these counters.
"""

from opentelemetry import metrics

from chassis.telemetry import SECONDS

_meter = metrics.get_meter(__name__)

jobs_created = _meter.create_counter(
    "transcode_jobs_created", unit="{job}", description="Jobs that were queued, by tier."
)
jobs_ended = _meter.create_counter(
    "transcode_jobs_ended",
    unit="{job}",
    description="Jobs that ended, by status (COMPLETED, FAILED, REJECTED, CANCELLED) and reason code.",
)
originals_probed = _meter.create_counter(
    "originals_probed",
    unit="{original}",
    description="Originals that were probed, by verdict (accepted, duration_rejected, format_rejected).",
)
retries_scheduled = _meter.create_counter(
    "transcode_retries_scheduled", unit="{retry}", description="Runs that will be tried again, by cause."
)
queue_seconds = _meter.create_histogram(
    "transcode_queue_duration", description="From the request to the start of the first run, by tier.", **SECONDS
)
encode_seconds = _meter.create_histogram(
    "transcode_encode_duration", description="How long the encoder took in completed runs, by encoder.", **SECONDS
)
encode_speed = _meter.create_histogram(
    "transcode_encode_speed",
    unit="1",
    description="Seconds of clip that were encoded in a second (times real time), by encoder (ffmpeg, mediaconvert) "
    "and rung (MP4_720, MP4_480, MP4_240); the rungs of a run are encoded together, and are equally fast.",
    explicit_bucket_boundaries_advisory=[0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32],
)
queue_depth = _meter.create_gauge("transcode_queue_depth", unit="{job}", description="Jobs that wait, by tier.")
queue_age = _meter.create_gauge(
    "transcode_queue_oldest_age",
    unit="s",
    description="For how long the first of the waiting jobs has been due, by tier.",
)
