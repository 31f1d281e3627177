"""What the infrastructure writes lies in its home, so that removing the home removes all of it."""

from pathlib import Path

import psutil
import pytest

from deploy.local.infrastructure import socket_files
from deploy.local.stack import Stack


@pytest.mark.parametrize("server", ["postgres", "s3", "kafka"])
def test_a_server_writes_no_file_outside_of_its_home(stack: Stack, server: str) -> None:
    leader = psutil.Process(stack.pid(server))
    processes = [leader, *leader.children(recursive=True)]
    files = {file.path for process in processes for file in process.open_files() if file.mode != "r"}
    sockets = {str(socket.laddr) for process in processes for socket in process.net_connections("unix")}

    assert files, "a server that writes nothing is not looked at"
    assert {file for file in files if not Path(file).is_relative_to(stack.home.path)} == set()
    # One whose name begins with @ has no file.
    assert {name for name in sockets if name and not name.startswith("@")} <= set(map(str, socket_files(stack.ports)))
