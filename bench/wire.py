"""Cost of the wire on loopback: one line of JSON.

    python bench/wire.py [commands] [events]

Server and client run in one process, but each in a loop and thread of its own; the CPU time of each thread is what a
command and an event cost on that side. Microseconds of CPU, not wall time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import uvloop

from stellwerk.effects.clock import SystemClock, SystemRandom
from stellwerk.wire.authentication import Authenticator, add_session_routes
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.event_stream import event_stream_response
from stellwerk.wire.router import ACCEPTED, Request, Response, Router, StreamingResponse
from stellwerk.wire.server import HttpServer
from stellwerk.wire.sessions import SessionRegister
from stellwerk.wire.users import Users

T = TypeVar("T")
COMMAND = b'{"TYPE":"MarkOrder","orderId":"#2026-06-01#P1","mark":{"TYPE":"Suspending"}}'
LINES_PER_READ = 1000


class Events:
    """As many events as asked for, all committed."""

    def __init__(self, count: int) -> None:
        self.committed_event_id = count
        line = b'{"eventId":%d,"Key":"#2026-06-01#P1-load","TYPE":"OrderMoved","to":[1]}'
        self.lines = [line % event_id for event_id in range(1, count + 1)]

    def check_after(self, after: int, with_heartbeat: bool) -> None: ...

    def read_after(self, after: int, max_bytes: int) -> list[bytes]:
        return self.lines[after : after + LINES_PER_READ]

    async def wait_after(self, event_id: int, timeout_seconds: float | None) -> bool:
        await asyncio.sleep(timeout_seconds or 0)
        return False


class Side:
    """A thread with a loop, whose CPU time is measured."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def cpu_seconds(self) -> float:
        return self.run(_thread_time())


async def _thread_time() -> float:
    return time.thread_time()


async def _serve(events: int) -> HttpServer:
    sessions = SessionRegister(SystemRandom(), SystemClock())
    authenticator = Authenticator(Users.from_configuration({"controller": "plain:secret"}), sessions)
    router = Router(authenticator)
    add_session_routes(router, "agent", authenticator)
    source = Events(events)
    families = {"OrderEvent": frozenset({"OrderMoved"})}

    async def execute(request: Request) -> Response:
        await request.body()
        return ACCEPTED

    async def stream(request: Request) -> StreamingResponse:
        return event_stream_response(request, source, families=families, clock=SystemClock())

    router.add("POST", "/agent/api/command", execute)
    router.add("GET", "/agent/api/event", stream)
    server = HttpServer(router)
    await server.start()
    return server


async def _command(peer: HttpPeer, count: int) -> None:
    for _ in range(count):
        await peer.command(COMMAND)


async def _read(peer: HttpPeer, count: int, returns: str) -> None:
    async with aclosing(peer.events(after=0, returns=returns)) as batches:
        async for batch in batches:
            count -= len(batch)
            if count <= 0:
                return


async def _peer(url: str) -> HttpPeer:
    return HttpPeer(url, "agent", Credentials("controller", "secret"))


def measure(commands: int, events: int) -> dict[str, float]:
    server_side, client_side = Side(), Side()
    server = server_side.run(_serve(events))
    peer = client_side.run(_peer(server.url))
    client_side.run(_command(peer, 100))  # connect, log in, warm up
    result: dict[str, float] = {}
    workloads: list[tuple[str, int, Callable[[], Coroutine[Any, Any, None]]]] = [
        ("command", commands, lambda: _command(peer, commands)),
        ("event", events, lambda: _read(peer, events, "Event")),
        ("filtered_event", events, lambda: _read(peer, events, "OrderEvent")),
    ]
    for name, count, work in workloads:
        before = server_side.cpu_seconds(), client_side.cpu_seconds()
        client_side.run(work())
        after = server_side.cpu_seconds(), client_side.cpu_seconds()
        result[f"{name}_server_cpu_us"] = round((after[0] - before[0]) / count * 1e6, 3)
        result[f"{name}_client_cpu_us"] = round((after[1] - before[1]) / count * 1e6, 3)
    client_side.run(peer.close())
    server_side.run(server.stop())
    return result


def main() -> None:
    commands = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 500_000
    print(json.dumps({"commands": commands, "events": events, **measure(commands, events)}))


if __name__ == "__main__":
    main()
