"""A journal on a simulated disk with a clock of its own: what journal tests build their world from.

`JournalWorld` remembers what has been appended and what has been committed: all that is needed to say whether a
recovery is right, namely at least everything committed, at most everything appended, whole transactions, in order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from stellwerk.effects.disk import Disk
from stellwerk.journal import Journal, JournalFailedError, JournalOptions, Recovered, recover
from stellwerk.simulation.disk import SimulatedDisk
from stellwerk.values.events import encode_line

NAME = "controller"
TYPE_NAME = "ControllerState"
#: Small limits: no reserve, no low space, nothing in memory.
OPTIONS = JournalOptions(low_space_bytes=0, reserve_bytes=0, recent_bytes=1 << 20)
NO_MEMORY = JournalOptions(low_space_bytes=0, reserve_bytes=0, recent_bytes=0)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    def zone(self) -> str:
        return "UTC"


class SeededRandom:
    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


class JournalWorld:
    """One node's journal and the truth about it. The node's state is the list of all event lines ever."""

    def __init__(self, disk: Disk | None = None, options: JournalOptions = OPTIONS) -> None:
        self.simulated = SimulatedDisk()
        self.disk: Disk = self.simulated if disk is None else disk
        self.options = options
        self.clock = ManualClock()
        self.random = SeededRandom()
        self.failures: list[JournalFailedError] = []
        #: Transactions in the order of append, SnapshotTaken events not among them.
        self.appended: list[list[bytes]] = []
        #: EventId of the last transaction that anyone may know of.
        self.acknowledged = 0
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        assert self._journal is not None, "start it first"
        return self._journal

    async def close(self) -> None:
        """End all tasks of the journal, whatever its condition."""
        if self._journal is not None:
            await self._journal.close()

    @property
    def lines(self) -> list[bytes]:
        return [line for transaction in self.appended for line in transaction]

    async def start(self, must_contain: int = 0) -> Recovered:
        """Recover, check, take what was recovered for the truth, start."""
        recovered = recover(self.disk, NAME, TYPE_NAME, must_contain)
        self.check_recovered(recovered)
        recovered_lines = state_of(recovered)
        self.appended = [transaction for transaction in self.appended if set(transaction) <= set(recovered_lines)]
        self._journal = await Journal.start(
            self.disk,
            recovered,
            clock=self.clock,
            random=self.random,
            snapshot=snapshot_of(self.lines),
            on_failure=self.failures.append,
            options=self.options,
        )
        self._journal.on_commit(self._on_commit)
        self.acknowledged = self._journal.committed_event_id
        return recovered

    def append(self, count: int = 1, size: int = 0) -> int:
        """Append a transaction of `count` events with a text of `size` characters; returns its last EventId."""
        lines = []
        event_id = 0
        for _ in range(count):
            event_id = self.journal.event_ids.next(self.clock.now_ms())
            lines.append(encode_line(event_id, "A", b'{"TYPE":"OrderMoved","text":"%s"}' % (b"x" * size)))
        self.journal.append(lines, event_id)
        self.appended.append(lines)
        return event_id

    async def commit(self, count: int = 1, size: int = 0) -> int:
        event_id = self.append(count, size)
        await self.journal.committed(event_id)
        return event_id

    async def snapshot(self) -> None:
        await self.journal.take_snapshot(snapshot_of(self.lines))

    def check_recovered(self, recovered: Recovered) -> None:
        """Raise AssertionError unless `recovered` is right."""
        recovered_lines = state_of(recovered)
        whole: list[bytes] = []
        for transaction in self.appended:
            if len(whole) == len(recovered_lines):
                break
            whole += transaction
        assert recovered_lines == whole, "not a prefix of whole transactions"
        acknowledged = [line for line in self.lines if event_id(line) <= self.acknowledged]
        assert recovered_lines[: len(acknowledged)] == acknowledged, "an acknowledged event is lost"
        assert recovered.last_event_id >= self.acknowledged

    def read_all(self, after: int | None = None, max_bytes: int = 1 << 20) -> list[bytes]:
        """What a stream delivers from `after` (from the oldest position) until now."""
        position = self.journal.torn_event_id if after is None else after
        result: list[bytes] = []
        while lines := self.journal.read_after(position, max_bytes):
            result += lines
            position = event_id(lines[-1])
        return result

    def _on_commit(self, last_event_id: int) -> None:
        assert last_event_id > self.acknowledged, "commits out of order"
        self.acknowledged = last_event_id


def event_id(line: bytes) -> int:
    return int(line[11 : line.index(b",")])


def is_snapshot_taken(line: bytes) -> bool:
    return line.endswith(b',"TYPE":"SnapshotTaken"}')


def without_snapshot_taken(lines: Iterable[bytes]) -> list[bytes]:
    return [line for line in lines if not is_snapshot_taken(line)]


def snapshot_of(lines: Iterable[bytes]) -> list[bytes]:
    """The state as snapshot objects: each event line becomes one object."""
    return [b'{"TYPE":"Line","line":%s}' % line for line in lines]


def state_of(recovered: Recovered) -> list[bytes]:
    """Fold: the lines of the snapshot, then the events."""
    prefix = b'{"TYPE":"Line","line":'
    lines = [line[len(prefix) : -1] for line in recovered.snapshot]
    return lines + without_snapshot_taken(recovered.events)
