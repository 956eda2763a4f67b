"""A node with real sockets, in three lines: users, sessions, an event source and a server at a free port."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from stellwerk.values.event_ids import event_id_text
from stellwerk.values.problems import ProblemError
from stellwerk.wire.authentication import Authenticator
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.router import Router
from stellwerk.wire.server import HttpServer
from stellwerk.wire.sessions import SessionRegister

START_MS = 1_748_772_000_000
USERS = {
    "controller": {"password": "plain:secret", "permissions": ["AgentDirector"], "distinguished-names": ["CN=client"]},
    "reader": {"password": "plain:read", "permissions": ["ReadInternals", "ReadMetrics"]},
}


CONTROLLER = Credentials("controller", "secret")


def basic(user_id: str, password: str) -> str:
    """The value of the header Authorization."""
    return "Basic " + base64.b64encode(f"{user_id}:{password}".encode()).decode()


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; fails after 10 s."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (any state of a real server, which has no event for tests)
            await asyncio.sleep(0.001)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    def zone(self) -> str:
        return "UTC"


class Events:
    """A journal in memory: committed lines, `after` must be 0 or an existing event."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, bytes]] = []
        self.torn_before = 0
        self.read_count = 0
        self._grown = asyncio.Condition()

    @property
    def committed_event_id(self) -> int:
        return self.lines[-1][0] if self.lines else 0

    async def add(self, *event_ids: int, type_: str = "OrderMoved", padding: int = 0) -> None:
        template = b'{"eventId":%d,"Key":"A","TYPE":"' + type_.encode() + b'","x":"' + b"x" * padding + b'"}'
        async with self._grown:
            for event_id in event_ids:
                self.lines.append((event_id, template % event_id))
            self._grown.notify_all()

    def check_after(self, after: int, with_heartbeat: bool) -> None:
        known = after == self.torn_before or any(after == event_id for event_id, _ in self.lines)
        if known and after >= self.torn_before:
            return
        if with_heartbeat:
            raise ProblemError.of(
                "UnknownEventId",
                requestedEventId=event_id_text(after),
                tornEventId=event_id_text(self.torn_before),
                lastAddedEventId=event_id_text(self.committed_event_id),
            )
        if after <= self.committed_event_id:
            raise ProblemError.of(
                "EventSeqTorn", requestedAfter=event_id_text(after), tornEventId=event_id_text(self.torn_before)
            )

    def read_after(self, after: int, max_bytes: int) -> list[bytes]:
        self.read_count += 1
        if after < self.torn_before:
            raise ProblemError.of("EventSeqTorn", requestedAfter=str(after), tornEventId=str(self.torn_before))
        lines: list[bytes] = []
        size = 0
        for event_id, line in self.lines:
            if event_id > after:
                if lines and size + len(line) > max_bytes:
                    break
                lines.append(line)
                size += len(line)
        return lines

    async def wait_after(self, event_id: int, timeout_seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout_seconds), self._grown:
                await self._grown.wait_for(lambda: self.committed_event_id > event_id)
        except TimeoutError:
            return False
        return True


@dataclass
class Node:
    """A server with its parts, and clients that are closed with it."""

    server: HttpServer
    router: Router
    authenticator: Authenticator
    sessions: SessionRegister
    clock: ManualClock
    events: Events
    http: aiohttp.ClientSession
    commands: list[bytes] = field(default_factory=list)
    peers: list[HttpPeer] = field(default_factory=list)

    def peer(self, credentials: Credentials | None = CONTROLLER, **options: Any) -> HttpPeer:
        peer = HttpPeer(self.server.url, "agent", credentials, **options)
        self.peers.append(peer)
        return peer

    def url(self, path: str) -> str:
        return f"{self.server.url}/agent/api/{path}"


NodeFactory = Callable[..., Awaitable[Node]]
