"""The sample clip: 10 s of 1080p30 with a moving picture and an arpeggio, made once by ffmpeg."""

import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from deploy.local.home import ROOT, Trouble

SAMPLE = ROOT / ".cache" / "sample.mp4"

_SECONDS = 10
_PICTURE = (
    "gradients=size=1920x1080:rate=30:nb_colors=4:speed=0.03:seed=7[sky];"
    "testsrc2=size=960x540:rate=30[figure];"
    "[sky][figure]overlay=x='480+420*sin(t*1.3)':y='270+220*cos(t*1.7)',"
    "noise=alls=12:allf=t,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p[picture]"
)
# Sixteen notes in four seconds, up and down a chord whose root moves every 2.5 s, each note dying away like a string.
_STEP = "abs(mod(floor(t*4)+4,8)-4)"
_ROOT = "-3*eq(floor(t/2.5),1)-7*eq(floor(t/2.5),2)-5*eq(floor(t/2.5),3)"
_PITCH = f"220*pow(2,(4*{_STEP}-eq({_STEP},2)+{_ROOT})/12)"
_NOTE = f"0.4*exp(-6*mod(t,0.25))*(sin(2*PI*t*{_PITCH})+0.3*sin(4*PI*t*{_PITCH}))"
_BASS = f"0.2*sin(2*PI*t*55*pow(2,({_ROOT})/12))"
_SOUND = f"aevalsrc='{_NOTE}+{_BASS}|{_NOTE}-{_BASS}':sample_rate=48000:channel_layout=stereo[sound]"


def sample_clip() -> Path:
    """The sample clip, made when it is missing (some seconds of both cores). It appears whole or not at all."""
    if SAMPLE.exists():
        return SAMPLE
    SAMPLE.parent.mkdir(parents=True, exist_ok=True)
    unfinished = SAMPLE.with_name("sample.unfinished.mp4")
    command = [
        *(get_ffmpeg_exe(), "-y", "-loglevel", "error", "-nostdin"),
        *("-filter_complex", f"{_PICTURE};{_SOUND}", "-map", "[picture]", "-map", "[sound]", "-t", str(_SECONDS)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "18M", "-maxrate", "24M", "-bufsize", "24M"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *("-g", "60", "-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart", str(unfinished)),
    ]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if made.returncode != 0:
        raise Trouble(f"ffmpeg could not make the sample clip {SAMPLE}: {made.stderr.strip()}")
    unfinished.replace(SAMPLE)
    return SAMPLE
