"""What a listener hears in an output."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Heard:
    """The decoded sound from time 0 on: channels × samples, −1 to 1."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def channels(self) -> int:
        return len(self.samples)

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate

    @cached_property
    def beeps(self) -> list[float]:
        """When sound begins after a silence of a twentieth of a second or more, in seconds."""
        loud = np.flatnonzero(np.abs(self.samples).max(axis=0) > 0.12) / self.rate
        return [float(at) for at, before in zip(loud, [-1, *loud], strict=False) if at - before > 0.05]

    def amplitude(self, hertz: float, begin: float, end: float) -> NDArray[np.float64]:
        """How loud a pitch is in each channel between two times, as the amplitude of its wave."""
        part = self.samples[:, round(begin * self.rate) : round(end * self.rate)]
        wave = np.exp(-2j * np.pi * hertz * np.arange(part.shape[1]) / self.rate)
        window = np.hanning(part.shape[1])
        loud: NDArray[np.float64] = 2 * np.abs((part * window) @ wave) / window.sum()
        return loud


def listen(path: Path) -> Heard:
    """Decode the first audio track; silence stands where it begins late."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        frames = list(container.decode(stream))
        begin = float(frames[0].time or 0)
        sound = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        before = max(0, round(begin * rate))
        return Heard(np.pad(sound, ((0, 0), (before, 0)))[:, max(0, -round(begin * rate)) :].astype(np.float32), rate)
