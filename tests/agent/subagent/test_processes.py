"""SystemProcesses: start, read, wait, terminate, kill (workflow spec 4.4, 4.5, 4.7)."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stellwerk.effects.processes import ProcessStart

if TYPE_CHECKING:
    from tests.agent.subagent.conftest import World


async def test_exit_code_and_both_channels(world: World) -> None:
    process = await world.shell("echo out; echo err >&2; exit 7")
    assert await world.result(process) == (7, b"out\n", b"err\n")


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("HUP", 129)])
async def test_a_signal_is_128_plus_its_number(world: World, name: str, code: int) -> None:
    assert await world.result(await world.shell(f"kill -{name} $$")) == (code, b"", b"")


async def test_standard_input_is_empty_and_nothing_else_is_inherited(world: World) -> None:
    inherited = os.open("/dev/null", os.O_RDONLY)
    process = await world.shell("cat; ls /proc/self/fd")
    os.close(inherited)
    # 3 is the directory that `ls` reads.
    assert await world.result(process) == (0, b"0\n1\n2\n3\n", b"")


async def test_a_session_of_its_own_and_default_signals(world: World) -> None:
    """Python ignores SIGPIPE; a job must not."""
    process = await world.shell("yes | head -1; cut -d' ' -f6 /proc/$$/stat; grep SigIgn /proc/$$/status")
    code, stdout, stderr = await world.result(process)
    lines = stdout.split()
    assert (code, stderr, lines[:2]) == (0, b"", [b"y", str(process.pid).encode()])
    assert int(lines[3], 16) & 0x7FFF_FFFF == 0, "the standard signals; 32 and 33 are the C library's own"


async def test_the_environment_carries_the_attempt_and_the_agent(world: World) -> None:
    process = await world.shell('echo "$STELLWERK_ATTEMPT $STELLWERK_AGENT $COLOUR"', COLOUR="grün")
    assert await world.result(process) == (0, f"1 {world.processes.agent_token} grün\n".encode(), b"")


async def test_a_program_is_looked_up_in_the_path_of_its_environment(world: World, tmp_path: Path) -> None:
    program = tmp_path / "my-program"
    program.write_text("#!/bin/sh\necho found $1\n")
    program.chmod(0o700)
    process = await world.start("my-program", "it", PATH=f"{tmp_path}:/bin")
    assert await world.result(process) == (0, b"found it\n", b"")


async def test_a_script_without_hash_bang_runs_with_the_shell(world: World, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo plain $1\n")
    script.chmod(0o700)
    assert await world.result(await world.start(str(script), "x")) == (0, b"plain x\n", b"")


async def test_working_directory(world: World, tmp_path: Path) -> None:
    process = await world.start("/bin/pwd", cwd=str(tmp_path))
    assert await world.result(process) == (0, os.fsencode(tmp_path) + b"\n", b"")


@pytest.mark.parametrize("has_directory", [False, True])
async def test_what_cannot_start_raises_and_leaves_nothing(world: World, tmp_path: Path, has_directory: bool) -> None:
    cwd = str(tmp_path) if has_directory else None
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "bad").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bad").chmod(0o700)
    before = len(os.listdir("/proc/self/fd"))
    for arguments, number in [
        ((str(tmp_path / "missing"),), errno.ENOENT),
        (("no-such-program-anywhere",), errno.ENOENT),
        ((str(tmp_path / "bad"),), errno.ENOENT),
        ((str(tmp_path / "text"),), errno.EACCES),
        ((str(tmp_path),), errno.EACCES),
        (("/bin/true", "x" * 200_000), errno.E2BIG),
    ]:
        with pytest.raises(OSError) as failure:
            await world.start(*arguments, cwd=cwd)
        assert failure.value.errno == number, arguments
    with pytest.raises(OSError) as failure:
        await world.start("/bin/true", cwd=str(tmp_path / "missing"))
    assert failure.value.errno == errno.ENOENT
    with pytest.raises(ValueError, match="null"):
        await world.start("/bin/true", cwd=cwd, NAME="a\0b")
    # The record and the pipe and pidfd of the watchdog.
    assert len(os.listdir("/proc/self/fd")) - before <= 3


async def test_terminate_is_sigterm_to_the_process_only(world: World) -> None:
    process = await world.shell("sleep 1000 & echo $!; wait")
    child = int(await world.read_until(process.read_stdout, b"\n"))
    process.terminate()
    assert await process.wait() == 143
    assert world.is_alive(child)
    process.kill()
    assert await world.result(process) == (143, b"", b"")
    world.wait_gone(child)


async def test_a_job_may_trap_sigterm(world: World) -> None:
    process = await world.shell("trap 'echo caught; exit 9' TERM; echo READY; while :; do sleep 0.01; done")
    await world.read_until(process.read_stdout, b"READY\n")
    process.terminate()
    assert await world.result(process) == (9, b"caught\n", b"")


async def test_kill_reaches_descendants_in_other_sessions(world: World) -> None:
    process = await world.shell("setsid sh -c 'echo $$; sleep 1000 & echo $!; echo READY; wait' & wait")
    out = await world.read_until(process.read_stdout, b"READY\n")
    pids = [int(word) for word in out.split()[:2]]
    process.kill()
    assert await world.result(process) == (137, b"", b"")
    for pid in pids:
        world.wait_gone(pid)


async def test_kill_reaches_orphans_of_the_session(world: World) -> None:
    process = await world.shell("(sleep 1000 & echo $!); echo READY; exec sleep 1000")
    orphan = int((await world.read_until(process.read_stdout, b"READY\n")).split()[0])
    process.kill()
    assert await world.result(process) == (137, b"", b"")
    world.wait_gone(orphan)


async def test_descendants_seen_at_terminate_are_killed_later(world: World) -> None:
    """The child is in another session, and its parent ends at SIGTERM: only memory finds it."""
    process = await world.shell("setsid sh -c 'trap \"\" TERM; echo $$; echo READY; sleep 1000; :' & wait")
    child = int((await world.read_until(process.read_stdout, b"READY\n")).split()[0])
    process.terminate()
    assert await process.wait() == 143
    assert world.is_alive(child)
    process.kill()
    assert await world.result(process) == (143, b"", b"")
    world.wait_gone(child)


async def test_kill_outruns_a_family_that_forks(world: World) -> None:
    process = await world.shell(
        "spawn() { echo x; [ $1 = 8 ] || { (spawn $(($1+1))) & (spawn $(($1+1))) & wait; sleep 1000; }; }; spawn 0"
    )
    await world.read_until(process.read_stdout, b"x\n")
    process.kill()
    process.abandon_output()
    assert await process.wait() == 137
    members = [
        pid
        for pid in os.listdir("/proc")
        if pid.isdigit() and world.is_alive(int(pid)) and _session(int(pid)) == process.pid
    ]
    for pid in members:
        world.wait_gone(int(pid))


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


async def test_signals_after_the_end_are_harmless(world: World) -> None:
    process = await world.shell("exit 0")
    assert await world.result(process) == (0, b"", b"")
    process.terminate()
    process.kill()
    process.abandon_output()
    assert await process.wait() == 0
    assert await process.read_stdout() == b""


async def test_wait_does_not_wait_for_pipes_that_a_child_holds(world: World) -> None:
    process = await world.shell("(read line < $FIFO; echo late) & exit 3", FIFO=world.new_fifo())
    assert await process.wait() == 3
    world.feed("go\n")
    assert await world.result(process) == (3, b"late\n", b"")


async def test_abandoning_wakes_the_reader(world: World) -> None:
    process = await world.shell("echo READY; exec sleep 1000")
    await world.read_until(process.read_stdout, b"READY\n")
    reading = asyncio.create_task(process.read_stdout())
    await asyncio.sleep(0)
    process.abandon_output()
    assert await reading == b""
    process.kill()
    assert await process.wait() == 137


async def test_a_cancelled_reader_loses_nothing(world: World) -> None:
    process = await world.shell("read line < $FIFO; echo $line", FIFO=world.new_fifo())
    reading = asyncio.create_task(process.read_stdout())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    world.feed("word\n")
    assert await world.result(process) == (0, b"word\n", b"")


async def test_nobody_reading_blocks_the_job(world: World) -> None:
    """The kernel's pipe holds 64 KiB: the job waits in its next write. (The pause can only make the test weaker.)"""
    process = await world.shell("head -c 65536 /dev/zero; echo FULL >&2; head -c 1 /dev/zero; echo DONE >&2")
    await world.read_until(process.read_stderr, b"FULL\n")
    done = asyncio.create_task(process.read_stderr())
    await asyncio.sleep(0.05)
    assert not done.done()
    assert len(await world.read_all(process.read_stdout)) == 65_537
    assert (await done, await world.read_all(process.read_stderr), await process.wait()) == (b"DONE\n", b"", 0)


