"""Whether the gateway is there, takes the token, agrees about the time, and announces uploads."""

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from nextplay_client.cli.claims import NotAToken, claims
from nextplay_client.cli.doctor.place import Failed, Place, Refused, Skipped, answer, cause
from nextplay_client.cli.words import duration
from nextplay_client.errors import NextPlayError

SKEW_SECONDS = 30.0


def gateway(place: Place) -> str:
    """Whether the address is one of a NextPlay gateway."""
    started = time.monotonic()
    try:
        reply = place.http.get(f"{place.url}/openapi.json")
    except httpx.HTTPError as error:
        raise Failed(
            f"no answer from {place.url}: {cause(error)}",
            "Check the address (--url, NEXTPLAY_URL) and the network; a local stack is started with `make up`.",
        ) from None
    took = time.monotonic() - started
    if reply.status_code != 200 or "/v1/uploads/initiate" not in reply.text:
        raise Failed(
            f"{place.url} answers {reply.status_code}, but not as a NextPlay gateway",
            "Check the address: it is the one below which /openapi.json is found.",
        )
    return f"{place.url} answers in {duration(took)}"


def token(place: Place) -> str:
    """Whether the gateway takes the token, and until when."""
    try:
        place.token = place.bearer()
    except NextPlayError as error:
        raise Failed(str(error), "Every other check needs one.") from None
    try:
        told = claims(place.token)
    except NotAToken as error:
        raise Failed(
            str(error), "Give the whole token, three parts with dots between: --token or NEXTPLAY_TOKEN."
        ) from None
    left = told.ends_in(time.time())
    try:
        answer(place, "GET", "/v1/videos?page_size=1")
    except Refused as refused:
        if refused.problem.status == 401 and left is not None and left <= 0:
            raise Failed(f"the token ended {duration(-left)} ago", "Sign in again and give the fresh token.") from None
        raise
    ends = f"ends in {duration(left)}" if left is not None else "names no end"
    return f"valid for user {told.user_id}{f', tier {told.tier}' if told.tier else ''}; it {ends}"


def clock(place: Place) -> str:
    """Whether this machine's clock agrees with the gateway's."""
    before = time.time()
    reply = place.http.get(f"{place.url}/openapi.json")
    here = (before + time.time()) / 2
    if "date" not in reply.headers:
        raise Skipped("the gateway does not tell its time", "")
    # The header has whole seconds, cut off.
    skew = here - (parsedate_to_datetime(reply.headers["date"]).timestamp() + 0.5)
    if abs(skew) > SKEW_SECONDS:
        raise Failed(
            f"this machine is {duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the gateway",
            "Set this machine's clock by NTP; tokens and signed URLs are judged by the time.",
        )
    return "agrees with the gateway's" if abs(skew) < 1.5 else f"{duration(abs(skew))} off, which does no harm"


def upload(place: Place) -> str:
    """Whether an upload can be announced and signed; here of one byte."""
    announcement = {
        "title": "nextplay doctor",
        "category": place.category,
        "visibility": "private",
        "filename": "doctor.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": 1,
    }
    try:
        place.announced = answer(place, "POST", "/v1/uploads/initiate", announcement)
    except Refused as refused:
        if refused.problem.code == "RATE_LIMITED":
            raise Skipped(refused.problem.detail, "Check again later; until then S3 cannot be looked at.") from None
        raise
    wanted = {"part_number": 1, "content_length": 1}
    place.signed = answer(place, "POST", f"/v1/uploads/{place.announced['upload_id']}/parts/presign", wanted)
    return f"one byte was announced, and signed for {urlsplit(place.signed['presigned_url']).netloc}"


def clean_up(place: Place) -> str:
    """Remove what the checks made."""
    if not place.announced:
        raise Skipped("there is nothing to remove", "")
    answer(place, "DELETE", f"/v1/uploads/{place.announced['upload_id']}")
    answer(place, "DELETE", f"/v1/videos/{place.announced['video_id']}")
    place.announced = {}
    return "the announced upload is removed again"
