"""The table that brings high dynamic range to standard range."""

import pytest

from services.media.transcoders.ffmpeg.tonemap import EDGE, HDR_TRANSFERS, cube


def table(transfer: str) -> list[tuple[float, ...]]:
    head, *lines = cube(transfer).splitlines()
    assert head == f"LUT_3D_SIZE {EDGE}"
    return [tuple(map(float, line.split())) for line in lines]


@pytest.mark.parametrize("transfer", sorted(HDR_TRANSFERS))
def test_every_colour_of_the_table_can_be_shown(transfer: str) -> None:
    colours = table(transfer)
    assert len(colours) == EDGE**3
    assert all(0 <= part <= 1 for colour in colours for part in colour)


@pytest.mark.parametrize("transfer", sorted(HDR_TRANSFERS))
def test_grey_stays_grey_and_grows_without_a_step_to_white(transfer: str) -> None:
    greys = table(transfer)[:: EDGE * EDGE + EDGE + 1]
    assert len(greys) == EDGE
    assert all(max(grey) - min(grey) < 0.002 for grey in greys)
    levels = [grey[0] for grey in greys]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 1)


def test_reference_white_is_nearly_white_and_leaves_room_for_highlights() -> None:
    # BT.2408: reference white is 75 % of HLG's signal, three quarters of the table's diagonal.
    white = table("arib-std-b67")[:: EDGE * EDGE + EDGE + 1][24]
    assert 0.92 < white[0] < 0.95
