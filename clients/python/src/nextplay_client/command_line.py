"""The `nextplay` command.

Exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 3 the video was rejected or its processing
failed, 130 interrupted.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import stamina.instrumentation

from nextplay_client import Client, local_stack
from nextplay_client.errors import NextPlayError, VideoNotReady
from nextplay_client.progress import follow_upload

EXAMPLES = """examples:
  nextplay upload clip.mp4 --title "My first goal" --category sports --publish
  nextplay upload clip.mp4 --title Trial --user alice        (local stack: as alice)
  nextplay token --user alice --tier paid                    (local stack: prints a token)

A token and an address come from --token and --url, from NEXTPLAY_TOKEN and NEXTPLAY_URL, or from the local stack
that runs in this folder or one above it.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    parsed = _parser().parse_args(arguments)
    stamina.instrumentation.set_on_retry_hooks([_say_that_it_tries_again])
    try:
        parsed.run(parsed)
    except VideoNotReady as error:
        print(f"nextplay: {error}", file=sys.stderr)
        raise SystemExit(3) from None
    except FileNotFoundError as error:
        print(f"nextplay: there is no file {error.filename}", file=sys.stderr)
        raise SystemExit(1) from None
    except (NextPlayError, OSError) as error:
        print(f"nextplay: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("nextplay: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _say_that_it_tries_again(details: stamina.instrumentation.RetryDetails) -> None:
    if details.retry_num > 1:  # the first is over before anybody wonders
        print(f"no answer, trying again in {details.wait_for:.0f} s", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nextplay",
        description="Upload, watch and publish short videos.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upload = commands.add_parser("upload", help="upload a clip and wait until it is ready")
    upload.add_argument("clip", type=Path, help="an MP4 or MOV file of at most 150 MB and 30 s")
    upload.add_argument("--title", help="1 to 80 characters (default: the file's name)")
    upload.add_argument("--category", default="other", help="sports, music, gaming, … (default: other)")
    upload.add_argument("--visibility", default="public", choices=("public", "unlisted", "private"))
    upload.add_argument("--publish", action="store_true", help="publish it when it is ready")
    upload.add_argument("--json", action="store_true", help="print the video as JSON, no progress")
    upload.add_argument("--url", default=os.environ.get("NEXTPLAY_URL"), help="address of the gateway")
    upload.add_argument("--token", default=os.environ.get("NEXTPLAY_TOKEN"), help="token of the user")
    upload.add_argument("--user", default="alice", help="user of the local stack, where no token is given")
    upload.set_defaults(run=_upload)

    token = commands.add_parser("token", help="print a token of the local stack's issuer")
    token.add_argument("--user", required=True, help="a name; the same name is always the same user")
    token.add_argument("--tier", default="free", choices=("free", "verified", "paid"))
    token.set_defaults(run=_token)
    return parser


def _upload(parsed: argparse.Namespace) -> None:
    url = parsed.url or local_stack.find()["gateway"]
    token = parsed.token or local_stack.token(parsed.user)
    with Client(url, token) as client:
        video = follow_upload(
            client,
            parsed.clip,
            title=parsed.title or parsed.clip.stem[:80],
            category=parsed.category,
            visibility=parsed.visibility,
            publish=parsed.publish,
            quiet=parsed.json,
        )
    if parsed.json:
        print(json.dumps(video, indent=2))
    else:
        print(f"{video['status']}  {video['video_id']}")
        for asset in video["assets"]:
            print(f"  {asset['kind']:8} {asset['size_bytes']:>10,} bytes  {asset['url']}")


def _token(parsed: argparse.Namespace) -> None:
    print(local_stack.token(parsed.user, parsed.tier))
