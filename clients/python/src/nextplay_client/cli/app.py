"""The `nextplay` command: what there is, and how it ends."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from nextplay_client.cli.doctor.command import doctor
from nextplay_client.cli.failures import FAILED, INTERRUPTED
from nextplay_client.cli.local import COMPLETE_VARIABLE, completion, token
from nextplay_client.cli.people import feed, follow, inbox, unfollow
from nextplay_client.cli.uploads import upload, watch
from nextplay_client.cli.videos import delete, publish, retry, status, update, videos
from nextplay_client.cli.why import why

COMMANDS = (
    *(upload, watch, publish, status, why, videos, update, retry, delete),
    *(feed, follow, unfollow, inbox),
    *(doctor, token, completion),
)


class InOrder(click.Group):
    """Lists the commands as they are declared, the most wanted first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group, which sorts them."""
        return list(self.commands)


@click.group(
    cls=InOrder,
    commands={command.name: command for command in COMMANDS if command.name},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=(
        "Where and who: --url and --token, else NEXTPLAY_URL and NEXTPLAY_TOKEN, else the local stack that runs in "
        "this folder or one above it, where --user names who. Exit status: 0 done, 1 failed, 2 wrong usage, 3 the clip "
        "was refused or its processing failed, 130 interrupted."
    ),
)
@click.version_option(package_name="nextplay-client", prog_name="nextplay")
def nextplay() -> None:
    """Upload, watch and publish short videos."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another in its place
    try:
        sys.exit(nextplay.main(arguments, "nextplay", COMPLETE_VARIABLE, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        print("nextplay: Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Who read has gone; what Python would still write at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if os.environ.get("NEXTPLAY_DEBUG"):
            raise
        print(
            f"nextplay: This command is at fault ({type(error).__name__}: {error}). Report it; NEXTPLAY_DEBUG=1 shows "
            "where.",
            file=sys.stderr,
        )
        sys.exit(FAILED)
