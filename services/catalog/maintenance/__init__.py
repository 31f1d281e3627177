"""The jobs: each is one function that calls use cases, and may run twice at once."""

from services.catalog.maintenance.archiving import archive_old_videos
from services.catalog.maintenance.cleaning import clean_up
from services.catalog.maintenance.unsticking import unstick_videos

__all__ = ["archive_old_videos", "clean_up", "unstick_videos"]
