"""What a token says of itself. Nothing is verified here: that is the gateway's business."""

import base64
import json
from dataclasses import dataclass


class NotAToken(Exception):
    """The text is no JSON Web Token."""


@dataclass(frozen=True)
class Claims:
    """Whom a token names, and when it ends (seconds since 1970; None where it names no end)."""

    user_id: str
    tier: str
    ends_at: float | None

    def ends_in(self, now: float) -> float | None:
        """How many seconds are left; negative where it has ended."""
        return None if self.ends_at is None else self.ends_at - now


def claims(token: str) -> Claims:
    """What the token says. Raises NotAToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise NotAToken("the token is not a JSON Web Token")
    try:
        told = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends_at = told.get("exp")
        return Claims(str(told.get("sub", "")), str(told.get("tier", "")), None if ends_at is None else float(ends_at))
    except (ValueError, AttributeError, TypeError):
        raise NotAToken("the token is not a JSON Web Token") from None
