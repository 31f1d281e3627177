"""Tells how much the reconciler has found that nobody has ended, for the alarm on it."""

import asyncio

from chassis.errors import Unavailable
from chassis.postgres import Pool
from chassis.telemetry import logger
from services.upload import metrics, reads
from services.upload.domain.findings import FindingKind

log = logger(__name__)


async def observe_findings(pool: Pool, *, seconds: float = 60.0) -> None:
    """Look every minute, until cancelled. The job itself is too short a process to be asked for its metrics."""
    while True:
        try:
            counts = await reads.count_findings(pool)
            for kind in FindingKind:
                metrics.findings.set(counts.get(kind, 0), {"kind": kind})
        except Unavailable as error:
            log.warning("findings_not_observed", reason=str(error))
        await asyncio.sleep(seconds)
