"""The two requests that a client sends most, against a bare chain of the same parts: polling a status, presigning."""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bare import bare_chain
from benchmarks.load import Target, request, requests_a_second
from benchmarks.measure import Measure
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach

CONNECTIONS = 16
ROUND_SECONDS = 1.5
ROUNDS = 15
FILE_BYTES = 10_000_000
SETTLE_SECONDS = 5.0
"""Until the events of the uploads are applied and nothing is under way any more."""


def measure() -> list[Measure]:
    """One platform and one bare chain on its PostgreSQL, loaded in turn by the same client."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, with_parent=True)
        try:
            return _measure(attach(home))
        finally:
            stop(home)


def _measure(stack: Stack) -> list[Measure]:
    users = [stack.issuer.user_token(f"bench-{number}") for number in range(CONNECTIONS)]
    uploads = [(token, initiate(stack.gateway, token)) for token in users]
    time.sleep(SETTLE_SECONDS)
    polls = [request("GET", f"/v1/videos/{upload['video_id']}/status", token) for token, upload in uploads]
    selects = [request("GET", f"/{upload['video_id']}") for _, upload in uploads]
    part = json.dumps({"part_number": 1, "content_length": FILE_BYTES}).encode()
    presigns = [
        request("POST", f"/v1/uploads/{upload['upload_id']}/parts/presign", token, part) for token, upload in uploads
    ]
    signs = [request("POST", f"/{upload['upload_id']}", body=part) for _, upload in uploads]
    with bare_chain(stack.dsn("catalog")) as catalog, bare_chain(stack.dsn("upload")) as upload:
        poll, presign = Target(stack.gateway, polls), Target(stack.gateway, presigns)
        return [
            _compare("status poll / bare chain", poll, Target(catalog, selects), 0.8, "one SELECT by primary key"),
            _compare(
                "presign / bare chain", presign, Target(upload, signs), 0.6, "one row locked, one written, botocore"
            ),
            _compare("presign / bare chain of a poll", presign, Target(catalog, selects), None, "one SELECT"),
        ]


def initiate(gateway: str, token: str) -> dict[str, Any]:
    """Begin an upload; what is answered."""
    announcement = {"title": "A benchmark", "category": "sports", "filename": "clip.mp4", "content_type": "video/mp4"}
    reply = httpx.post(
        f"{gateway}/v1/uploads/initiate",
        headers={"Authorization": f"Bearer {token}"},
        json=announcement | {"file_size_bytes": FILE_BYTES},
        timeout=10,
        trust_env=False,
    )
    upload: dict[str, Any] = reply.raise_for_status().json()
    return upload


def _compare(name: str, ours: Target, bare: Target, limit: float | None, bare_work: str) -> Measure:
    """Both in turn, after one round each that warms; the median of the rounds' ratios."""
    rounds = [[_rate(ours), _rate(bare)] for _ in range(ROUNDS + 1)][1:]
    rates = [statistics.median(column) for column in zip(*rounds, strict=True)]
    how = (
        f"median of {ROUNDS} rounds of {ROUND_SECONDS:g} s each in turn over {CONNECTIONS} connections: "
        f"{rates[0]:,.0f} requests/s through gateway, service and PostgreSQL, with a token; "
        f"{rates[1]:,.0f} through uvicorn, grpc.aio and asyncpg alone ({bare_work})"
    )
    return Measure(name, statistics.median(mine / theirs for mine, theirs in rounds), "", limit, how, at_least=True)


def _rate(target: Target) -> float:
    return requests_a_second(target, connections=CONNECTIONS, seconds=ROUND_SECONDS)
