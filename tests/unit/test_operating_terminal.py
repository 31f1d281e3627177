"""What a command of operators does when the person at the terminal has enough."""

import os
import pty
import signal
import subprocess
import sys

COMMAND = """
import argparse, asyncio, contextlib, types
from operating import desk

@contextlib.asynccontextmanager
async def no_pool(*_, **__):
    yield None

desk.open_pool = no_pool
async def rows(place, asked): return [{"id": number} for number in range(5000)]
async def do(place, row, reason): raise AssertionError("nobody said yes")
commands = {"list": desk.Look("list", rows), "end": desk.Change("end", rows, do)}
parser = argparse.ArgumentParser()
desk.desk_for("x", consumes=[], groups={"things": desk.Group("things", commands)})(parser.add_subparsers())
asked = parser.parse_args()
dsn = types.SimpleNamespace(get_secret_value=lambda: "")
raise SystemExit(asked.run(types.SimpleNamespace(postgres_dsn=dsn, kafka=None), asked))
"""
LIST = [sys.executable, "-c", COMMAND, "things", "list", "--limit", "10000"]
END = [sys.executable, "-c", COMMAND, "things", "end", "--all", "--reason", "r", "--by", "ann", "--limit", "10000"]


def test_nobody_who_reads_on_is_no_mistake() -> None:
    with subprocess.Popen(LIST, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout
        assert command.stderr
        assert command.stdout.readline().strip() == b"id"
        command.stdout.close()
        assert (command.stderr.read(), command.wait(30)) == (b"", 0)


def test_ctrl_c_at_the_question_ends_it() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(END, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        try:
            assert command.stdout
            assert command.stderr
            said = b""
            while not said.endswith(b"[y/N] "):
                more = command.stdout.read1()
                assert more, said
                said += more
            command.send_signal(signal.SIGINT)
            assert (command.wait(30), command.stderr.read()) == (1, b"Interrupted.\n")
        finally:
            command.kill()
    os.close(ours)
    os.close(theirs)
