"""What has to do with this machine alone: tokens of the local stack, and the shell's completion."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from nextplay_client import local_stack
from nextplay_client.cli.claims import claims
from nextplay_client.cli.connection import LOCAL_USER, with_output
from nextplay_client.cli.output import Output

SHELLS = ("bash", "zsh", "fish")
TIERS = ("free", "verified", "paid")


@click.command()
@click.option("--user", default=LOCAL_USER, show_default=True, help="A name; the same name is always the same user.")
@click.option("--tier", type=click.Choice(TIERS), default="free", show_default=True)
@with_output
def token(out: Output, user: str, tier: str) -> None:
    """Print a token of the local stack's issuer."""
    given = local_stack.token(user, tier)
    if out.as_json:
        of = claims(given)
        out.document({"token": given, "user_id": of.user_id, "tier": of.tier, "ends_at": of.ends_at})
    else:
        print(given)


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the completion for a shell.

    \b
    bash   nextplay completion bash >> ~/.bashrc
    zsh    nextplay completion zsh >> ~/.zshrc
    fish   nextplay completion fish > ~/.config/fish/completions/nextplay.fish
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class(name) if name in SHELLS else None
    if found is None:
        raise click.UsageError(f"Name the shell: {', '.join(SHELLS)}.")
    print(found(context.find_root().command, {}, "nextplay", COMPLETE_VARIABLE).source())


COMPLETE_VARIABLE = "_NEXTPLAY_COMPLETE"
