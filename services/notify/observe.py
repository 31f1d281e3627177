"""Tells how long deliveries wait and which hosts are left alone, for dashboards and alarms."""

import asyncio
from collections.abc import Mapping

from chassis.errors import Unavailable
from chassis.postgres import Pool
from chassis.telemetry import logger
from services.notify import metrics
from services.notify.domain.limits import Hosts
from services.notify.reads import deliveries

log = logger(__name__)


async def observe_deliveries(pool: Pool, hosts: Mapping[str, Hosts], *, seconds: float = 10.0) -> None:
    """Look every few seconds, until cancelled; `hosts` are those of each vendor."""
    while True:
        for vendor, called in hosts.items():
            metrics.hosts_left_alone.set(called.waiting(), {"vendor": vendor})
        try:
            for vendor, waited in (await deliveries.oldest_pending(pool)).items():
                metrics.oldest_push.set(waited, {"vendor": vendor})
        except Unavailable as error:
            log.warning("deliveries_not_observed", reason=str(error))
        await asyncio.sleep(seconds)
