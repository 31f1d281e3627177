"""A secret that is put into a file is found, and what is accepted as none is not."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.audit.secrets_scan import ACCEPTED, accept_all, changed, found


def private_key() -> str:
    return "-----BEGIN " + "PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n"


PLANTED = {
    "PrivateKeyDetector": private_key(),
    "AWSKeyDetector": "AKIA" + "Q7ZP2LNX4TRW6YBD",
    "BasicAuthDetector": "postgresql://upload:" + "q8Zr2mKp@db.example/nextplay",
    "JwtTokenDetector": "eyJhbGciOiJFUzI1NiJ9." + "eyJzdWIiOiJzZXJ2aWNlOnVwbG9hZCJ9.c2lnbmF0dXJlLW9mLWEtdG9rZW4",
    "KeywordDetector": "password = " + '"correct-horse-battery-staple"',
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_found_and_not_told(tmp_path: Path, planted: str) -> None:
    (tmp_path / "settings.py").write_text(f"# harmless\n{planted}\n")
    secrets = found(tmp_path, ["settings.py"])
    assert [(name, secret.line_number) for name, secret in secrets] == [("settings.py", 2)]
    assert planted not in str(secrets.json())


def test_an_ordinary_file_holds_none(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text('password = os.environ["NEXTPLAY_PASSWORD"]\n')
    assert not found(tmp_path, ["settings.py"])


def test_the_same_find_is_accepted_in_its_file_alone(tmp_path: Path) -> None:
    accepted_here, accepted_nowhere = tmp_path / "tests/integration", tmp_path / "services"
    line = "postgresql://{name}:" + "scratch@{where}"
    for directory in (accepted_here, accepted_nowhere):
        directory.mkdir(parents=True)
        (directory / "scratch.py").write_text(f'dsn = f"{line}"\n')
    assert found(tmp_path, ["services/scratch.py"])
    assert not found(tmp_path, ["tests/integration/scratch.py"])


def test_what_is_found_is_accepted_and_a_look_that_fails_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = tmp_path / "accepted.json"
    accepted.write_text(ACCEPTED.read_text())
    (tmp_path / "settings.py").write_text(PLANTED["KeywordDetector"] + "\n")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("deploy.audit.secrets_scan.found", interrupted)
        with pytest.raises(KeyboardInterrupt):
            accept_all(tmp_path, ["settings.py"], accepted)
    assert accepted.read_text() == ACCEPTED.read_text()
    accept_all(tmp_path, ["settings.py"], accepted)
    assert not found(tmp_path, ["settings.py"], accepted)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_files_that_git_would_take_are_read_when_they_changed(tmp_path: Path) -> None:
    assert changed(tmp_path, 0.0) is None
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name, seconds in ((".gitignore", 1000), ("old.py", 1000), ("new.py", 3000), ("ignored.py", 3000)):
        (tmp_path / name).write_text("ignored.py\n")
        os.utime(tmp_path / name, (seconds, seconds))
    assert changed(tmp_path, 0.0) == [".gitignore", "new.py", "old.py"]
    assert changed(tmp_path, 2000.0) == ["new.py"]