async def test_fifty_megabytes_do_not_grow_memory(world: World) -> None:
    process = await world.shell("head -c 50000000 /dev/zero")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0
    while data := await process.read_stdout():
        total += len(data)
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (total, await world.read_all(process.read_stderr), await process.wait()) == (50_000_000, b"", 0)
    assert grown_kilobytes < 10_000


async def test_two_hundred_processes_at_the_same_time(world: World) -> None:
    processes = [await world.shell("echo READY; exec sleep 1000") for _ in range(200)]
    for process in processes:
        await world.read_until(process.read_stdout, b"READY\n")
    assert sum(world.is_alive(process.pid) for process in processes) == len({it.pid for it in processes}) == 200
    for process in processes:
        process.kill()
    assert [await world.result(process) for process in processes] == [(137, b"", b"")] * 200


async def test_a_cancelled_start_leaves_no_process(world: World) -> None:
    tasks = [asyncio.create_task(world.shell("echo started; exec sleep 1000")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert list(world.directory.iterdir()) == []


async def test_after_close_nothing_starts_and_everything_has_ended(world: World) -> None:
    process = await world.shell("setsid sleep 1000 & echo $!; echo READY; wait")
    out = await world.read_until(process.read_stdout, b"READY\n")
    await world.processes.close()
    assert await process.wait() == 137
    world.wait_gone(int(out.split()[0]))
    with pytest.raises(OSError, match="shutting down"):
        await world.shell("true")


async def test_an_attempt_must_fit_its_record(world: World) -> None:
    for attempt in ("", "two words", "x" * 100):
        with pytest.raises(ValueError, match="attempt"):
            await world.processes.start(ProcessStart(["/bin/true"], {}, attempt))


async def test_sigint_of_the_terminal_reaches_no_job(world: World) -> None:
    process = await world.shell("echo READY; exec sleep 1000")
    await world.read_until(process.read_stdout, b"READY\n")
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    os.kill(process.pid, signal.SIGINT)
    assert await process.wait() == 130
