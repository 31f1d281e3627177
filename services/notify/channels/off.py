"""A vendor for which there are no settings."""

from services.notify.domain.delivery import Outcome, Push, Refused


class Off:
    """Implements `ports.deliveries.Channel`: nothing is delivered, and nothing waits for the settings to come."""

    async def deliver(self, push: Push) -> Outcome:
        return Refused("CHANNEL_OFF")
