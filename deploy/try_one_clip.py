"""Takes one clip from upload to READY, as a client does it, and deletes it again: what `helm test` runs.

`python -m deploy.try_one_clip` with NEXTPLAY_URL, the address of the gateway, and NEXTPLAY_TOKEN, a user's token.
Exits with 0 when the video became READY, else with 1 and the reason.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from nextplay_client import Client, NextPlayError

_SECONDS = 2


def make_clip(path: Path) -> None:
    """Two seconds of 720p with a tone."""
    command = [
        *(get_ffmpeg_exe(), "-loglevel", "error", "-nostdin"),
        *("-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=30:duration={_SECONDS}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={_SECONDS}"),
        *("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", str(path)),
    ]
    subprocess.run(command, check=True, timeout=120)


def take(client: Client, clip: Path) -> None:
    """Uploads the clip, waits until it is READY and deletes it. Raises `NextPlayError` with what went wrong."""
    upload = client.upload(clip, title="A test of the installation", category="other")
    try:
        client.wait(upload["video_id"])
    finally:
        client.delete(upload["video_id"])


def main() -> int:
    given = [os.environ.get(name, "") for name in ("NEXTPLAY_URL", "NEXTPLAY_TOKEN")]
    if not all(given):
        print("NEXTPLAY_URL and NEXTPLAY_TOKEN have to be set.", file=sys.stderr)  # noqa: T201
        return 1
    try:
        with tempfile.TemporaryDirectory() as directory, Client(*given) as client:
            clip = Path(directory) / "clip.mp4"
            make_clip(clip)
            take(client, clip)
    except (NextPlayError, subprocess.SubprocessError, OSError) as error:
        print(f"The clip did not become READY: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print("A clip went from upload to READY.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
