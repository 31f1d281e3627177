"""The local stack: where it runs and tokens of its issuer. Of no use against a real deployment."""

import json
import os
from pathlib import Path
from typing import Any, cast

import httpx

from nextplay_client.errors import NextPlayError


def find() -> dict[str, Any]:
    """The description of the running stack: `.nextplay/stack.json` in this folder or one above it.

    `NEXTPLAY_STACK` names the file directly. Raises NextPlayError when there is none.
    """
    here = Path.cwd()
    named = os.environ.get("NEXTPLAY_STACK")
    places = [Path(named)] if named else [place / ".nextplay" / "stack.json" for place in (here, *here.parents)]
    for place in places:
        if place.is_file():
            try:
                return cast(dict[str, Any], json.loads(place.read_text()))
            except ValueError:
                raise NextPlayError(f"{place} is no description of a stack. Start the stack anew: `make up`.") from None
    raise NextPlayError(
        "No local stack is running in this folder: start one with `make up`, or give --url and --token."
    )


def token(user: str, tier: str = "free") -> str:
    """A token for a user of the local stack; the same name is always the same user."""
    issuer = find()["identity"]
    try:
        response = httpx.post(f"{issuer}/token", json={"user": user, "tier": tier}, timeout=5.0)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise NextPlayError(
            f"The local issuer at {issuer} gave no token ({type(error).__name__}): is the stack running? Try `make up`."
        ) from error
    return cast(str, response.json()["token"])
