"""The newest committed event lines in memory, for the readers of streams that are nearly up to date.

Holds the very bytes objects that were appended, so it costs references, not copies, as long as they are young.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from stellwerk.journal.format import event_id_of

_OVERHEAD_BYTES = 64  # of one bytes object and the references to it


class RecentEvents:
    """Batches of lines in order, the oldest dropped when together they exceed `max_bytes`."""

    def __init__(self, max_bytes: int, floor: int) -> None:
        #: All committed events after this EventId are here.
        self.floor = floor
        self._max_bytes = max_bytes
        self._bytes = 0
        self._first = 0  # index of the oldest batch; those before it are dropped from time to time
        self._last_ids: list[int] = []
        self._batches: list[list[bytes]] = []
        self._sizes: list[int] = []

    def add(self, lines: list[bytes], last_event_id: int) -> None:
        size = sum(map(len, lines)) + _OVERHEAD_BYTES * len(lines)
        self._last_ids.append(last_event_id)
        self._batches.append(lines)
        self._sizes.append(size)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self.floor = self._last_ids[self._first]
            self._bytes -= self._sizes[self._first]
            self._batches[self._first] = []
            self._first += 1
        if self._first > 1000 and self._first > len(self._last_ids) // 2:
            del self._last_ids[: self._first]
            del self._batches[: self._first]
            del self._sizes[: self._first]
            self._first = 0

    def contains(self, event_id: int) -> bool:
        """Whether an event with exactly this id is here."""
        index = bisect_left(self._last_ids, event_id, self._first)
        if index == len(self._last_ids):
            return False
        lines = self._batches[index]
        at = bisect_left(lines, event_id, key=event_id_of)
        return at < len(lines) and event_id_of(lines[at]) == event_id

    def after(self, event_id: int, max_bytes: int) -> list[bytes]:
        """Lines after `event_id` (not before `floor`): at least one if there is one, else up to `max_bytes`."""
        result: list[bytes] = []
        size = 0
        for index in range(bisect_right(self._last_ids, event_id, self._first), len(self._last_ids)):
            lines = self._batches[index]
            if not result:
                lines = lines[bisect_right(lines, event_id, key=event_id_of) :]
            if size + self._sizes[index] <= max_bytes:
                result += lines
                size += self._sizes[index]
                continue
            for line in lines:
                size += len(line) + 1
                if result and size > max_bytes:
                    return result
                result.append(line)
        return result
