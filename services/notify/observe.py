"""Tells how deliveries are getting on, by channel and by host, for dashboards and alarms."""

import asyncio
from collections.abc import Mapping

from chassis.errors import Unavailable
from chassis.postgres import Pool
from chassis.telemetry import logger
from services.notify import metrics
from services.notify.domain.turns import Turns
from services.notify.reads import deliveries

HOSTS_TOLD = 10
"""Of each channel: anybody may register hosts, and a metric with a label for each of them would grow without end."""

log = logger(__name__)


async def observe_deliveries(pool: Pool, turns: Mapping[str, Turns], *, seconds: float = 10.0) -> None:
    """Look every few seconds, until cancelled; `turns` are those of each channel.

    Of hosts it tells those that are left alone longest, then the busiest, 10 of each channel.
    """
    told: list[metrics.HostSeen] = []
    metrics.show_hosts(lambda: told)
    while True:
        seen = []
        for channel, taken in turns.items():
            states = taken.states()
            metrics.under_way.set(taken.under_way(), {"channel": channel})
            metrics.hosts_left_alone.set(sum(state.seconds_alone > 0 for state in states), {"channel": channel})
            seen += [(channel, state) for state in states[:HOSTS_TOLD]]
        try:
            waiting = await deliveries.count_waiting(pool, [(channel, state.host) for channel, state in seen])
            told[:] = [
                metrics.HostSeen(
                    channel, state.host, state.under_way, waiting[channel, state.host], state.seconds_alone
                )
                for channel, state in seen
            ]
            for channel, waited in (await deliveries.oldest_pending(pool)).items():
                metrics.oldest.set(waited, {"channel": channel})
        except Unavailable as error:
            log.warning("deliveries_not_observed", reason=str(error))
        await asyncio.sleep(seconds)
