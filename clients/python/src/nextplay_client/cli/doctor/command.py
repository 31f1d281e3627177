"""`nextplay doctor`: whether everything that an upload needs works from this machine."""

from dataclasses import asdict

import click

from nextplay_client.cli.connection import Connection, connected
from nextplay_client.cli.doctor.examine import examine
from nextplay_client.cli.doctor.place import Finding
from nextplay_client.cli.failures import FAILED
from nextplay_client.cli.output import Output
from nextplay_client.cli.words import count

SIGNS = {"ok": ("✔", "green"), "failed": ("✘", "red"), "skipped": ("–", "dim")}


@click.command()
@click.option("--origin", help="Web page from which browsers are to upload.  [default: the gateway's own]")
@click.option("--category", default="other", show_default=True, help="One that the platform has, for the upload.")
@connected
def doctor(connection: Connection, out: Output, origin: str | None, category: str) -> None:
    """Check whether all works from this machine.

    Looks at gateway, token, clock, S3 with its CORS rules, a signed PUT of one byte, and playback. Announces an upload
    of one byte and removes it again; that counts as one of the uploads of this hour.
    """
    found = []
    for finding in examine(connection.address, connection.bearer, origin, category):
        found.append(finding)
        if not out.as_json:
            _show(finding, out)
    failed = [finding.check for finding in found if finding.outcome == "failed"]
    if out.as_json:
        out.document({"ok": not failed, "checks": [asdict(finding) for finding in found]})
    elif failed:
        out.note(f"\n{count(len(failed), 'check')} failed: {', '.join(failed)}.", style="red")
    else:
        out.note("\nNothing is wrong from here.", style="green")
    if failed:
        raise click.exceptions.Exit(FAILED)


def _show(finding: Finding, out: Output) -> None:
    sign, style = SIGNS[finding.outcome]
    out.line(f"{sign} {finding.check:10} {finding.said}", style=style)
    if finding.advice:
        out.line(f"{'':13}{finding.advice}")
