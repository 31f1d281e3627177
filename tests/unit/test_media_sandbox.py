"""The confinement of programs that read untrusted bytes, shown by programs that try to get out."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.run import Service
from services.media import __main__ as media
from services.media.sandbox import PYTHON, Layer, Limits, NotConfined, Offer, OutOfTime, confined

LIMITS = Limits(wall_seconds=20, cpu_seconds=10, memory_bytes=512 * 1024**2, file_bytes=1024**2)


async def run(program: str, directory: Path, limits: Limits = LIMITS) -> tuple[int, str]:
    """Exit code and output of a confined Python program."""
    command = [sys.executable, "-I", "-c", program]
    async with confined(command, directory=directory, limits=limits, readable=PYTHON) as child:
        output = await child.stdout.read()
        return await child.ended(), output.decode().strip()


async def test_no_setting_of_the_worker_reaches_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_S3_SECRET_KEY", "very-secret")
    _, output = await run("import os; print(sorted(os.environ))", tmp_path)
    assert set(eval(output)) <= {"HOME", "LANG", "TMPDIR", "LC_CTYPE"}  # noqa: S307


async def test_no_open_file_of_the_worker_reaches_the_program(tmp_path: Path) -> None:
    program = """
import os
for number in range(3, 256):
    try:
        os.fstat(number)
    except OSError:
        continue
    print(number)
"""
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert await run(program, tmp_path) == (0, "")


async def test_a_file_cannot_grow_above_the_limit(tmp_path: Path) -> None:
    program = "f = open('out', 'wb')\ntry:\n    f.write(bytes(4 << 20)); f.flush()\nexcept OSError as e: print(e.errno)"
    _, output = await run(program, tmp_path)
    assert (output, (tmp_path / "out").stat().st_size) == ("27", 1024**2)


async def test_memory_is_limited(tmp_path: Path) -> None:
    _, output = await run("try: bytes(1 << 30)\nexcept MemoryError: print('refused')", tmp_path)
    assert output == "refused"


async def test_cpu_time_is_limited(tmp_path: Path) -> None:
    code, _ = await run("while True: pass", tmp_path, replace(LIMITS, cpu_seconds=1))
    assert code == -signal.SIGXCPU


async def test_open_files_are_limited(tmp_path: Path) -> None:
    program = "import os\ntry:\n    while True: os.dup(1)\nexcept OSError as e: print(e.errno)"
    _, output = await run(program, tmp_path, replace(LIMITS, open_files=32))
    assert output == "24"


@pytest.mark.parametrize("layers", [frozenset(), None], ids=["without layers", "with all"])
@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit()"], ids=["stays", "leaves a child behind"])
async def test_the_program_and_what_it_started_end_with_the_block(
    then: str, layers: frozenset[Layer] | None, tmp_path: Path
) -> None:
    program = f"""
import os, sys, time
try:
    if os.fork() == 0: time.sleep(600)
except OSError:
    pass
print("ready", flush=True)
{then}
"""
    command = [sys.executable, "-I", "-c", program]
    async with confined(command, directory=tmp_path, limits=LIMITS, readable=PYTHON, layers=layers) as child:
        assert await child.stdout.readline() == b"ready\n"
        assert layers is None or running_in(tmp_path)
    assert await none_is_left_in(tmp_path)


async def test_what_leaves_the_group_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Where no layer forbids it, a program may start another one that holds the pipes open and can't be found."""
    program = """
import os, time
if child := os.fork():
    print(child, flush=True)
else:
    os.setsid()
    time.sleep(600)
"""
    command = [sys.executable, "-I", "-c", program]
    limits = replace(LIMITS, wall_seconds=2)
    strays: list[int] = []

    async def wait_for_its_end() -> None:
        async with confined(command, directory=tmp_path, limits=limits, readable=PYTHON, layers=frozenset()) as child:
            strays.append(int(await child.stdout.readline()))
            await child.ended()
            await child.stdout.read()

    try:
        with pytest.raises(OutOfTime):
            await asyncio.wait_for(wait_for_its_end(), 60)
    finally:
        os.kill(strays[0], signal.SIGKILL)


async def none_is_left_in(directory: Path) -> bool:
    for _ in range(500):
        if not running_in(directory):
            return True
        await asyncio.sleep(0.01)
    return False


def running_in(directory: Path) -> list[str]:
    """The processes whose working directory it is, by whatever mount."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((process / "cwd").readlink()) == str(directory):
                found.append(process.name)
    return found


async def test_a_program_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="longer than 0"):
        await run("import time; time.sleep(600)", tmp_path, replace(LIMITS, wall_seconds=0.5))


async def test_a_timeout_of_the_block_itself_is_not_mistaken_for_the_programs(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with confined([sys.executable, "-c", "input()"], directory=tmp_path, limits=LIMITS, readable=PYTHON):
            raise TimeoutError


async def test_the_program_dies_with_the_worker(tmp_path: Path) -> None:
    worker = """
import asyncio, sys
from pathlib import Path
from services.media.sandbox import PYTHON, Limits, confined
async def main():
    limits = Limits(wall_seconds=600, cpu_seconds=10, memory_bytes=1 << 29, file_bytes=1 << 20)
    command = [sys.executable, "-I", "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    async with confined(command, directory=Path(sys.argv[1]), limits=limits, readable=PYTHON) as child:
        print((await child.stdout.readline()).decode(), end="", flush=True)
        await child.ended()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", worker, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    assert running_in(tmp_path)
    process.kill()
    await process.wait()
    assert await none_is_left_in(tmp_path)


async def test_a_program_that_cannot_be_confined_is_not_run(tmp_path: Path) -> None:
    async with confined([tmp_path / "no-such-program"], directory=tmp_path, limits=LIMITS) as child:
        with pytest.raises(NotConfined, match="FileNotFoundError"):
            await child.ended()


async def test_complaints_are_kept_to_their_end(tmp_path: Path) -> None:
    program = "import sys; sys.stderr.write('x' * 100_000 + 'the reason')"
    command = [sys.executable, "-I", "-c", program]
    async with confined(command, directory=tmp_path, limits=LIMITS, readable=PYTHON) as child:
        await child.ended()
    assert child.complaints.endswith("xthe reason")
    assert len(child.complaints) <= 8192


async def test_a_worker_without_a_required_layer_does_not_start_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "offer", lambda: Offer(frozenset({"seccomp"}), {"landlock": "it is not built in"}))
    service = Service("media-worker")
    with pytest.raises(NotConfined, match=r"landlock \(it is not built in\)"):
        media._tell_layers(service, ["seccomp", "landlock"])
    assert service.facts == {"sandbox": {"in_force": ["seccomp"], "missing": {"landlock": "it is not built in"}}}
    media._tell_layers(service, ["seccomp"])
