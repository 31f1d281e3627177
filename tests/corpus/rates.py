"""Frame rates, steady and not."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.clip import Clip
from tests.corpus.scene import picture, record, sound

_STEADY = {
    "10": 10.0, "24000/1001": 23.976, "24": 24, "25": 25, "30000/1001": 29.97, "48": 48, "50": 50,
    "60000/1001": 59.94, "60": 60, "90": 45, "120": 60, "120000/1001": 59.94, "240": 60,
}  # fmt: skip
# Slide shows: rate and seconds.
_SLOW = {"15/2": 2.0, "2/3": 6.0, "1/2": 10.0, "1/5": 5.0, "1/10": 30.0}
# A clock of 90 kHz; frames as they come.
_AS_THEY_COME = ("-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-video_track_timescale", "90000")
_VARIABLE = {
    # A phone's camera: 30 a second, each up to 3 ms early or late.
    "jitter": ("settb=1/90000,setpts='(N/30+0.003*sin(N*2.3)+0.003)/TB'", 30, "30"),
    # It grows dark: 30 a second, then 15.
    "darkness": ("select='lt(t,0.7)+not(mod(n,2))'", 30, "30"),
    # Frames get lost, single ones and seven in a row.
    "dropped": ("select='not(between(n,18,24)+eq(n,5)+eq(n,33))'", 30, "30"),
    # A screen recorder: frames only where something changes.
    "screen": ("select='not(mod(n,7))+between(t,0.39,0.52)+between(t,0.99,1.12)'", 60, "60"),
    # Slides, of which the last is shown for a moment only.
    "slides": ("select='eq(n,0)+eq(n,8)+eq(n,10)+eq(n,20)+eq(n,22)+eq(n,29)'", 30, "20"),
    # A rate that drifts from 28 to 32 frames a second.
    "drift": ("settb=1/90000,setpts='(N/28-N*N*0.00006)/TB'", 30, "30"),
    # 120 a second with jitter.
    "fast-jitter": ("settb=1/90000,setpts='(N/120+0.001*sin(N)+0.001)/TB'", 60, "120"),
}
# When the last frame of the recording ends, where that is not with the sound.
_ENDS = {"screen": 1.417}


def clips() -> Iterator[Clip]:
    for rate, out in _STEADY.items():
        name = f"{rate.replace('/', 'd')}-fps"
        yield Clip(name, lambda path, rate=rate: record(path, scene=picture(rate=rate)), rate=out)
    for rate, seconds in _SLOW.items():
        yield Clip(
            f"{rate.replace('/', 'd')}-fps",
            lambda path, rate=rate, seconds=seconds: _slow(path, rate, seconds),
            rate=15 if rate == "15/2" else 10,
            seconds=seconds,
            flashes=(),
        )
    for name, (timing, out, rate) in _VARIABLE.items():
        scene = picture(rate=rate, timing=timing)
        make = lambda path, scene=scene: record(path, *_AS_THEY_COME, scene=scene)  # noqa: E731
        yield Clip(f"variable-{name}", make, rate=out, seconds=_ENDS.get(name, 1.5))


def _slow(path: Path, rate: str, seconds: float) -> None:
    """Nothing flashes: a frame lasts longer than a beep."""
    scene = picture(seconds=seconds, rate=rate, flashes=())
    record(path, scene=scene, sounds=sound(seconds=seconds, beeps=()))
