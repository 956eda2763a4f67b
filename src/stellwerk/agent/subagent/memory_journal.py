"""The journal of a Subagent: its events in memory until the Director has them durable (cluster spec 3.2; journal 7.2).

Guarantees: strictly growing EventIds; an event is kept until it is released; when `limit` events are kept, `write`
waits for a release, so that memory stays bounded and jobs are slowed down. It ends with the Subagent's run.

Is an `EventSource` for HTTP streams; the Director in the same process reads records, which are never encoded then.
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from stellwerk.agent.subagent.events import SubagentRecord
from stellwerk.effects.clock import Clock
from stellwerk.values.event_ids import EventIdGenerator, event_id_text
from stellwerk.values.events import encode_line
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError

LIMIT = 10_000


class MemoryJournal:
    """See the module."""

    def __init__(self, clock: Clock, limit: int = LIMIT) -> None:
        #: Up to here events have been released.
        self.released_event_id = 0
        self._clock = clock
        self._limit = limit
        self._event_ids = EventIdGenerator()
        self._records: list[SubagentRecord] = []
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._readers: set[asyncio.Future[None]] = set()
        #: The run has ended.
        self.closed = asyncio.Event()

    # --- writing ---

    async def write(self, key: Any, event: Any) -> int:
        """Append an event as soon as there is room; returns its EventId."""
        while len(self._records) >= self._limit:
            self._has_room.clear()
            await self._has_room.wait()
        return self.append(key, event)

    def append(self, key: Any, event: Any) -> int:
        """Append an event, room or not: for the few that are no output."""
        event_id = self._event_ids.next(self._clock.now_ms())
        self._records.append(SubagentRecord(event_id, key, event))
        self._is_empty.clear()
        self._wake_readers()
        return event_id

    def next_event_id(self) -> int:
        """An EventId that no event will have."""
        return self._event_ids.next(self._clock.now_ms())

    # --- release ---

    def release(self, until_event_id: int) -> None:
        """Forget events. Raises `ProblemError` when `until_event_id` is neither an event's id nor the last released."""
        if until_event_id == self.released_event_id:
            return
        count = self._count_until(until_event_id)
        if count == 0 or self._records[count - 1].event_id != until_event_id:
            raise ProblemError(f"Unknown EventId: {event_id_text(until_event_id)}")
        del self._records[:count]
        self.released_event_id = until_event_id
        self._has_room.set()
        if not self._records:
            self._is_empty.set()

    def lift_limit(self) -> None:
        """Nobody is going to release anything: writers do not wait any more."""
        self._limit = sys.maxsize
        self._has_room.set()

    async def all_released(self) -> None:
        """Return when no event is kept any more."""
        await self._is_empty.wait()

    def close(self) -> None:
        """The run has ended: streams end."""
        self.closed.set()
        self._wake_readers()

    # --- reading ---

    def __len__(self) -> int:
        return len(self._records)

    @property
    def committed_event_id(self) -> int:
        return self._records[-1].event_id if self._records else self.released_event_id

    def check_after(self, after: int, with_heartbeat: bool) -> None:
        """See `EventSource`."""
        if after == self.released_event_id:
            return
        count = self._count_until(after)
        if count and self._records[count - 1].event_id == after:
            return
        if not with_heartbeat and after > self.released_event_id:
            return
        if with_heartbeat:
            raise ProblemError.of(
                "UnknownEventId",
                requestedEventId=event_id_text(after),
                tornEventId=event_id_text(self.released_event_id),
                lastAddedEventId=event_id_text(self.committed_event_id),
            )
        raise ProblemError.of(
            "EventSeqTorn", requestedAfter=event_id_text(after), tornEventId=event_id_text(self.released_event_id)
        )

    def records_after(self, after: int, limit: int) -> Sequence[SubagentRecord]:
        """The next events, at most `limit`. Raises `ProblemError` when the run has ended or they have been released."""
        if self.closed.is_set():
            raise ProblemError.of("SubagentIsShuttingDown")
        if after < self.released_event_id:
            self.check_after(after, False)
        start = self._count_until(after)
        return self._records[start : start + limit]

    def read_after(self, after: int, max_bytes: int) -> list[bytes]:
        """See `EventSource`."""
        lines: list[bytes] = []
        size = 0
        for record in self.records_after(after, self._limit):
            line = encode_line(record.event_id, record.key, encode(record.event))
            size += len(line) + 1
            if lines and size > max_bytes:
                break
            lines.append(line)
        return lines

    async def wait_after(self, event_id: int, timeout_seconds: float | None) -> bool:
        """Wait until there is an event after `event_id`, or the run has ended; False when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_seconds is None else loop.time() + timeout_seconds
        while not self.closed.is_set() and self.committed_event_id <= event_id:
            reader = loop.create_future()
            self._readers.add(reader)
            timer = None if deadline is None else loop.call_at(deadline, _set, reader)
            try:
                await reader
            finally:
                self._readers.discard(reader)
                if timer is not None:
                    timer.cancel()
            if deadline is not None and loop.time() >= deadline:
                return self.closed.is_set() or self.committed_event_id > event_id
        return True

    def _count_until(self, event_id: int) -> int:
        return bisect_right(self._records, event_id, key=_event_id_of)

    def _wake_readers(self) -> None:
        for reader in self._readers:
            _set(reader)


def _event_id_of(record: SubagentRecord) -> int:
    return record.event_id


def _set(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_result(None)
