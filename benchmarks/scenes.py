"""A clip like one from a phone, for measuring what encoders do: edges and textures of all sizes, seen by a hand that
moves, with something that moves through the picture and a sensor that makes noise.

Test patterns do not do: they are flat where pictures are not, and repeat what never repeats.
"""

import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray

from deploy.local.home import ROOT

SECONDS = 15
_CACHE = ROOT / ".cache"
_WALL = (2112, 1188)
_FIGURE = (300, 400)

# A hand that sways and a slow step towards the wall, in fractions of a pixel; the corners of what is seen.
_SWAY_X, _SWAY_Y = "55*sin(on/41)+18*sin(on/13)+3*sin(on/3.1)", "30*sin(on/53)+9*cos(on/17)+3*cos(on/2.7)"
_NEARER = "0.09*on"
_LEFT, _RIGHT = f"100+{_SWAY_X}+{_NEARER}", f"W-100+{_SWAY_X}-{_NEARER}"
_TOP, _BOTTOM = f"56+{_SWAY_Y}+{_NEARER}*9/16", f"H-56+{_SWAY_Y}-{_NEARER}*9/16"
_SCENE = (
    "[0:v]format=yuv420p,perspective="
    f"x0='{_LEFT}':y0='{_TOP}':x1='{_RIGHT}':y1='{_TOP}':x2='{_LEFT}':y2='{_BOTTOM}':x3='{_RIGHT}':y3='{_BOTTOM}':"
    "eval=frame,scale=1920:1080:flags=bicubic[wall];"
    "[wall][1:v]overlay=x='700+600*sin(t*0.9)':y='400+60*abs(sin(t*4.5))',"
    "noise=c0s=7:c0f=t:c1s=4:c1f=t:c2s=4:c2f=t,"
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p[picture]"
)


def camera_clip(seconds: int = SECONDS) -> Path:
    """1080p30 in H.264 at about 17 Mbit/s with stereo sound, as phones write it; made once, whole or not at all."""
    path = _CACHE / f"camera-{seconds}s.mp4"
    if path.exists():
        return path
    _CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    command = [
        *(get_ffmpeg_exe(), "-y", "-loglevel", "error"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "x".join(map(str, _WALL)), "-r", "30", "-i", "pipe:0"),
        *("-f", "lavfi", "-i", f"testsrc2=s={_FIGURE[0]}x{_FIGURE[1]}:r=30,hue=s=0.6,format=yuv420p"),
        *(
            "-f",
            "lavfi",
            "-i",
            "anoisesrc=c=pink:a=0.3:seed=5:r=48000,tremolo=f=3:d=0.8,aformat=channel_layouts=stereo",
        ),
        *("-filter_complex", _SCENE, "-map", "[picture]", "-map", "2:a", "-t", str(seconds)),
        *("-c:v", "libx264", "-preset", "veryfast", "-b:v", "17M", "-maxrate", "24M", "-bufsize", "24M", "-g", "30"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *("-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart", str(unfinished)),
    ]
    frame = _wall(*_WALL).tobytes()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin
        for _ in range(seconds * 30 + 1):
            try:
                encoder.stdin.write(frame)
            except BrokenPipeError:
                break
    if encoder.returncode != 0:
        raise SystemExit(f"ffmpeg could not make {path}")
    unfinished.replace(path)
    return path


def largest_clip() -> Path:
    """A second of 4K60 in 10-bit HEVC with HLG, the most that phones record."""
    path = _CACHE / "largest.mp4"
    if path.exists():
        return path
    _CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name("unfinished-largest.mp4")
    scene = (
        "testsrc2=s=3840x2160:r=60:d=1,format=yuv420p10le,"
        "setparams=range=tv:color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"
    )
    encoder = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")
    command = (get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "lavfi", "-i", scene, *encoder, str(unfinished))
    subprocess.run(command, check=True, timeout=600)
    unfinished.replace(path)
    return path


def _wall(width: int, height: int) -> NDArray[np.uint8]:
    """Leaves of all sizes lying over each other, which have the statistics of pictures: as many edges at every scale,
    and each leaf with a grain of its own. Fewer towards the top, where the sky is.
    """
    chance = np.random.default_rng(11)
    rows, columns = np.ogrid[:height, :width]
    picture = (np.array([150, 175, 215]) + 40 * rows[..., None] / height + 0 * columns[..., None]).astype(np.float32)
    grain = chance.normal(0, 1, (height, width)).astype(np.float32)
    for radius in sorted(12 / chance.power(1.5, 1800), reverse=True):
        reach = int(min(radius, 300)) + 1
        x, y = int(chance.integers(0, width)), int(height * (0.25 + 0.8 * chance.power(1.6)))
        place = np.s_[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
        tall, wide = chance.uniform(0.5, 1), chance.uniform(0.5, 1)
        inside = ((rows[place[0]] - y) / tall) ** 2 + ((columns[:, place[1]] - x) / wide) ** 2 < reach**2
        shade = chance.uniform(25, 225) + chance.normal(0, 18, 3) + chance.uniform(0, 10) * grain[place][..., None]
        picture[place] = np.where(inside[..., None], shade, picture[place])
    shown: NDArray[np.uint8] = np.clip(picture, 0, 255).astype(np.uint8)
    return shown
