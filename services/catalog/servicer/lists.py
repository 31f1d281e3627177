"""How every list of videos is answered."""

from collections.abc import Callable, Sequence

from chassis.paging import AskedPage, Position
from nextplay.catalog.v1.videos_service_pb2 import VideoSummary
from services.catalog.mapping.lists import summary
from services.catalog.ports.playback import SignAsset
from services.catalog.reads.lists import ListedVideo
from services.catalog.usecases.playback import sign_assets


async def summaries(
    asked: AskedPage, rows: Sequence[ListedVideo], order: Callable[[ListedVideo], Position], sign: SignAsset
) -> tuple[list[VideoSummary], str]:
    """The videos of a page with their URLs, and the token of the next page."""
    page, token = asked.cut(rows, order)
    return [
        summary(row, await sign_assets(sign, row.video_id, row.status, row.visibility, row.asset_keys)) for row in page
    ], token
