"""Copying the active node's journal and folding it, for ever (cluster spec 1.7.1).

Theory: one file after the other is read from where the copy ends. A block is verified, written and synced, and its
events are folded; then it counts as acknowledged. When the next file begins with a snapshot, it must say what has been
folded here; else this copy is worth nothing and the node stops. When the active node does not know the place where the
copy ends (this node is new, its file was deleted long ago, or it has a tail that was never committed), the whole
journal is copied anew, and the node starts again from it.

Knows nothing of roles: `heard_at` and `is_refused` are what others judge the active node by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, cast

from stellwerk.cluster.host import ClusterHost
from stellwerk.cluster.messages import FORGOTTEN_JOURNAL_ID
from stellwerk.cluster.peer import ClusterPeer
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.effects.waiting import set_within
from stellwerk.engine.cluster import is_active
from stellwerk.engine.events.cluster import ClusterTiming
from stellwerk.journal import JournalCorruptedError, Replica, format
from stellwerk.journal.format import Block, BlockParser, InvalidBlockError
from stellwerk.values.problems import ProblemError

logger = logging.getLogger(__name__)

_SNAPSHOT_TAKEN = b'"TYPE":"SnapshotTaken"'
_UNKNOWN = ("Unknown journal file=", "Unknown journal position=")
#: Lines of a snapshot that are worked out without letting others go on.
_SLICE_LINES = 500


class Follower:
    """See the module. `run` ends by cancellation, or with an exception that stops the node."""

    def __init__(
        self,
        host: ClusterHost,
        replica: Replica,
        peer: ClusterPeer,
        timing: Callable[[], ClusterTiming],
        on_events: Callable[[], None],
        *,
        forget: Callable[[str], Awaitable[None]],
        until: int | None = None,
    ) -> None:
        """`on_events` is called after events have been folded; `until`: end when that EventId is here.

        `forget` is called with the reason when the other node has been reset, so that this copy is worth nothing.
        """
        self._host = host
        self._replica = replica
        self._peer = peer
        self._timing = timing
        self._on_events = on_events
        self._forget = forget
        self._until = until
        self._loop = asyncio.get_running_loop()
        #: Loop time of the last sign of life.
        self.heard_at = self._loop.time()
        #: The last try found no process there.
        self.is_refused = False
        self.on_refused: Callable[[], None] = lambda: None
        self.is_connected = False
        self._pause = asyncio.Event()
        #: What the snapshot of a file that may come must say: its fileEventId, and the state there.
        self._expected: tuple[int, Callable[[], Iterable[bytes]]] | None = None

    async def run(self) -> None:
        """Copy until cancelled, or until `until` is here."""
        while not self._has_all():
            if not await self._copied():
                self.is_connected = False
                await self._pause_a_moment()

    async def _copied(self) -> bool:
        """One try to copy a file, or to go on with it. False: nothing can be done now."""
        try:
            await self._copy_file()
            return True
        except PeerUnreachableError as error:
            if error.is_refused != self.is_refused or self.is_connected:
                logger.info("The active node cannot be followed: %s", error)
            self.is_refused = error.is_refused
            if self.is_refused:
                self.on_refused()
            # A connection that broke says nothing yet: whether a process is there, the next try will show at once.
            return self.is_connected and self._disconnected()
        except ProblemError as error:
            await self._forget_if_reset(error.problem.arguments.get(FORGOTTEN_JOURNAL_ID))
            if error.problem.message.startswith(_UNKNOWN):
                return await self._begin_anew(str(error))
            logger.info("The active node refuses to be followed: %s", error)
            return False
        except InvalidBlockError:
            return await self._begin_anew("its bytes do not go on where this node's copy ends")

    def _disconnected(self) -> bool:
        self.is_connected = False
        return True

    def hurry(self) -> None:
        """Try again at once."""
        self._pause.set()

    async def _pause_a_moment(self) -> None:
        self._pause.clear()
        await set_within(self._pause, min(1.0, self._timing().heartbeat / 2))

    def _has_all(self) -> bool:
        return self._until is not None and self._replica.committed_event_id >= self._until

    # --- one file ---

    async def _copy_file(self) -> None:
        replica = self._replica
        timing = self._timing()
        if replica.is_fresh and not replica.is_between_files and not await self._begin_anew("it has none yet"):
            raise PeerUnreachableError("the other node is not active yet")
        parser = BlockParser(replica.end)
        stream = cast(
            AsyncGenerator[bytes, None],
            self._peer.journal(replica.receiving, replica.end.start, timing.heartbeat),
        )
        try:
            async with asyncio.timeout(timing.stream_idle) as idle, aclosing(stream):
                async for chunk in stream:
                    self._is_heard()
                    idle.reschedule(self._loop.time() + timing.stream_idle)
                    for item in parser.feed(chunk) if chunk else ():
                        if item is None:
                            await self._next_file()
                            return
                        await self._take_over(*item)
                        self._is_heard()
                        idle.reschedule(self._loop.time() + timing.stream_idle)
                    if self._has_all():
                        return
        except TimeoutError:
            raise PeerUnreachableError(f"no sign of the active node for {timing.stream_idle:g} s") from None
        raise PeerUnreachableError("the active node has ended the stream")

    def _is_heard(self) -> None:
        self.heard_at = self._loop.time()
        self.is_refused = False
        self.is_connected = True

    async def _next_file(self) -> None:
        replica = self._replica
        files = (await self._peer.journal_info()).files
        following = next((file for file in files if file > replica.receiving), None)
        if following is None:
            raise PeerUnreachableError("the active node has closed its journal")
        if replica.is_begun_anew:
            await replica.begin_file(following)
            return
        if self._expected is None or self._expected[0] != following:
            if following != replica.committed_event_id:
                raise InvalidBlockError(0)  # a snapshot of a state that never was here
            self._expect(following)
        await replica.begin_file(following)

    async def _begin_anew(self, reason: str) -> bool:
        """Replace the own journal by the active node's; False: that cannot be begun now."""
        try:
            info = await self._peer.journal_info()
            answer = await self._peer.node_state()
        except (ProblemError, PeerUnreachableError) as error:
            logger.info("The journal cannot be copied anew: %s", error)
            return False
        await self._forget_if_reset(answer.forgotten_journal_id)
        if is_active(answer.cluster_state, answer.node_id) is not True or not info.files:
            logger.info("The journal is not copied anew from a node that is not active: %s", reason)
            return False
        logger.warning("The journal of this node becomes a copy of the active node's: %s", reason)
        # All that it keeps: receivers may not have read yet what is in its older files.
        self._replica.begin_anew(info.files, info.last_event_id)
        return True

    async def _forget_if_reset(self, forgotten_journal_id: str | None) -> None:
        if forgotten_journal_id is not None and forgotten_journal_id == self._replica.journal_id:
            await self._forget("it has been reset while this node was away")

    # --- blocks ---

    async def _take_over(self, block: Block, raw: bytes) -> None:
        replica = self._replica
        is_first = replica.is_between_files and block.data.startswith(format.EVENTS_BEGIN)
        if is_first and not replica.is_begun_anew:
            await self._check_snapshot()
        await _to_its_end(self._write_and_fold(block, raw))
        if replica.is_begun_anew and not replica.is_between_files:
            self._host.restart("its journal has been copied from the active node")
            await asyncio.Event().wait()

    async def _write_and_fold(self, block: Block, raw: bytes) -> None:
        """Both or neither: a node that takes over goes on from its state, behind the end of its journal."""
        replica = self._replica
        known = replica.committed_event_id
        await replica.write(block, raw)
        if not replica.is_between_files and not replica.is_begun_anew:
            self._fold(block, known)
            self._on_events()

    def _fold(self, block: Block, known: int) -> None:
        lines = [line for line in format.event_lines(block.data) if format.event_id_of(line) > known]
        begin = 0
        for index, line in enumerate(lines):
            if line.endswith(_SNAPSHOT_TAKEN + b"}"):
                # The snapshot that is being written now says what is the state here before this event.
                self._host.fold_events(lines[begin:index])
                begin = index
                self._expect(format.event_id_of(lines[index - 1]) if index else known)
        self._host.fold_events(lines[begin:])

    def _expect(self, file_event_id: int) -> None:
        self._expected = file_event_id, self._host.snapshot_copy()

    async def _check_snapshot(self) -> None:
        """Compare the received snapshot with the state that has been computed here. Raises `JournalCorruptedError`."""
        assert self._expected is not None
        file_event_id, expected = self._expected
        self._expected = None
        received = self._replica.next_snapshot
        if await _sum_of(expected()) == await _sum_of(received()):
            return
        canonical = self._host.canonical
        if await _sum_of(map(canonical, expected())) == await _sum_of(map(canonical, received())):
            return
        raise JournalCorruptedError(
            f"The snapshot after event {file_event_id} in the active node's journal is not the state that this "
            "node has computed from its events. This is a bug: please report it. This node stops, so that it does "
            "not take over with a wrong state. Empty its data folder to let it begin anew."
        )


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for it also when cancelled meanwhile; the cancellation counts when it has ended. Raises what it raises."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


async def _sum_of(lines: Iterable[bytes]) -> int:
    """A sum that does not depend on the order; only to be compared within this process."""
    total = 0
    for count, line in enumerate(lines, 1):
        total += hash(line)
        if count % _SLICE_LINES == 0:
            await asyncio.sleep(0)
    return total & (1 << 64) - 1
