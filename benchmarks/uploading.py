"""One upload of a large file, in a process of its own: by the Python client, or by hand.

    python -m benchmarks.uploading client|hand GATEWAY FILE    (the token on standard input)

Prints `{"seconds": …, "peak_mb": …}`: from the first request to the answer of complete, and the most memory that the
process ever had.
"""

import http.client
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlsplit

import httpx

from nextplay_client import Client

PART_BYTES = 10 * 1024 * 1024
CONNECTIONS = 3


def by_client(gateway: str, token: str, clip: Path) -> float:
    """As everybody uploads: with a look at the file, checksums, and a search for an upload to resume."""
    with Client(gateway, token) as client:
        began = time.monotonic()
        client.upload(clip, title="A benchmark", category="sports")
        return time.monotonic() - began


def by_hand(gateway: str, token: str, clip: Path) -> float:
    """The least that does it: all parts signed at once, without checksums, and bare PUTs over three connections."""
    size = clip.stat().st_size
    announced = {"filename": clip.name, "content_type": "video/mp4", "file_size_bytes": size}
    with httpx.Client(base_url=gateway, headers={"Authorization": f"Bearer {token}"}, timeout=30) as api:
        began = time.monotonic()
        upload = _post(api, "/v1/uploads/initiate", announced | {"title": "A benchmark", "category": "sports"})
        lengths = [min(PART_BYTES, size - at) for at in range(0, size, PART_BYTES)]
        wanted = [{"part_number": number, "content_length": length} for number, length in enumerate(lengths, start=1)]
        parts = _post(api, f"/v1/uploads/{upload['upload_id']}/parts/presign-batch", {"parts": wanted})["parts"]
        with ThreadPoolExecutor(CONNECTIONS) as senders:
            sent = list(senders.map(_sender(clip), parts))
        _post(api, f"/v1/uploads/{upload['upload_id']}/complete", {"parts": sent})
        return time.monotonic() - began


def _sender(clip: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Sends a part over the connection of its thread."""
    mine = local()

    def send(part: Mapping[str, Any]) -> dict[str, Any]:
        at = urlsplit(part["presigned_url"])
        if not hasattr(mine, "connection"):
            mine.connection = http.client.HTTPConnection(at.netloc, timeout=60)
        with clip.open("rb") as file:
            file.seek((part["part_number"] - 1) * PART_BYTES)
            data = file.read(PART_BYTES)
        headers = {header["name"]: header["value"] for header in part["headers"]}
        mine.connection.request("PUT", f"{at.path}?{at.query}", body=data, headers=headers)
        answer = mine.connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        return {"part_number": part["part_number"], "etag": answer.headers["ETag"]}

    return send


def _post(api: httpx.Client, path: str, body: Mapping[str, Any]) -> Any:
    return api.post(path, json=body).raise_for_status().json()


def main() -> None:
    how, gateway, clip = sys.argv[1:]
    upload = by_client if how == "client" else by_hand
    seconds = upload(gateway, sys.stdin.read(), Path(clip))
    # Not ru_maxrss, which counts the process that started this one.
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told
    print(json.dumps({"seconds": seconds, "peak_mb": int(told[1]) * 1024 / 1e6}))


if __name__ == "__main__":
    main()
