"""What the client's README shows of a shell is what the commands print, but for numbers, names and times."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from nextplay_client.cli.app import COMMANDS
from tests.e2e.shell import shell

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OF_NO_MATTER = (
    (UUID, "ID"),
    (r"\b[0-9a-f]{32}\b", "TRACE"),
    (r"token=\S+", "token=TOKEN"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"(\d+ min )?[\d.]+ (ms|s|min|h)\b( \d+ (s|min)\b)?( ago)?|\bnow\b", "DURATION"),
    (r"\+DURATION", ""),
    (r"[\d.]+ (MB|kB)", "SIZE"),
    ("█+", "BAR"),
    (" +", " "),
)


def shape(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    for pattern, word in OF_NO_MATTER:
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.strip().splitlines()]


def transcript() -> list[tuple[str, str]]:
    """Each command of the README's console, and what it is shown to print."""
    shown = re.search(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    assert shown, "the README shows no console"
    asked = [step.partition("\n") for step in re.split(r"^\$ nextplay ", shown[1], flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in asked]


def test_the_console_of_the_readme_is_true(
    platform: Stack, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(clip, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    reader, video_id = shell(platform, "reader"), ""
    for command, output in transcript():
        name, *arguments = [video_id if re.fullmatch(UUID, word) else word for word in shlex.split(command)]
        done = reader.run(name, *arguments)
        assert done.status == 0, done.err
        assert shape(done.out) == shape(output)
        video_id = video_id or done.out.split()[1]


def test_the_readme_names_every_command() -> None:
    text = README.read_text()
    assert [command.name for command in COMMANDS if not re.search(rf"`{command.name}\b", text)] == []
