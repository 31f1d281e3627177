"""How a run stores its files, and what the object store's errors mean to it."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from chassis.errors import Unavailable
from chassis.object_store import ObjectNotFound
from chassis.telemetry import logger
from services.media.domain.outcomes import Fault, original_gone
from services.media.ports import Objects

T = TypeVar("T")

END_SECONDS = 5.0
"""What a PUT under way may take to end before it's cut: a run whose lease is lost must not hold a worker for long."""

log = logger(__name__)


@contextmanager
def storage_faults() -> Iterator[None]:
    """Turn Unavailable and a refusal into a transient STORAGE_ERROR, an original that is gone into a permanent one.

    A refusal (a wrong key, a right or a bucket that is not there) is for an operator to mend while the job waits.
    """
    try:
        yield
    except Unavailable as error:
        raise Fault("STORAGE_ERROR", "The storage of videos did not answer.", transient=True) from error
    except ObjectNotFound as error:
        raise original_gone() from error
    except ClientError as error:
        refusal = error.response["Error"]["Code"]
        log.error("storage_refused", cause=error, operation=error.operation_name, refusal=refusal)
        raise Fault("STORAGE_ERROR", "The storage of videos refused us.", transient=True) from error


async def store_files(objects: Objects, prefix: str, directory: Path, files: Mapping[str, str]) -> None:
    """Store files (path in the directory and below the prefix → content type), all at once.

    When it's cancelled, or one can't be stored, PUTs under way may end first.
    """
    with storage_faults():
        await together(
            *(
                _to_its_end(objects.put_file(prefix + path, directory / path, content_type=content_type))
                for path, content_type in files.items()
            )
        )


async def _to_its_end(put: Coroutine[Any, Any, None]) -> None:
    """A PUT that is cut may be stored all the same, a moment after all objects of its run were removed."""
    task = asyncio.ensure_future(put)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=END_SECONDS)
        raise
    finally:
        task.cancel()


async def together(first: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, object]) -> T:
    """Do all at once; the first one's result. When one raises, the others are cancelled, once, and waited for."""
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            result = group.create_task(first)
            for other in others:
                group.create_task(other)
    except ExceptionGroup as several:
        failed = several.exceptions[0]
    if failed:
        raise failed  # out here it keeps the cause and the context that it has
    return result.result()
