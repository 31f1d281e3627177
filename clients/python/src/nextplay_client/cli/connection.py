"""Which gateway, as whom: from options, the environment, or the local stack."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from nextplay_client import Client, local_stack
from nextplay_client.cli.failures import explained, patient
from nextplay_client.cli.output import Output
from nextplay_client.errors import NextPlayError

LOCAL_USER = "alice"


@dataclass(frozen=True)
class Connection:
    """What the options and the environment say; None where they say nothing."""

    url: str | None
    token: str | None
    user: str | None

    @property
    def address(self) -> str:
        """The gateway. Raises NextPlayError where none is named and no local stack runs."""
        return self.url or str(local_stack.find()["gateway"])

    @property
    def is_local(self) -> bool:
        """Whether names of users mean those of the local stack, whose issuer gives the tokens."""
        return self.token is None

    def bearer(self) -> str:
        """The token. Raises NextPlayError where none is given and the local stack is not the one that is named."""
        if self.token is not None:
            return self.token
        if self.url is not None and not _is_local_stack(self.url):
            raise NextPlayError(f"There is no token for {self.url}. Give one with --token or NEXTPLAY_TOKEN.")
        return local_stack.token(self.user or LOCAL_USER)

    def open(self) -> Client:
        """A client; on the local stack it fetches a fresh token whenever one ends."""
        return Client(self.address, self.token or self.bearer)


def _is_local_stack(url: str) -> bool:
    try:
        return str(local_stack.find()["gateway"]).rstrip("/") == url.rstrip("/")
    except NextPlayError:
        return False


def with_output(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --json and, as `out`, where it says what it found; its errors are explained."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON: one document a line, errors too.")
    @functools.wraps(command)
    def run(*, as_json: bool, **given: Any) -> None:
        out = Output(as_json)
        with explained(out):
            command(out=out, **given)

    return run


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the connection and, as `connection`, what they say; and `out` of `with_output`."""

    @click.option("--url", envvar="NEXTPLAY_URL", show_envvar=True, help="Address of the gateway.")
    @click.option("--token", envvar="NEXTPLAY_TOKEN", show_envvar=True, help="Token of the user.")
    @click.option("--user", help=f"User of the local stack, in place of a token.  [default: {LOCAL_USER}]")
    @with_output
    @functools.wraps(command)
    def run(*, url: str | None, token: str | None, user: str | None, **given: Any) -> None:
        if url and not url.startswith(("https://", "http://")):
            raise click.UsageError(f"The address {url!r} must begin with https:// or http://.")
        typed = click.get_current_context().get_parameter_source("token") is click.core.ParameterSource.COMMANDLINE
        if user is not None and typed:
            raise click.UsageError("--token and --user exclude each other.")
        with patient(given["out"]):
            command(connection=Connection(url or None, token or None if user is None else None, user), **given)

    return run
