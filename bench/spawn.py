"""Where should jobs be started: in the Agent by `os.posix_spawn`, or in a spawner process by hand-over?

Prints one JSON line: processes per second of both ways (medians of short rounds in alternating order), the median of
the ratios of neighbouring rounds, and the CPU time per process (all processes together), which other work on the
machine disturbs least.
Both ways start `/bin/sh -c true` with two pipes that are read to their end, `--parallel` at a time, in an asyncio
loop; the hand-over sends program, environment and the pipes' ends (SCM_RIGHTS) to a helper over a SEQPACKET socket
and receives pid and exit status from it (only a parent can ask for the status).

    python bench/spawn.py --count 100 --rounds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import selectors
import signal
import socket
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Starter = Callable[[list[str], dict[str, str], int, int], Awaitable[Awaitable[int]]]
_SIGNALS = [signal.SIGPIPE, signal.SIGXFSZ]


def spawn(arguments: list[str], environment: dict[str, str], stdout: int, stderr: int) -> int:
    return os.posix_spawn(
        arguments[0],
        arguments,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_SIGNALS,
    )


async def start_directly(arguments: list[str], environment: dict[str, str], stdout: int, stderr: int) -> Awaitable[int]:
    loop = asyncio.get_running_loop()
    pid = spawn(arguments, environment, stdout, stderr)
    pidfd = os.pidfd_open(pid)
    exited: asyncio.Future[int] = loop.create_future()

    def on_exit() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        exited.set_result(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    loop.add_reader(pidfd, on_exit)
    return exited


class Spawner:
    """The hand-over: a helper that starts processes for us and tells us their exit status."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-S", "-E", "-I", __file__, "--helper", "3"],
            dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)],
        )
        theirs.close()
        self._socket.setblocking(False)
        self._started: list[asyncio.Future[int]] = []
        self._exits: dict[int, asyncio.Future[int]] = {}
        loop.add_reader(self._socket.fileno(), self._on_message)

    async def start(
        self, arguments: list[str], environment: dict[str, str], stdout: int, stderr: int
    ) -> Awaitable[int]:
        started: asyncio.Future[int] = self._loop.create_future()
        self._started.append(started)
        socket.send_fds(self._socket, [json.dumps([arguments, environment]).encode()], [stdout, stderr])
        pid = await started
        return self._exits[pid]

    def _on_message(self) -> None:
        kind, pid, status = json.loads(self._socket.recv(1000))
        if kind == "started":
            self._exits[pid] = self._loop.create_future()
            self._started.pop(0).set_result(pid)
        else:
            self._exits.pop(pid).set_result(status)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        os.waitpid(self.pid, 0)


def helper(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    selector = selectors.DefaultSelector()
    selector.register(connection, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is connection:
                data, descriptors, _, _ = socket.recv_fds(connection, 200_000, 2)
                if not data:
                    return
                arguments, environment = json.loads(data)
                pid = spawn(arguments, environment, *descriptors)
                for inherited in descriptors:
                    os.close(inherited)
                connection.send(json.dumps(["started", pid, 0]).encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            else:
                selector.unregister(key.fileobj)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
                connection.send(json.dumps(["exited", key.data, status]).encode())


async def read_to_end(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    ended: asyncio.Future[None] = loop.create_future()

    def on_readable() -> None:
        if not os.read(descriptor, 65536):
            loop.remove_reader(descriptor)
            os.close(descriptor)
            ended.set_result(None)

    loop.add_reader(descriptor, on_readable)
    await ended


async def one_job(start: Starter, environment: dict[str, str]) -> None:
    loop = asyncio.get_running_loop()
    stdout, stdout_end = os.pipe()
    stderr, stderr_end = os.pipe()
    exited = await start(["/bin/sh", "-c", "true"], environment, stdout_end, stderr_end)
    os.close(stdout_end)
    os.close(stderr_end)
    await asyncio.gather(read_to_end(loop, stdout), read_to_end(loop, stderr))
    if await exited:
        raise AssertionError("the job failed")


async def rate(start: Starter, count: int, parallel: int) -> float:
    environment = dict(os.environ)
    remaining = iter(range(count))

    async def worker() -> None:
        for _ in remaining:
            await one_job(start, environment)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(parallel)))
    return count / (time.perf_counter() - began)


def cpu_seconds(helper_pid: int) -> float:
    """Of this process and the helper, with all children that have been waited for."""
    fields = Path(f"/proc/{helper_pid}/stat").read_text().rpartition(")")[2].split()
    return sum(os.times()[:4]) + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


async def measure(count: int, rounds: int, parallel: int) -> dict[str, float | int]:
    spawner = Spawner(asyncio.get_running_loop())
    ways: list[tuple[str, Starter]] = [("direct", start_directly), ("hand_over", spawner.start)]
    rates: dict[str, list[float]] = {name: [] for name, _ in ways}
    cpu: dict[str, float] = {name: 0.0 for name, _ in ways}
    for index in range(rounds):
        for name, start in ways if index % 2 == 0 else reversed(ways):
            before = cpu_seconds(spawner.pid)
            rates[name].append(await rate(start, count, parallel))
            cpu[name] += cpu_seconds(spawner.pid) - before
    spawner.close()
    ratios = [hand_over / direct for direct, hand_over in zip(rates["direct"], rates["hand_over"], strict=True)]
    return {
        "parallel": parallel,
        "direct_per_second": round(statistics.median(rates["direct"])),
        "hand_over_per_second": round(statistics.median(rates["hand_over"])),
        "hand_over_ratio": round(statistics.median(ratios), 3),
        "direct_cpu_ms": round(1000 * cpu["direct"] / count / rounds, 3),
        "hand_over_cpu_ms": round(1000 * cpu["hand_over"] / count / rounds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--helper", type=int)
    options = parser.parse_args()
    if options.helper is not None:
        helper(options.helper)
        return
    if options.uvloop:
        import uvloop

        uvloop.install()
    print(json.dumps(asyncio.run(measure(options.count, options.rounds, options.parallel))))


if __name__ == "__main__":
    main()
