"""What the catalog measures."""

from opentelemetry.metrics import get_meter

_METER = get_meter("nextplay.catalog")

PROCESSING_TIME = _METER.create_histogram(
    "processing_time",
    unit="s",
    description="From UPLOADED to READY, each video once; its mean is average_processing_time",
    explicit_bucket_boundaries_advisory=[2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800],
)
TRANSITIONS = _METER.create_counter(
    "video_transitions", unit="{transition}", description="Changes of status, by the status that was reached"
)
FACTS_IGNORED = _METER.create_counter(
    "video_facts_ignored", unit="{event}", description="Events that changed nothing, by event and reason"
)
UNSTUCK = _METER.create_counter(
    "videos_unstuck",
    unit="{video}",
    description="Quiet videos whose owner was asked, by outcome; counted in a job, so exported by OTLP alone",
)
FEED_FANOUTS = _METER.create_counter(
    "feed_fanouts", unit="{video}", description="Videos that entered or left all feeds they belong in, by effect"
)
REPLICA_ASKED = _METER.create_gauge(
    "replica_asked",
    unit="1",
    description="1 while reads that may lag ask the replica, 0 while the primary does instead; alarm on a lasting 0",
)
REPLICA_LAG = _METER.create_gauge(
    "replica_lag",
    unit="s",
    description="How far the replica is behind the primary, to a second; an hour at most is told",
)
