"""Tells how long the queue is, for estimates of the waiting time and for the alarm on its depth."""

import asyncio
import math
import time

from chassis.errors import Unavailable
from chassis.postgres import Pool
from chassis.telemetry import logger
from nextplay.media.v1.media_signals_pb2 import QueueObserved, TierDepth
from services.media import metrics, reads
from services.media.domain.job import HEAD_STARTS
from services.media.ports import SendSignal

log = logger(__name__)


LOGGED_SECONDS = 60.0
"""A queue that is not empty leaves a line in the log so often, for alarms that are computed from logs."""


async def observe_queue(pool: Pool, send: SendSignal, observer: str, *, seconds: float = 2.0) -> None:
    """Look every few seconds, until cancelled; an empty queue is told once and then in silence."""
    told_empty, logged_at = False, -math.inf
    while True:
        try:
            state = await reads.queue_state(pool)
            depths = {tier: state.waiting.get(tier, 0) for tier in HEAD_STARTS}
            for tier, depth in depths.items():
                metrics.queue_depth.set(depth, {"tier": tier})
                metrics.queue_age.set(state.oldest_seconds.get(tier, 0.0), {"tier": tier})
            empty = not any(depths.values())
            if not empty and time.monotonic() - logged_at >= LOGGED_SECONDS:
                log.info("queue_observed", depth=sum(depths.values()))
                logged_at = time.monotonic()
            if not (empty and told_empty):
                await send(
                    QueueObserved(
                        observer=observer,
                        depths=[TierDepth(tier=tier, depth=depth) for tier, depth in depths.items()],
                        jobs_per_minute=state.completed_in_a_minute,
                    )
                )
            told_empty = empty
        except Unavailable as error:
            log.warning("queue_not_observed", reason=str(error))
        await asyncio.sleep(seconds)
