"""`nextplay why`: a video's story for whoever has to explain it."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

import click

from nextplay_client import Client
from nextplay_client.cli.connection import Connection, connected
from nextplay_client.cli.happenings import Happening
from nextplay_client.cli.output import Output, now
from nextplay_client.cli.story import PHASES, Phase, Story, story
from nextplay_client.cli.videos import VIDEO
from nextplay_client.cli.words import clock, duration, moment, since
from nextplay_client.errors import NotFound
from nextplay_client.types import Status, Upload, Video

SIGNS = {True: ("✔", "green"), False: ("✘", "red"), None: ("…", "yellow")}
BAR_WIDTH = 24


@click.command()
@VIDEO
@connected
def why(connection: Connection, out: Output, video: UUID) -> None:
    """Tell why a video is where it is.

    What happened when, how long it took, what was measured, and what to do now."""
    with connection.open() as client:
        status = client.status(str(video))
        found = _video(client, str(video))
        told = story(status, found, client.timeline(str(video)), _upload(client, status), now())
    if out.as_json:
        out.document(_document(status, found, told))
    else:
        _show(status, found, told, out)


def _video(client: Client, video_id: str) -> Video | None:
    """The video; None of a deleted one, of which its owner still reads status and timeline."""
    try:
        return client.video(video_id)
    except NotFound:
        return None


def _upload(client: Client, status: Status) -> Upload | None:
    """The video's upload, while it is under way."""
    if status["status"] not in ("DRAFT", "UPLOADING"):
        return None
    for upload in client.uploads.list():
        if upload["video_id"] == status["video_id"]:
            return client.uploads.get(upload["upload_id"])
    return None


def _show(status: Status, video: Video | None, told: Story, out: Output) -> None:
    sign, style = SIGNS[False if told.stuck else told.good]
    title = f"“{video['title']}”  " if video else ""
    out.line(f"{sign} {title}{status['status']}, {since(moment(status['changed_at']), now())}", style=f"bold {style}")
    out.line(f"  {told.verdict}")
    out.line(f"  video {status['video_id']}", style="dim")

    out.line("\nWhat happened", style="bold")
    generation = 1
    for happening in told.happenings:
        if happening.generation != generation:
            generation = happening.generation
            out.line(f"  — upload or retry number {generation} —", style="dim")
        _show_happening(happening, out)

    if told.phases:
        out.line("\nWhere the time went", style="bold")
        _show_phases(told.phases, out)
    if told.advice:
        out.line("\nWhat to do", style="bold")
    for advice in told.advice:
        out.line(f"  {advice.said}")
        for command in advice.commands:
            out.line(f"    {command}", style="cyan")
    if told.trace_ids:
        out.line("\nFor the operators", style="bold")
        out.line(f"  traces {', '.join(told.trace_ids)}", style="dim")


def _show_happening(happening: Happening, out: Output) -> None:
    sign, style = ("✘", "red") if happening.bad else ("·", "" if happening.changed else "dim")
    took = f"+{duration(happening.took_ms / 1000)}" if happening.took_ms else ""
    out.line(f"  {clock(happening.time, now()):8} {took:>11}  {sign} {happening.said}", style=style)
    for detail in happening.details:
        out.line(f"{'':24}    {detail}", style="dim")


def _show_phases(phases: Sequence[Phase], out: Output) -> None:
    """Bars, but for the time that the owner takes."""
    longest = max((phase.ms for phase in phases if phase.name != PHASES["READY"]), default=0) or 1
    for phase in phases:
        bar = "" if phase.name == PHASES["READY"] else "█" * max(1, round(BAR_WIDTH * phase.ms / longest))
        took = f"{duration(phase.ms / 1000)}{' so far' if phase.running else ''}"
        out.line(f"  {phase.name:24} {took:20} {bar}".rstrip())


def _document(status: Status, video: Video | None, told: Story) -> dict[str, object]:
    """The story for programs, with the times as they are."""
    return {
        "video_id": status["video_id"],
        "title": video["title"] if video else None,
        "status": status,
        "verdict": told.verdict,
        "stuck": told.stuck,
        "happenings": [asdict(happening) | {"time": happening.time.isoformat()} for happening in told.happenings],
        "phases": [asdict(phase) for phase in told.phases],
        "advice": [asdict(advice) for advice in told.advice],
        "trace_ids": list(told.trace_ids),
    }
