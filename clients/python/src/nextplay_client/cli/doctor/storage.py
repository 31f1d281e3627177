"""Whether S3 answers from here, takes bytes, and lets the pages of browsers send them."""

import time
from urllib.parse import urlsplit

import httpx

from nextplay_client.cli.doctor.place import Failed, Place, cause
from nextplay_client.cli.words import duration


def storage(place: Place) -> str:
    """Whether S3 answers this machine at all."""
    split = urlsplit(place.signed["presigned_url"])
    started = time.monotonic()
    try:
        place.http.get(f"{split.scheme}://{split.netloc}/")
    except httpx.HTTPError as error:
        raise Failed(
            f"no answer from S3 at {split.netloc}: {cause(error)}",
            "Clips are sent straight to S3: allow this machine to reach that host, by proxy and firewall too.",
        ) from None
    return f"S3 at {split.netloc} answers in {duration(time.monotonic() - started)}"


def cors(place: Place) -> str:
    """Whether browsers on a page of the origin may send parts."""
    asked = {
        "Origin": place.origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-checksum-sha256",
    }
    reply = place.http.options(place.signed["presigned_url"], headers=asked)
    origin = reply.headers.get("access-control-allow-origin", "none")
    methods = _words(reply, "access-control-allow-methods")
    if reply.status_code >= 300 or origin not in ("*", place.origin) or not methods & {"put", "*"}:
        raise Failed(
            f"S3 does not let pages of {place.origin} send parts (status {reply.status_code}, allowed origin {origin})",
            "Only browsers need it. Allow PUT from that origin in the bucket's CORS rules.",
        )
    return f"pages of {place.origin} may send parts"


def put(place: Place) -> str:
    """Whether S3 takes a byte by a signed URL."""
    headers = {header["name"]: header["value"] for header in place.signed["headers"]} | {"Origin": place.origin}
    started = time.monotonic()
    reply = place.http.put(place.signed["presigned_url"], content=b"\0", headers=headers)
    place.sent = reply
    if reply.status_code != 200 or "etag" not in reply.headers:
        raise Failed(
            f"S3 answered {reply.status_code} to a signed PUT of one byte{_s3_code(reply)}",
            "A proxy on the way changes requests, or the platform's S3 settings are wrong: tell its operators.",
        )
    return f"S3 took one byte in {duration(time.monotonic() - started)}"


def etag(place: Place) -> str:
    """Whether scripts of a page may read the ETag of a part they sent."""
    if place.sent is None or not _words(place.sent, "access-control-expose-headers") & {"etag", "*"}:
        raise Failed(
            f"S3 does not show the ETag to pages of {place.origin}",
            "Only browsers need it. Expose ETag in the bucket's CORS rules.",
        )
    return "scripts of a page can read it"


def _words(reply: httpx.Response, header: str) -> set[str]:
    return {word.strip().lower() for word in reply.headers.get(header, "").split(",")}


def _s3_code(reply: httpx.Response) -> str:
    code = reply.text.partition("<Code>")[2].partition("</Code>")[0]
    return f" ({code})" if code.isalnum() else ""
