"""What upload measures.

`upload_initiate_success_rate` is ok ÷ (ok + failed) of `upload_initiates`. Uploads also end in jobs, short processes
that nobody scrapes, so ends are counted where serve sends their events: of the chassis' `outbox_sent` by type,
`upload_complete_success_rate` is UploadCompleted ÷ (UploadCompleted + UploadAborted + UploadExpired + UploadFailed).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics

from chassis.errors import Failure

_meter = metrics.get_meter(__name__)

initiates = _meter.create_counter(
    "upload_initiates",
    unit="{call}",
    description="Calls of InitiateUpload by outcome: ok, refused (the client's mistake, a 4xx) or failed.",
)
bytes_stored = _meter.create_counter(
    "upload_stored", unit="By", description="Bytes of the originals of completed uploads."
)
purges = _meter.create_counter(
    "upload_purges",
    unit="{purge}",
    description="Tries to empty a prefix of S3, by reason and outcome: done or postponed.",
)

findings = _meter.create_gauge(
    "upload_findings",
    unit="{finding}",
    description="What is wrong between S3 and the tables and not ended yet, by kind: unknown_object, "
    "unknown_multipart, lost_original, lost_multipart. The same in every instance.",
)


@contextmanager
def counted_initiate() -> Iterator[None]:
    """Count the block as one call of InitiateUpload. A call that was cancelled counts as nothing."""
    try:
        yield
    except Exception as error:
        is_clients = isinstance(error, Failure) and error.kind.http_status < 500
        initiates.add(1, {"outcome": "refused" if is_clients else "failed"})
        raise
    initiates.add(1, {"outcome": "ok"})
