"""Notify as a process with settings of a test's own, in the place of the platform's."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from push_receivers import Vendored, apns, fcm, web_push
from scratch import until

from deploy.local.stack import Stack


@dataclass
class NotifyProcess:
    """`python -m services.notify serve`, which is started and killed as a test says; `log` holds what all its lives
    wrote."""

    platform: Stack
    environment: Mapping[str, str]
    log: Path
    lives: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.lives[-1].pid

    async def start(self) -> None:
        """Begin a life; returns when it is ready and the gateway has found it."""
        with self.log.open("ab") as log:
            life = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.notify", "serve"),
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        self.lives.append(life)

        async def is_ready() -> bool:
            assert life.returncode is None, self.log.read_text()[-2_000:]
            url = f"http://127.0.0.1:{self.platform.ports['notify-metrics']}/readyz"
            headers = {"authorization": f"Bearer {self.platform.issuer.user_token('somebody')}"}
            try:
                async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                    ready = await client.get(url)
                    found = await client.get(f"{self.platform.gateway}/v1/devices", headers=headers)
            except httpx.HTTPError:
                return False
            return ready.is_success and found.is_success

        await until(is_ready, seconds=60)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the life, by SIGKILL as a crash would."""
        if self.lives[-1].returncode is None:
            self.lives[-1].send_signal(number)
        await self.lives[-1].wait()


@asynccontextmanager
async def notify_process(
    platform: Stack, settings: Mapping[str, str], directory: Path, *, log_level: str = "INFO"
) -> AsyncIterator[NotifyProcess]:
    """Started, with the platform's own settings but for those given; the platform's process is back afterwards."""
    ports = platform.ports
    environment = {
        **platform.environment("notify"),
        "NEXTPLAY_NOTIFY_GRPC_BIND": f"127.0.0.1:{ports['notify-grpc']}",
        "NEXTPLAY_NOTIFY_METRICS_BIND": f"127.0.0.1:{ports['notify-metrics']}",
        "NEXTPLAY_LOG_LEVEL": log_level,
        **settings,
    }
    await asyncio.to_thread(platform.hold, "notify")
    process = NotifyProcess(platform, environment, directory / "notify.log")
    try:
        await process.start()
        yield process
    finally:
        if process.lives:
            await process.end()
        await asyncio.to_thread(platform.release, "notify")


@asynccontextmanager
async def all_vendors(directory: Path) -> AsyncIterator[list[Vendored]]:
    """A push service, FCM and APNs, without TLS, as a process trusts no certificate of ours; what one found wrong fails
    the test."""
    async with AsyncExitStack() as opened:
        worlds: list[Vendored] = [
            await opened.enter_async_context(web_push(directory, tls=False)),
            await opened.enter_async_context(fcm(directory)),
            await opened.enter_async_context(apns(directory, tls=False)),
        ]
        yield worlds
        assert [world.mistakes for world in worlds] == [[], [], []]


def settings_of(worlds: list[Vendored]) -> dict[str, str]:
    """Those of a process that sends to all of them."""
    return {name: value for world in worlds for name, value in world.settings.items()}
