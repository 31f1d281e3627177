"""What the object store's errors mean to a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.errors import Unavailable
from chassis.object_store import ObjectNotFound
from services.media.domain.outcomes import Fault


@contextmanager
def storage_faults() -> Iterator[None]:
    """Turn Unavailable into a transient STORAGE_ERROR, and an original that is gone into a permanent one."""
    try:
        yield
    except Unavailable as error:
        raise Fault("STORAGE_ERROR", "The storage of videos did not answer.", transient=True) from error
    except ObjectNotFound as error:
        raise Fault("STORAGE_ERROR", "The uploaded file is not stored any more.", transient=False) from error
