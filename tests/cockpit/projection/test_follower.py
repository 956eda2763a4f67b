"""The follower: exactly once over reconnects, release after the commit, snapshot after a torn stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.history import history_cursors, history_orders
from stellwerk.cockpit.projection.follower import ControllerFollower, LinkState
from stellwerk.cockpit.projection.writer import Projected, ProjectionWriter
from stellwerk.effects.clock import SystemClock
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Backoff

FIRST = 1_748_772_000_000_000


def line(number: int, **event: Any) -> bytes:
    return json.dumps({"eventId": FIRST + number, **event}).encode()


def life(number: int, key: str) -> list[bytes]:
    return [
        line(number, Key=key, TYPE="OrderAdded", workflowId={"path": "w", "versionId": "1"}, planId=[]),
        line(number + 1, Key=key, TYPE="OrderStarted"),
    ]


class Controller:
    """A Controller's journal as a peer sees it; the script decides what each connection does."""

    def __init__(self) -> None:
        #: Next event id of the events that the Controller writes by itself.
        self.own_event = 100
        self.journal: list[bytes] = []
        self.torn = 0
        self.snapshot: list[dict[str, Any]] = []
        self.commands: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.breaks: list[int] = []
        self.refuses_release = False
        self.more = asyncio.Event()

    async def login(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def command(self, body: bytes) -> bytes:
        self.commands.append(json.loads(body))
        if self.refuses_release:
            raise ProblemError.of("UserIsNotEnabledToReleaseEvents")
        self.own_event += 1
        event = {"TYPE": "JournalEventsReleased", "userId": "JOC", "untilEventId": self.commands[-1]["untilEventId"]}
        self.journal.append(line(self.own_event, **event).replace(b'": ', b'":'))
        self.more.set()
        return b'{"TYPE":"Accepted"}'

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        self.asked.append(after)
        if after < self.torn:
            raise ProblemError.of("EventSeqTorn", requestedAfter=str(after), tornEventId=str(self.torn))
        sent = 0
        yield []
        limit = self.breaks.pop(0) if self.breaks else None
        while True:
            self.more.clear()
            # One event comes again after each reconnect, as rule 7 of journal spec 1.4 allows.
            found = [one for one in self.journal if json.loads(one)["eventId"] >= after][sent:]
            for one in found:
                if limit is not None and sent >= limit:
                    raise PeerUnreachableError("cut")
                sent += 1
                yield [one]
            yield []
            await self.more.wait()

    async def stream_get(self, path: str) -> AsyncIterator[bytes]:
        assert path == "snapshot/"
        yield b""
        yield b"".join(json.dumps(found).encode() + b"\n" for found in self.snapshot)


class Heard:
    """A listener that remembers, and lets tests wait for a condition."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.event_ids: list[int] = []
        self.refetched = 0
        self._changed = asyncio.Event()

    async def projected(self, controller_id: str, projected: Projected) -> None:
        self.event_ids.append(projected.event_id)
        self._changed.set()

    async def refetch(self, controller_id: str) -> None:
        self.refetched += 1
        self._changed.set()

    async def link_changed(self, controller_id: str, link: LinkState) -> None:
        self.links.append(link.state)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def controller() -> Controller:
    return Controller()


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@pytest.fixture
async def follow(database: Database, controller: Controller, heard: Heard) -> AsyncIterator[Callable[[], Any]]:
    tasks: list[asyncio.Task[None]] = []

    def start() -> ControllerFollower:
        follower = ControllerFollower(
            controller,
            ProjectionWriter(database, "controller"),
            heard,
            SystemClock(),
            release_interval_seconds=0.0,
            backoff=lambda: Backoff((0.001,)),
        )
        tasks.append(asyncio.create_task(follower.run()))
        return follower

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def order_ids(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(
            (await connection.execute(select(history_orders.c.order_id).order_by(history_orders.c.id))).scalars()
        )


async def test_a_stream_that_breaks_again_and_again_gives_each_event_once(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    for number in range(20):
        controller.journal += life(number * 10, f"o{number}")
    controller.breaks = [1, 3, 0, 7, 2, 5]
    follow()
    await heard.until(lambda: bool(heard.event_ids) and heard.event_ids[-1] == FIRST + 191)
    assert await order_ids(database) == [f"o{number}" for number in range(20)]
    assert controller.asked[0] == 0
    assert controller.asked == sorted(controller.asked)
    assert "lost" in heard.links


async def test_events_are_released_only_after_their_commit(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.journal = life(0, "a")
    follow()
    await heard.until(lambda: FIRST + 1 in heard.event_ids)
    controller.journal += life(200, "b")
    controller.more.set()
    await heard.until(lambda: FIRST + 201 in heard.event_ids)
    committed = set(heard.event_ids)
    released = [command["untilEventId"] for command in controller.commands]
    assert set(released) <= committed
    assert released == sorted(released)
    assert all(command["TYPE"] == "ReleaseEvents" for command in controller.commands)


async def test_the_event_of_a_release_is_no_reason_for_another_release(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.journal = life(0, "a")
    follow()
    await heard.until(lambda: FIRST + 101 in heard.event_ids)
    controller.journal += life(200, "b")
    controller.more.set()
    await heard.until(lambda: FIRST + 201 in heard.event_ids)
    await heard.until(lambda: heard.event_ids[-1] >= FIRST + 201)
    ids = [command["untilEventId"] - FIRST for command in controller.commands]
    assert 101 not in ids
    assert 102 not in ids


async def test_a_refused_release_does_not_stop_history(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.refuses_release = True
    controller.journal = [*life(0, "a"), *life(10, "b")]
    follow()
    await heard.until(lambda: FIRST + 11 in heard.event_ids)
    assert await order_ids(database) == ["a", "b"]


async def test_a_torn_stream_starts_from_a_snapshot_and_says_that_there_is_a_gap(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.journal = life(0, "a")
    follow()
    await heard.until(lambda: FIRST + 1 in heard.event_ids)
    # Meanwhile others have released events that we have not read, and our connection is gone.
    snapshot = FIRST + 1000
    controller.torn = snapshot
    controller.snapshot = [
        {"TYPE": "SnapshotEventId", "eventId": snapshot},
        {
            "TYPE": "Order",
            "id": "b",
            "workflowPosition": {"workflowId": {"path": "w", "versionId": "1"}, "position": [0]},
            "state": {"TYPE": "Ready"},
        },
    ]
    controller.journal = [line(1001, Key="b", TYPE="OrderFinished")]
    follow()
    await heard.until(lambda: heard.refetched == 1 and FIRST + 1001 in heard.event_ids)
    async with database.read() as connection:
        states = dict((await connection.execute(select(history_orders.c.order_id, history_orders.c.state))).all())
        gaps = (await connection.execute(select(history_cursors.c.gaps))).scalar_one()
    assert states == {"a": 99, "b": 8}
    assert gaps == 1


async def test_a_first_start_at_an_old_controller_uses_the_snapshot_without_a_gap(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.torn = FIRST
    controller.snapshot = [{"TYPE": "SnapshotEventId", "eventId": FIRST + 5}]
    controller.journal = life(10, "a")
    follow()
    await heard.until(lambda: FIRST + 11 in heard.event_ids)
    async with database.read() as connection:
        assert (await connection.execute(select(history_cursors.c.gaps))).scalar_one() == 0
    assert controller.asked[:2] == [0, FIRST + 5]


async def test_an_event_that_nobody_can_read_is_said_and_nothing_behind_it_is_taken(
    database: Database, controller: Controller, heard: Heard, follow: Any
) -> None:
    controller.journal = [*life(0, "a"), line(5, TYPE=7), *life(10, "b")]
    follower = follow()
    await heard.until(lambda: "failed" in heard.links)
    assert "cannot be read" in follower.link.error
    assert await order_ids(database) == ["a"]
