"""The confinement of programs that read untrusted bytes, shown by programs that try to get out."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from services.media.sandbox import Limits, NotConfined, OutOfTime, confined

LIMITS = Limits(wall_seconds=20, cpu_seconds=10, memory_bytes=512 * 1024**2, file_bytes=1024**2)


async def run(program: str, directory: Path, limits: Limits = LIMITS) -> tuple[int, str]:
    """Exit code and output of a confined Python program."""
    async with confined([sys.executable, "-I", "-c", program], directory=directory, limits=limits) as child:
        output = await child.stdout.read()
        return await child.ended(), output.decode().strip()


async def test_no_setting_of_the_worker_reaches_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_S3_SECRET_KEY", "very-secret")
    _, output = await run("import os; print(sorted(os.environ))", tmp_path)
    assert set(eval(output)) <= {"HOME", "LANG", "TMPDIR", "LC_CTYPE"}  # noqa: S307


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


@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit()"], ids=["stays", "leaves a child behind"])
async def test_the_program_and_what_it_started_end_with_the_block(then: str, tmp_path: Path) -> None:
    program = f"import os, sys, time\nif os.fork() == 0: time.sleep(600)\nprint(os.getpid(), flush=True)\n{then}"
    async with confined([sys.executable, "-I", "-c", program], directory=tmp_path, limits=LIMITS) as child:
        group = int(await child.stdout.readline())
        os.killpg(group, 0)
    for _ in range(200):
        if not group_lives(group):
            break
        await asyncio.sleep(0.01)
    assert not group_lives(group)


def group_lives(group: int) -> bool:
    """Whether a process of the group is left that is more than a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue
        state, _, its_group, *_ = rest.split()
        if int(its_group) == group and state != "Z":
            return True
    return False


async def test_a_program_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="longer than 0"):
        await run("import time; time.sleep(600)", tmp_path, replace(LIMITS, wall_seconds=0.5))


async def test_a_timeout_of_the_block_itself_is_not_mistaken_for_the_programs(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with confined([sys.executable, "-I", "-c", "input()"], directory=tmp_path, limits=LIMITS):
            raise TimeoutError


async def test_the_program_dies_with_the_worker(tmp_path: Path) -> None:
    worker = """
import asyncio, sys
from pathlib import Path
from services.media.sandbox import Limits, confined
async def main():
    limits = Limits(wall_seconds=600, cpu_seconds=10, memory_bytes=1 << 29, file_bytes=1 << 20)
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    async with confined([sys.executable, "-I", "-c", program], directory=Path(sys.argv[1]), limits=limits) as child:
        print((await child.stdout.readline()).decode(), end="", flush=True)
        await child.ended()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", worker, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    child = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    for _ in range(500):
        if not group_lives(child):
            break
        await asyncio.sleep(0.01)
    assert not group_lives(child)


async def test_a_program_that_cannot_be_confined_is_not_run(tmp_path: Path) -> None:
    async with confined([tmp_path / "no-such-program"], directory=tmp_path, limits=LIMITS) as child:
        with pytest.raises(NotConfined, match="FileNotFoundError"):
            await child.ended()


async def test_privileges_cannot_be_gained(tmp_path: Path) -> None:
    _, output = await run("print(open('/proc/self/status').read())", tmp_path)
    assert "NoNewPrivs:\t1" in output


async def test_complaints_are_kept_to_their_end(tmp_path: Path) -> None:
    program = "import sys; sys.stderr.write('x' * 100_000 + 'the reason')"
    async with confined([sys.executable, "-I", "-c", program], directory=tmp_path, limits=LIMITS) as child:
        await child.ended()
    assert child.complaints.endswith("xthe reason")
    assert len(child.complaints) <= 8192
