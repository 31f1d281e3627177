"""The files of the issuer's key and of the services' tokens on the local stack."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import supervisor
from deploy.local.home import Home, open_home
from deploy.local.identity import open_issuer, service_token_file
from deploy.local.supervisor import Supervision
from deploy.local.values import read_values


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def test_a_kill_while_the_issuers_key_is_written_is_mended_by_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        open_issuer(home, 1)
    monkeypatch.undo()

    made = open_issuer(home, 1)

    assert (home.path / "identity.pem").stat().st_mode & 0o777 == 0o600
    assert open_issuer(home, 1).jwk == made.jwk


async def test_tokens_that_could_not_be_written_are_written_as_soon_as_they_can(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "RETRY_SECONDS", 0.01)
    values = read_values()
    home.tokens.rmdir()
    renewing = asyncio.create_task(
        supervisor._renew_service_tokens(Supervision(home, values, {}, open_issuer(home, 1)))
    )
    printed = ""

    def told() -> bool:
        nonlocal printed
        printed += capfd.readouterr().out
        return "service-tokens not renewed: [Errno 2]" in printed

    try:
        await until(told)
        home.tokens.mkdir()
        await until(lambda: all(service_token_file(home, context).exists() for context in values.contexts))
    finally:
        renewing.cancel()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
