"""How often somebody may do what costs others something: so many times at once, and at an interval from then on."""

import math
from dataclasses import dataclass

from chassis.errors import Failure, Kind


@dataclass(frozen=True, slots=True)
class Allowance:
    """`at_once` after a pause, and one more `every_seconds`; it is counted under its `name`, and `what` is counted, in
    the words of a sentence."""

    name: str
    what: str
    at_once: int
    every_seconds: float

    @property
    def ahead_seconds(self) -> float:
        """How far ahead of the interval the uses may be for one more to be within the allowance."""
        return self.every_seconds * (self.at_once - 1)


WEBHOOK_CHANGES = Allowance("webhook_changes", "registrations and changes of webhooks", 20, 12.0)
"""Of a user; each asks the DNS of whomever it names."""
DEVICE_REGISTRATIONS = Allowance("device_registrations", "registrations of devices", 40, 6.0)
"""Of a user: for all of the 20 devices, twice."""
RESENDS = Allowance("resends", "deliveries that are sent again", 30, 2.0)
"""Of a user, whatever the endpoints."""
TESTS = Allowance("tests", "tests of a webhook", 10, 6.0)
"""Of a webhook."""

PUSHES = Allowance("pushes", "pushes", 100, 3.0)
"""Of a user, whatever the devices; those that come too early wait. As many at once as 20 devices may have."""


class TooOften(
    Failure, kind=Kind.RATE_LIMITED, code="RATE_LIMITED", next_action="Send the same request again after Retry-After."
):
    """This was done as often as it may be for now."""

    def __init__(self, allowance: Allowance, wait_seconds: float) -> None:
        """`wait_seconds` from now one more is allowed."""
        many, every, wait = allowance.at_once, allowance.every_seconds, max(1, math.ceil(wait_seconds))
        super().__init__(
            f"{many} {allowance.what} are accepted at once, which is the limit, and one every {every:g} seconds from "
            f"then on; the next is accepted in {wait} seconds.",
            retry_after=wait,
        )
