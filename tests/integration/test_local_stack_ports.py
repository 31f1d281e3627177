"""Homes that start at the same time never choose the same ports."""

import socket
from pathlib import Path

from deploy.local.ports import reserve

NAMES = ("postgres", "s3", "kafka")


def test_two_homes_at_once_share_no_port(tmp_path: Path) -> None:
    with reserve(tmp_path / "one", NAMES) as one, reserve(tmp_path / "two", NAMES) as two:
        assert not set(one.values()) & set(two.values())


def test_the_same_ports_are_taken_again(tmp_path: Path) -> None:
    with reserve(tmp_path / "ports", NAMES) as before:
        pass

    with reserve(tmp_path / "ports", NAMES) as after:
        assert after == before


def test_ports_that_another_program_took_meanwhile_are_replaced(tmp_path: Path) -> None:
    with reserve(tmp_path / "ports", NAMES) as before:
        pass

    with socket.create_server(("127.0.0.1", before["kafka"])), reserve(tmp_path / "ports", NAMES) as after:
        assert not set(after.values()) & set(before.values())
