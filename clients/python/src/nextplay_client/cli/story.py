"""A video's story: where it stands and why, what happened, where the time went, and what to do now."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nextplay_client.cli.happenings import Happening, tell
from nextplay_client.cli.words import clock, count, duration, megabytes, moment, since, whole
from nextplay_client.types import Status, TimelineEntry, Upload, Video

# What is quiet for longer is called stuck. The platform asks again by itself after two minutes; processing may take
# minutes without a word in the timeline.
QUIET_SECONDS = {"DRAFT": 600.0, "UPLOADED": 120.0, "PROCESSING": 600.0}
PHASES = {
    "DRAFT": "announced",
    "UPLOADING": "uploading",
    "UPLOADED": "waiting for its turn",
    "PROCESSING": "processing",
    "READY": "waiting to be published",
}
SEEN_BY = {
    "public": "everybody can see it",
    "unlisted": "everybody who has the link can see it",
    "private": "only its owner can see it",
}
REJECTED = ("REJECTED_TOO_LONG", "REJECTED_FORMAT")


@dataclass(frozen=True)
class Advice:
    """What to do now, and the commands for it where there are some."""

    said: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    """How long the video was in one state; `running` while it still is."""

    name: str
    ms: int
    running: bool


@dataclass(frozen=True)
class Story:
    """All that `nextplay why` says. `good` is None while the video is on its way; `stuck` where that takes too long."""

    verdict: str
    good: bool | None
    stuck: bool
    happenings: Sequence[Happening]
    phases: Sequence[Phase]
    advice: Sequence[Advice]
    trace_ids: Sequence[str]


def story(
    status: Status, video: Video | None, entries: Sequence[TimelineEntry], upload: Upload | None, now: datetime
) -> Story:
    """The story as of `now`. `video` is None for a deleted one, `upload` where none is under way."""
    happenings = [tell(entry, now) for entry in entries]
    of_now = [happening for happening in happenings if happening.generation == status["generation"]]
    stuck = _is_stuck(status, of_now, upload, now)
    return Story(
        verdict=_verdict(status, video, upload, stuck, now),
        good=_is_good(status),
        stuck=stuck,
        happenings=happenings,
        phases=_phases(of_now, status, now),
        advice=_advice(status, video, upload, stuck, now),
        trace_ids=list(dict.fromkeys(happening.trace_id for happening in of_now if happening.trace_id)),
    )


def _is_good(status: Status) -> bool | None:
    match status["status"]:
        case "READY" | "PUBLISHED":
            return True
        case "REJECTED_TOO_LONG" | "REJECTED_FORMAT" | "PROCESSING_FAILED" | "DELETED":
            return False
        case _:
            return False if "reason" in status else None


def _is_stuck(status: Status, of_now: Sequence[Happening], upload: Upload | None, now: datetime) -> bool:
    """Whether something should have happened by now. Who waits behind others is not stuck."""
    name = status["status"]
    if name == "UPLOADING":
        return upload is None and _quiet(status, of_now, now) > 3600
    if name not in QUIET_SECONDS or status["final"] or status.get("queue_position", 0) > 0:
        return False
    return _quiet(status, of_now, now) > QUIET_SECONDS[name]


def _quiet(status: Status, of_now: Sequence[Happening], now: datetime) -> float:
    """Seconds since something was last heard."""
    heard = [happening.time for happening in of_now if happening.changed]
    return (now - max([moment(status["changed_at"]), *heard])).total_seconds()


def _verdict(status: Status, video: Video | None, upload: Upload | None, stuck: bool, now: datetime) -> str:
    reason = status.get("reason")
    for_long = f" for {duration((now - moment(status['changed_at'])).total_seconds())}"
    match status["status"]:
        case "PUBLISHED":
            seen = SEEN_BY.get(video["visibility"], "") if video else ""
            return f"It is published{f'; {seen}' if seen else ''}."
        case "READY":
            return "It is ready. Nobody but its owner sees it until it is published."
        case "REJECTED_TOO_LONG" | "REJECTED_FORMAT" if reason:
            return f"The clip was rejected. {reason['message']}"
        case "PROCESSING_FAILED" if reason:
            return f"Its processing failed. {reason['message']}"
        case "DELETED":
            return "It is deleted, for ever."
        case "DRAFT" if reason:
            return f"It is a draft again, without a file. {reason['message']}"
        case "DRAFT":
            return (
                "It is a draft; no file was uploaded yet." if status["final"] else f"It waits for its upload{for_long}."
            )
        case "UPLOADING" if upload:
            return f"It is being uploaded: {_so_far(upload)}."
        case "UPLOADING":
            return f"Its upload was begun {since(moment(status['changed_at']), now)} and is not finished."
        case "UPLOADED" if stuck:
            return f"It is stored and has waited{for_long} with nobody before it: it is stuck."
        case "UPLOADED":
            return f"It is stored and waits for its turn{_queue(status)}."
        case "PROCESSING" if stuck:
            return (
                f"It has been processed{for_long}, at {status['progress']} %, and nothing is heard of it: it is stuck."
            )
        case "PROCESSING":
            return f"It is being processed, {status['progress']} %{_eta(status)}."
        case other:
            return f"It is {other}."


def _command_again(upload: Upload, video: Video | None, generation: int) -> str:
    """The command that goes on with an upload. What it does not say of the video would be changed to what is usual."""
    words = ["nextplay", "upload", upload["filename"]]
    if generation > 1:
        words += ["--video", upload["video_id"]]
    if video:
        words += ["--title", video["title"], "--category", video["category"], "--visibility", video["visibility"]]
        words += ["--description", video["description"]] if video.get("description") else []
    return shlex.join(words)


def _so_far(upload: Upload) -> str:
    received, there = upload["parts_received"], sum(part["size_bytes"] for part in upload["parts_received"])
    return (
        f"{len(received)} of {count(upload['part_count'], 'part')} are stored, "
        f"{megabytes(there)} of {megabytes(upload['file_size_bytes'])}"
    )


def _queue(status: Status) -> str:
    ahead = status.get("queue_position", 0)
    before = f", behind {count(ahead, 'other')}" if ahead else ""
    return before + _eta(status)


def _eta(status: Status) -> str:
    return f", ready in about {whole(status['eta_seconds'])}" if "eta_seconds" in status else ""


def _phases(of_now: Sequence[Happening], status: Status, now: datetime) -> list[Phase]:
    """How long the present upload or retry was in each state, up to now where it is not at its end."""
    changes = [(happening.status, happening.time) for happening in of_now if happening.status and happening.changed]
    phases: list[Phase] = []
    for number, (name, began) in enumerate(changes):
        last = number + 1 == len(changes)
        if name not in PHASES or (last and status["final"] and name != "READY"):
            continue
        ended = now if last else changes[number + 1][1]
        phases.append(Phase(PHASES[name], max(0, round((ended - began).total_seconds() * 1000)), last))
    return phases


def _advice(status: Status, video: Video | None, upload: Upload | None, stuck: bool, now: datetime) -> list[Advice]:
    video_id, allowed = status["video_id"], status["allowed_actions"]
    advice: list[Advice] = []
    if reason := status.get("reason"):
        possible = {"retry": f"nextplay retry {video_id}", "upload": f"nextplay upload FILE --video {video_id}"}
        advice.append(
            Advice(reason["next_action"], tuple(possible[action] for action in possible if action in allowed))
        )
        if "retry" in allowed and video and "original_expires_at" in video:
            kept = clock(moment(video["original_expires_at"]), now)
            advice.append(Advice(f"The uploaded file is kept until {kept}; it can be processed again until then."))
    if upload:
        until = clock(moment(upload["expires_at"]), now)
        said = f"Give the same command again until {until}; it sends only what is missing:"
        advice.append(Advice(said, (_command_again(upload, video, status["generation"]),)))
    if stuck:
        advice += [
            Advice("Nothing needs to be sent again: the platform looks after such videos every five minutes."),
            Advice("If nothing has changed in ten minutes, tell the operators the video and its traces, below."),
        ]
    elif status["status"] in ("UPLOADED", "PROCESSING"):
        advice.append(Advice("Nothing. It can be watched:", (f"nextplay watch {video_id}",)))
    if "publish" in allowed:
        advice.append(Advice("Publish it:", (f"nextplay publish {video_id}",)))
    return advice
