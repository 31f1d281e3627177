"""How a run stores its files, and what the object store's errors mean to it."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from chassis.errors import Unavailable
from chassis.object_store import ObjectNotFound
from chassis.telemetry import logger
from services.media.domain.outcomes import Fault, original_gone
from services.media.ports import Objects

T = TypeVar("T")

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
    """Store files (path in the directory and below the prefix → content type), all at once."""
    with storage_faults():
        await together(
            *(
                objects.put_file(prefix + path, directory / path, content_type=content_type)
                for path, content_type in files.items()
            )
        )


async def together(first: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, object]) -> T:
    """Do all at once; the first one's result. When one raises, the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(first), *(asyncio.ensure_future(other) for other in others)]
    try:
        result, *_ = await asyncio.gather(*tasks)
        return cast("T", result)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
