"""What every clip shows and sounds like: four coloured corners on a grey that moves, white flashes between them, and a
beep with each flash.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.corpus.clip import ffmpeg

RED, GREEN, BLUE, WHITE = (200, 40, 40), (40, 180, 40), (40, 40, 200), (235, 235, 235)
CORNERS = (RED, GREEN, BLUE, WHITE)
"""From the top left, by rows."""
FLASHES = (0.4, 1.0)
FLASH_SECONDS = 0.1
BEEP_HZ = 1000

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-bf", "2", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "14", "-x265-params", "log-level=none", "-tag:v", "hvc1")
AAC = ("-c:a", "aac", "-b:a", "160k")
TO_BT709 = "scale=out_color_matrix=bt709:out_range=tv"


def picture(
    size: tuple[int, int] = (320, 180),
    *,
    seconds: float = 1.5,
    rate: str = "30",
    flashes: Sequence[float] = FLASHES,
    timing: str = "null",
) -> str:
    """The scene as a filter graph of RGB; `timing` is a filter that moves or drops frames before they flash."""
    width, height = size
    wide, high = max(1, width // 4), max(1, height // 4)
    places = ((0, 0), (width - wide, 0), (0, height - high), (width - wide, height - high))
    marks = [
        f"drawbox=x={x}:y={y}:w={wide}:h={high}:t=fill:color=0x{red:02x}{green:02x}{blue:02x}"
        for (x, y), (red, green, blue) in zip(places, CORNERS, strict=True)
    ]
    # Half a millisecond early, so that the frame at the flash's own time is in it however that is rounded.
    lit = "+".join(f"between(t,{at - 0.0005},{at + FLASH_SECONDS - 0.0015})" for at in flashes) or "0"
    flash = f"drawbox=x={wide}:y={high}:w={width - 2 * wide}:h={height - 2 * high}:t=fill:c=white:enable='{lit}'"
    return ",".join(
        (f"testsrc=s={width}x{height}:r={rate}:d={seconds},hue=s=0:b=-2,format=rgb24", timing, flash, *marks)
    )


def sound(*, seconds: float = 1.5, layout: str = "stereo", rate: int = 48_000, beeps: Sequence[float] = FLASHES) -> str:
    """Beeps of amplitude 0.5 in every channel, as a filter graph."""
    heard = "+".join(f"between(t,{at},{at + FLASH_SECONDS})" for at in beeps) or "0"
    wave = f"0.5*sin(2*PI*{BEEP_HZ}*t)*({heard})"
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[layout]
    return f"aevalsrc='{'|'.join([wave] * channels)}':s={rate}:d={seconds}:c={layout}"


def told(span: str = "tv", primaries: str = "bt709", transfer: str = "bt709", matrix: str = "bt709") -> str:
    """The filter that says of the samples what they are, or what they are not."""
    return f"setparams=range={span}:color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"


def record(path: Path, *options: str, scene: str = "", sounds: str = "", mute: bool = False) -> None:
    """Write the scene with its sound; `options` come last and so override: H.264, AAC, 30 frames a second. Of a scene
    that has its samples already, they are kept.
    """
    heard = () if mute else ("-f", "lavfi", "-i", sounds or sound())
    shown = scene or picture()
    samples = shown if "setparams" in shown else f"{shown},{TO_BT709},format=yuv444p,{told()}"
    ffmpeg("-f", "lavfi", "-i", samples, *heard, *H264, *(() if mute else AAC), *options, path)
