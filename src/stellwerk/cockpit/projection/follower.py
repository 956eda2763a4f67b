"""Follows one Controller: events → projection → database → live hub → release at the Controller (journal spec 8.1).

The history consumer's rules: an explicit `after`, no `tornOlder`; events are released only after the commit of their
rows. A Controller never seen before is followed from its very first event if it still has it, else from a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol

import msgspec
import structlog

from stellwerk.cockpit.database.fence import NotActiveError
from stellwerk.cockpit.projection.snapshot import SnapshotLoader
from stellwerk.cockpit.projection.writer import Projected, ProjectionWriter
from stellwerk.effects.clock import Clock
from stellwerk.effects.peer import Peer, PeerUnreachableError
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Backoff, line_batches

#: Problems that say: events after our cursor are not kept any more.
TORN_CODES = frozenset({"UnknownEventId", "EventSeqTorn", "OldEventId", "SnapshotForUnknownEventId"})
#: Pauses after a lost or refused connection, in seconds; measured from the start of the failed try.
PAUSES = (0.1, 0.5, 1.0, 1.0, 2.0, 3.0, 5.0)
#: From the begin of one projection to that of the next, in seconds. What is idle is projected at once; under load each
#: transaction, some 4 ms of CPU time however small, takes all that has come meanwhile.
PROJECTION_PERIOD_SECONDS = 0.04

_RELEASED = b'"TYPE":"JournalEventsReleased"'

_logger = structlog.get_logger(__name__)


class FollowedPeer(Peer, Protocol):
    """A Controller as the follower needs it."""

    def stream_get(self, path: str) -> AsyncIterator[bytes]:
        """The body of a GET in pieces; an empty piece once when it has been accepted."""
        ...


class LinkState(msgspec.Struct, frozen=True):
    """How the Cockpit stands to the Controller. `state`: connecting, coupled, snapshot, lost, failed."""

    state: str
    since_ms: int
    #: When the last bytes came, heartbeats included.
    last_seen_ms: int | None = None
    cursor: int = 0
    error: str | None = None


class Listener(Protocol):
    """Who hears of what has been committed (the live hub)."""

    async def projected(self, controller_id: str, projected: Projected) -> None: ...

    async def refetch(self, controller_id: str) -> None:
        """Everything may have changed (a snapshot has been loaded)."""
        ...

    async def link_changed(self, controller_id: str, link: LinkState) -> None: ...


#: The nodes of a Controller, the primary one first; none: it is not registered any more.
Urls = tuple[str, ...]
ControllerChanged = Callable[[str, Urls], Awaitable[None]]


class Directory(Protocol):
    """Tells which Controllers are registered (`ControllerConnections`)."""

    async def watch(self, changed: ControllerChanged) -> None:
        """Call `changed` for each Controller now, and again when one comes, changes its URLs, or goes."""
        ...

    def unwatch(self, changed: ControllerChanged) -> None: ...


class ControllerFollower:
    """One task per Controller: `await follower.run()` ends only by cancellation."""

    def __init__(
        self,
        peer: FollowedPeer,
        writer: ProjectionWriter,
        listener: Listener,
        clock: Clock,
        *,
        release_interval_seconds: float,
        heartbeat_seconds: float = 1.0,
        backoff: Callable[[], Backoff] = lambda: Backoff(PAUSES),
    ) -> None:
        self._peer = peer
        self._writer = writer
        self._listener = listener
        self._clock = clock
        self._release_interval = release_interval_seconds
        self._heartbeat = heartbeat_seconds
        self._backoff = backoff()
        self._released = 0
        #: The newest event worth a release. Our own JournalEventsReleased is not, else an idle Controller never rested.
        self._release_wanted = 0
        self._release_due = 0.0
        self._release_refused: str | None = None
        self._cursor = 0
        self.link = LinkState("connecting", clock.now_ms())

    async def run(self) -> None:
        """Follow until cancelled; what fails is said in `link` and tried again."""
        while True:
            self._backoff.start()
            try:
                await self._follow()
                await self._set_link("lost", "the Controller has ended the stream")
            except PeerUnreachableError as error:
                await self._set_link("lost", str(error))
            except ProblemError as error:
                await self._set_link("failed", str(error.problem))
            except NotActiveError as error:
                await self._set_link("lost", str(error))
            except Exception as error:  # database full, an event nobody can read, ...: said, and tried again
                _logger.error("projection failed", controller=self._writer.controller_id, exc_info=error)
                await self._set_link("failed", f"{type(error).__name__}: {error}")
            await self._backoff.pause()

    async def _follow(self) -> None:
        cursor = await self._writer.cursor()
        try:
            await self._follow_events(cursor or 0)
        except ProblemError as error:
            if error.problem.code not in TORN_CODES:
                raise
            _logger.warning(
                "events are torn, starting from a snapshot",
                controller=self._writer.controller_id,
                after=cursor or 0,
                problem=str(error.problem),
            )
            await self._load_snapshot(is_gap=bool(cursor))

    async def _load_snapshot(self, *, is_gap: bool) -> None:
        await self._set_link("snapshot", None)
        stream = self._peer.stream_get("snapshot/")
        batches = line_batches(stream)
        async with aclosing(batches):
            self._cursor = await SnapshotLoader(self._writer).load(batches, self._clock.now_ms(), is_gap=is_gap)
        await self._listener.refetch(self._writer.controller_id)
        await self._follow_events(self._cursor)

    async def _follow_events(self, after: int) -> None:
        self._cursor = self._release_wanted = after
        stream: Any = self._peer.events(after=after, heartbeat_seconds=self._heartbeat)
        async with aclosing(stream):
            async for lines in stream:
                await self._seen()
                begin = asyncio.get_running_loop().time()
                if lines:
                    await self._project(lines)
                await self._release()
                if lines:
                    # More lines gather in the connection, which slows the sender down when it is full.
                    spent = asyncio.get_running_loop().time() - begin
                    await asyncio.sleep(max(0.0, PROJECTION_PERIOD_SECONDS - spent))

    async def _project(self, lines: Sequence[bytes]) -> None:
        for projected in await self._writer.project(lines):
            self._cursor = projected.event_id
            if any(_RELEASED not in line for line in lines):
                self._release_wanted = self._cursor
            await self._listener.projected(self._writer.controller_id, projected)

    async def _release(self) -> None:
        """Tell the Controller what it need not keep for us, at most once per interval, after the commit."""
        now = asyncio.get_running_loop().time()
        if self._release_wanted <= self._released or now < self._release_due:
            return
        self._release_due = now + self._release_interval
        try:
            await self._peer.command(encode({"TYPE": "ReleaseEvents", "untilEventId": self._cursor}))
        except ProblemError as error:
            # E.g. we are not among the users that may release: then journals grow, but history goes on.
            if self._release_refused != str(error.problem):
                self._release_refused = str(error.problem)
                _logger.warning("the Controller refuses ReleaseEvents", problem=self._release_refused)
            return
        self._release_refused = None
        self._released = self._cursor
        await self._writer.store_released(self._released)

    async def _seen(self) -> None:
        self._backoff.reset()
        now = self._clock.now_ms()
        if self.link.state != "coupled":
            await self._set_link("coupled", None)
        self.link = msgspec.structs.replace(self.link, last_seen_ms=now, cursor=self._cursor)

    async def _set_link(self, state: str, error: str | None) -> None:
        if (self.link.state, self.link.error) == (state, error):
            return
        since = self._clock.now_ms() if state != self.link.state else self.link.since_ms
        self.link = LinkState(state, since, self.link.last_seen_ms, self._cursor, error)
        await self._listener.link_changed(self._writer.controller_id, self.link)


class Followers:
    """One follower per registered Controller, on the active Cockpit: the active service `history`."""

    def __init__(
        self, make_follower: Callable[[str, Urls], tuple[ControllerFollower, FollowedPeer]], directory: Directory
    ) -> None:
        """`directory` tells which Controllers there are."""
        self._make_follower = make_follower
        self._directory = directory
        self._running: dict[str, tuple[Urls, ControllerFollower, FollowedPeer, asyncio.Task[None]]] = {}

    async def start(self, mode: str) -> None:
        await self._directory.watch(self._changed)

    async def stop(self) -> None:
        self._directory.unwatch(self._changed)
        for controller_id in list(self._running):
            await self._end(controller_id)

    def links(self) -> dict[str, LinkState]:
        """How the Cockpit stands to each Controller."""
        return {controller_id: follower.link for controller_id, (_, follower, _, _) in self._running.items()}

    async def _changed(self, controller_id: str, urls: Urls) -> None:
        running = self._running.get(controller_id)
        if running is not None and running[0] == urls:
            return
        await self._end(controller_id)
        if urls:
            follower, peer = self._make_follower(controller_id, urls)
            task = asyncio.create_task(follower.run(), name=f"follow-{controller_id}")
            self._running[controller_id] = (urls, follower, peer, task)

    async def _end(self, controller_id: str) -> None:
        running = self._running.pop(controller_id, None)
        if running is None:
            return
        _, _, peer, task = running
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await peer.close()
