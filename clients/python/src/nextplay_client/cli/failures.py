"""What ends a command other than well: a sentence with the next step, and the exit status."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import httpx
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from nextplay_client.cli.output import Output
from nextplay_client.cli.words import duration
from nextplay_client.errors import (
    ApiError,
    NextPlayError,
    PreflightRefused,
    StillWaiting,
    TooLarge,
    Unauthenticated,
    Unreachable,
    UnsupportedType,
    VideoNotReady,
)
from nextplay_client.files import FileChanged

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 3, 130  # and 2 is what Click exits with for wrong usage

CLIP_REFUSED = PreflightRefused | TooLarge | UnsupportedType
"""What is wrong with one clip, and says nothing of another."""


@contextmanager
def explained(out: Output) -> Iterator[None]:
    """Turn what the library and the system raise into words and an exit status."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort):
        out.error("Interrupted.", {"code": "INTERRUPTED"})
        raise click.exceptions.Exit(INTERRUPTED) from None
    except (NextPlayError, OSError) as error:
        tell(out, error)
        raise click.exceptions.Exit(exit_status(error)) from None


@contextmanager
def patient(out: Output) -> Iterator[None]:
    """Say that the library tries again, from the second time on: the first is over before anybody wonders, unless it
    waited for an answer."""

    def say(details: RetryDetails) -> None:
        if details.retry_num > 1 or isinstance(details.caused_by, TimeoutError | httpx.TimeoutException):
            out.note(f"No answer yet; trying again in {duration(details.wait_for)}.")

    set_on_retry_hooks([say])
    try:
        yield
    finally:
        set_on_retry_hooks(None)


@contextmanager
def on_interrupt(out: Output, say: Callable[[], str]) -> Iterator[None]:
    """Say at Ctrl-C what becomes of what was begun, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        out.error(say(), {"code": "INTERRUPTED"})
        raise click.exceptions.Exit(INTERRUPTED) from None


def tell(out: Output, error: Exception, *, of: str = "") -> None:
    """Say what went wrong, with which file where there are several, and what to do."""
    out.error(f"{of}: {sentence(error)}" if of else sentence(error), {"file": of} | told(error) if of else told(error))


def exit_status(error: Exception) -> int:
    """3 for a clip that the platform does not take or cannot process, else 1."""
    return REFUSED if isinstance(error, VideoNotReady | CLIP_REFUSED) else FAILED


def sentence(error: Exception) -> str:
    """The error for a person, with what to do next."""
    match error:
        case Unauthenticated():
            return f"{error} `nextplay doctor` looks at the token."
        case ApiError() if not error.next_action:
            return f"{error} `nextplay doctor` looks at the address."
        case Unreachable():
            return f"{error} `nextplay doctor` looks at where it is cut."
        case VideoNotReady():
            return f"{error} The whole story: nextplay why {error.status['video_id']}"
        case StillWaiting():
            return f"{error} See where it stands: nextplay videos"
        case FileNotFoundError():
            return f"There is no file {error.filename}. Check its name and the folder."
        case IsADirectoryError():
            return f"{error.filename} is a folder. Name the clip in it."
        case PermissionError() if error.filename:
            return f"{error.filename} may not be read. Check its permissions."
        case FileChanged():
            return f"{error}."
        case OSError():
            return f"The file cannot be read: {error}. Check it and try again."
        case _:
            return str(error)


def told(error: Exception) -> dict[str, object]:
    """The error for a program."""
    match error:
        case ApiError():
            return {
                "code": error.code,
                "status": error.status,
                "next_action": error.next_action,
                "trace_id": error.trace_id,
            }
        case PreflightRefused():
            return {"code": error.code, "next_action": error.next_action}
        case VideoNotReady():
            return {"code": error.status["status"], "video_id": error.status["video_id"]}
        case Unreachable():
            return {"code": "UNREACHABLE"}
        case _:
            return {"code": type(error).__name__}
