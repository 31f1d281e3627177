"""Uploads of the Python client through a bad network, to the gateway and to S3."""

import asyncio
import random
import re
import uuid
from collections import defaultdict
from pathlib import Path

import pytest

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from nextplay_client import AsyncClient, Client
from tests.e2e.bucket import keys_below, read_object
from tests.e2e.fault_proxy import FaultProxy, Passage, fault_proxy
from tests.e2e.people import PART_BYTES

AT_ONCE = 8
CHANCE = 0.3


@pytest.mark.usefixtures("no_transcodes")
@pytest.mark.parametrize(
    "seeds",
    [range(20), pytest.param(range(20, 220), marks=pytest.mark.long)],
    ids=["20 uploads", "200 uploads"],
)
async def test_every_upload_arrives_whole_and_no_part_is_sent_more_often_than_needed(
    seeds: range, platform: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, environment = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def one_after_the_other(seed: int) -> None:
        async with turn:
            await upload_through_faults(seed, platform, tmp_path / f"{seed}.mp4", monkeypatch, environment)

    async with asyncio.TaskGroup() as group:
        for seed in seeds:
            group.create_task(one_after_the_other(seed))


async def upload_through_faults(
    seed: int, platform: Stack, clip: Path, monkeypatch: pytest.MonkeyPatch, environment: asyncio.Lock
) -> None:
    """One upload. Who holds `environment` says whether clients that are made then take the proxy."""
    chances = random.Random(seed)
    parts = 4 if seed % 5 == 0 else 2
    data = chances.randbytes((parts - 1) * PART_BYTES + chances.randint(1, 500_000))
    await asyncio.to_thread(clip.write_bytes, data)
    user = f"erin-{seed}-{uuid.uuid4().hex[:8]}"
    token = platform.issuer.user_token(user)
    async with fault_proxy(chances, CHANCE) as proxy:
        async with environment:
            monkeypatch.setenv("HTTP_PROXY", proxy.address)
            asynchronous, synchronous = AsyncClient(platform.gateway, token), Client(platform.gateway, token)
            monkeypatch.delenv("HTTP_PROXY")
        with synchronous:
            async with asynchronous:
                if seed % 2:
                    completed = await asynchronous.upload(clip, title="Rain", category="sports", preflight=False)
                else:
                    completed = await asyncio.to_thread(
                        synchronous.upload, clip, title="Rain", category="sports", preflight=False
                    )
    async with environment:
        keys = await asyncio.to_thread(keys_below, platform, f"uploads/{user_id(user)}/")
        assert len(keys) == 1, f"seed {seed}: {keys}"
        (key,) = keys
        assert completed["video_id"] in key
        assert await asyncio.to_thread(read_object, platform, key) == data, f"seed {seed}: other bytes"
    sendings = by_part(proxy)
    assert len(sendings) == parts
    for number, passages in sendings.items():
        told = f"seed {seed}, part {number}: {[(p.harm, p.status) for p in passages]}"
        assert [passage.arrived for passage in passages].count(True) == 1, told
        assert passages[-1].arrived, told
        assert all(passage.harm not in ("none", "delayed") for passage in passages[:-1]), told
    await asyncio.to_thread(clip.unlink)


def by_part(proxy: FaultProxy) -> dict[int, list[Passage]]:
    """How often each part was sent, in order."""
    sendings: dict[int, list[Passage]] = defaultdict(list)
    for passage in proxy.passages:
        if passage.verb == "PUT" and (part := re.search(r"partNumber=(\d+)", passage.url)):
            sendings[int(part[1])].append(passage)
    return sendings
