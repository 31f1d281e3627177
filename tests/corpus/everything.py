"""All clips, by name."""

from collections.abc import Mapping
from itertools import chain

from tests.corpus import changes, colours, light, lying, rates, shapes, sound, tables, tracks
from tests.corpus.clip import Clip

CORPUS: Mapping[str, Clip] = {
    clip.name: clip
    for clip in chain.from_iterable(
        subject.clips() for subject in (lying, shapes, colours, light, rates, tables, tracks, sound, changes)
    )
}
