"""The entries of a video's timeline as sentences: what happened, and what was measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from nextplay_client.cli.words import clock, count, duration, megabytes, moment
from nextplay_client.types import TimelineEntry

CODECS = {"h264": "H.264", "hevc": "H.265", "aac": "AAC", "mp4": "MP4", "mov": "QuickTime"}
IGNORED = {
    "older generation": "it belonged to an earlier upload or retry",
    "repeat": "it was known already",
    "deleted": "the video was deleted",
}
BAD = frozenset({"UploadAborted", "UploadExpired", "UploadFailed", "OriginalLost", "TranscodeFailed", "VideoRejected"})


@dataclass(frozen=True)
class Happening:
    """One entry of the timeline in words.

    `took_ms` is the time since the entry before; `details` say what was measured or made; `changed` is false for what
    came too late to count.
    """

    event: str
    time: datetime
    took_ms: int
    said: str
    details: tuple[str, ...]
    generation: int
    status: str | None
    bad: bool
    changed: bool
    trace_id: str


Facts = Mapping[str, str]


def tell(entry: TimelineEntry, now: datetime) -> Happening:
    """An entry in words; one of a kind that this version does not know keeps its name and its facts."""
    facts = {fact["name"]: fact["value"] for fact in entry["facts"]}
    said, details = _TOLD.get(entry["event"], _unknown)(entry, facts, now)
    ignored = entry["ignored"]
    if ignored:
        said = f"{said} It changed nothing: {IGNORED.get(ignored, ignored)}."
    return Happening(
        event=entry["event"],
        time=moment(entry["time"]),
        took_ms=entry["since_previous_ms"],
        said=said,
        details=tuple(details),
        generation=entry["generation"],
        status=entry.get("status"),
        bad=entry["event"] in BAD and not ignored,
        changed=not ignored,
        trace_id=entry["trace_id"],
    )


def measured(facts: Facts) -> str:
    """What the probe found: `3.0 s, 640×360, 30 fps, H.264 and AAC in MP4, 0.33 MB`; empty where it found nothing."""
    codecs = " and ".join(
        CODECS.get(facts[name], facts[name]) for name in ("video_codec", "audio_codec") if name in facts
    )
    if codecs and "audio_codec" not in facts:
        codecs += " without sound"
    container = CODECS.get(facts.get("container", ""), facts.get("container", ""))
    found = (
        duration(int(facts["duration_ms"]) / 1000) if "duration_ms" in facts else "",
        f"{facts['width']}×{facts['height']}" if "width" in facts and "height" in facts else "",
        f"{float(facts['fps']):g} fps" if "fps" in facts else "",
        f"{codecs} in {container}" if codecs and container else codecs,
        megabytes(int(facts["size_bytes"])) if codecs and "size_bytes" in facts else "",
    )
    return ", ".join(part for part in found if part)


Told = tuple[str, list[str]]


def _claimed(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    if entry["generation"] == 1:
        return "The video was announced.", []
    return f"It was announced for another upload, number {entry['generation']} of this video.", []


def _upload_started(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    size, until = _size(facts), _clock(facts, "expires_at", now)
    return f"The upload{f' of {size}' if size else ''} began{f', to be finished by {until}' if until else ''}.", []


def _upload_completed(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    return f"All bytes arrived and are stored{f', {_size(facts)}' if _size(facts) else ''}.", []


def _upload_failed(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    return f"The upload failed: {facts.get('message', 'no reason was given.')}", _code(facts)


def _transcode_started(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    queued = moment(facts["queued_at"]) if "queued_at" in facts else None
    waited = f" after {duration((moment(entry['time']) - queued).total_seconds())} in the queue" if queued else ""
    attempt = entry.get("attempt", 1)
    again = f", attempt {attempt}" if attempt > 1 else ""
    found = measured(facts)
    return f"Processing began{waited}{again}.", [f"Measured: {found}."] if found else []


def _transcode_retry(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    at = _clock(facts, "next_at", now)
    attempt = f"Attempt {entry['attempt']}" if "attempt" in entry else "An attempt"
    return f"{attempt} did not succeed{f'; the next one was set for {at}' if at else ''}.", _code(facts)


def _transcode_completed(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    made = [
        f"{name.removesuffix(' size_bytes')} {megabytes(int(value))}"
        for name, value in facts.items()
        if name.endswith(" size_bytes")
    ]
    worked = ""
    if "run_ms" in facts and "encode_ms" in facts:
        run, encode = int(facts["run_ms"]) / 1000, int(facts["encode_ms"]) / 1000
        worked = f" It took {duration(run)} of work, {duration(encode)} of it encoding."
    return f"Everything is made; the video is ready.{worked}", [f"Made: {', '.join(made)}."] if made else []


def _transcode_failed(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    tries = f" after {count(entry['attempt'], 'attempt')}" if "attempt" in entry else ""
    gone = ["The original is not stored any more, so it cannot be tried again."] if facts.get("original_gone") else []
    return f"Processing failed{tries}: {facts.get('message', 'no reason was given.')}", _code(facts) + gone


def _rejected(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    details = _code(facts)
    if facts.get("measured") and facts.get("limit"):
        details = [f"Found {facts['measured']}, allowed is {facts['limit']} ({facts.get('code', 'no code')})."]
    if found := measured(facts):
        details.append(f"Measured: {found}.")
    return f"The clip was rejected: {facts.get('message', 'no reason was given.')}", details


def _published(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    seen = f" ({facts['visibility']})" if "visibility" in facts else ""
    match facts.get("when_ready"):
        case "true":
            return f"Its owner asked to publish it as soon as it is ready{seen}.", []
        case "granted":
            return "It was published at once, as its owner had asked.", []
        case _:
            return f"Its owner published it{seen}.", []


def _updated(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    return "Its owner changed " + ", ".join(f"{name} to “{value}”" for name, value in facts.items()) + ".", []


def _unknown(entry: TimelineEntry, facts: Facts, now: datetime) -> Told:
    return f"{entry['event']}.", [f"{name}: {value}" for name, value in facts.items()]


def _plain(said: str) -> Callable[[TimelineEntry, Facts, datetime], Told]:
    return lambda entry, facts, now: (said, [])


_TOLD: Mapping[str, Callable[[TimelineEntry, Facts, datetime], Told]] = {
    "ClaimVideoForUpload": _claimed,
    "UploadStarted": _upload_started,
    "UploadCompleted": _upload_completed,
    "UploadAborted": _plain("The upload was given up before it was complete."),
    "UploadExpired": _plain("The upload was not finished within its time and ended."),
    "UploadFailed": _upload_failed,
    "OriginalLost": _plain("The stored original was found to be gone; it cannot be processed again."),
    "VideoRetryRequested": _plain("Nothing was heard of its processing, so the platform asked for it again."),
    "TranscodeStarted": _transcode_started,
    "TranscodeRetryScheduled": _transcode_retry,
    "TranscodeCompleted": _transcode_completed,
    "TranscodeFailed": _transcode_failed,
    "VideoRejected": _rejected,
    "PublishVideo": _published,
    "UpdateVideo": _updated,
    "RetryVideo": _plain("Its owner asked to process the stored original again."),
    "DeleteVideo": _plain("Its owner deleted it."),
    "ArchiveVideo": _plain("The platform removed it, because it was never finished."),
}


def _size(facts: Facts) -> str:
    return megabytes(int(facts["size_bytes"])) if "size_bytes" in facts else ""


def _clock(facts: Facts, name: str, now: datetime) -> str:
    return clock(moment(facts[name]), now) if name in facts else ""


def _code(facts: Facts) -> list[str]:
    return [f"Code: {facts['code']}."] if "code" in facts else []
