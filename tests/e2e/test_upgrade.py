"""An upgrade: the version before runs on the schema of this one, and beside it, and takes clips through meanwhile."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deploy.local.home import ROOT
from deploy.local.identity import user_id
from deploy.local.lifecycle import start, stop
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.readiness import answers
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from deploy.local.values import read_values
from deploy.local.watch import kept_running, run_to_end
from deploy.local.workloads import workloads
from tests.conftest import BROKER
from tests.e2e.people import Person, until

MIGRATIONS = ("services/*/migrations/*.sql", "chassis/migrations/*.sql")
MIGRATE_SECONDS = 60


def in_tree(process: Process, tree: Path) -> Process:
    """The same with the modules of another checkout."""
    modules = os.pathsep.join([str(tree), str(tree / "protos" / "gen")])
    return replace(process, directory=tree, environment={**process.environment, "PYTHONPATH": modules})


async def migrate(stack: Stack, processes: Sequence[Process]) -> None:
    for process in processes:
        if process.name.endswith("-migrate"):
            status = await run_to_end(process, stack.home, MIGRATE_SECONDS)
            assert status == 0, stack.home.log_of(process.name).read_text()


def person(stack: Stack, name: str, gateway: int) -> Person:
    """Somebody who calls the gateway at a port of this machine."""
    token = stack.issuer.user_token(name)
    url = f"http://127.0.0.1:{gateway}"
    http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
    return Person(str(user_id(name)), http)


def at_port(gateway: Process, port: int) -> Process:
    """A second one."""
    environment = {**gateway.environment, "NEXTPLAY_GATEWAY_HTTP_BIND": f"127.0.0.1:{port}"}
    return replace(gateway, name="gateway-2", ready=answers(port, "/readyz"), environment=environment)


def publish(author: Person, follower: Person, video_id: str) -> None:
    """To the end: the follower is told of it."""
    published = author.post(f"/v1/videos/{video_id}/publish", {"visibility": "public", "notify_followers": True})
    assert published.status_code == 200, published.text

    def told() -> bool | None:
        inbox = follower.get("/v1/notifications").json()["notifications"]
        return video_id in [entry["video_id"] for entry in inbox] or None

    until(told, seconds=30, what="the follower's notification")


def git(*arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return asked.stdout.strip() if asked.returncode == 0 else ""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout of the commit before the newest one that changed a migration: its services know the schema less."""
    newest = git("log", "-1", "--format=%H", "--", *MIGRATIONS)
    if not newest:
        pytest.skip("this is no clone of the repository: there is no version before")
    if not (commit := git("rev-parse", "--verify", "--quiet", f"{newest}^")):
        pytest.skip(f"the history begins at {newest[:12]}; `git fetch --unshallow` gets the version before it")
    tree = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True, timeout=60)
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True, timeout=60)
    return tree


@pytest.fixture(scope="module")
def infrastructure() -> Iterator[Stack]:
    """With ports for two instances of each service, and none of them running."""
    with tempfile.TemporaryDirectory(prefix="nextplay-upgrade-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, shape=Shape(kafka=BROKER, scale=2), with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


async def test_the_version_before_goes_on_while_the_schema_and_then_instances_are_replaced(
    before: Path, infrastructure: Stack, clip: Path
) -> None:
    stack, port = infrastructure, free_port(infrastructure.ports.values())
    new = workloads(stack.home, stack.ports, read_values())
    old = [in_tree(process, before) for process in new]
    first = [process for process in old if process.ready and not process.name.endswith("-2")]
    second = [process for process in new if process.name.endswith("-2")]
    second += [at_port(process, port) for process in new if process.name == "gateway"]

    await migrate(stack, old)
    async with kept_running(first, stack.home):
        author, follower = (person(stack, name, stack.ports["gateway"]) for name in ("author", "follower"))
        assert follower.put(f"/v1/users/{author.user_id}/follow").status_code == 204
        uploaded = await asyncio.to_thread(author.upload, clip)
        await migrate(stack, new)
        await asyncio.to_thread(uploaded.becomes, "READY")
        await asyncio.to_thread(publish, author, follower, uploaded.video_id)

        async with kept_running(second, stack.home):
            author = person(stack, "author", port)
            uploaded = await asyncio.to_thread(author.upload, clip)
            await asyncio.to_thread(uploaded.becomes, "READY")
            await asyncio.to_thread(publish, author, follower, uploaded.video_id)
