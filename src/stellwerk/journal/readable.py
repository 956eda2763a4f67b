"""What the readers of a journal see, on the active node (`Journal`) as on a passive one (`Replica`).

Committed events for streams (journal spec 1), files as they are for a passive node (4.11), and the deletion of files
that nobody needs any more (1.5).
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stellwerk.effects.clock import Clock
from stellwerk.effects.disk import Disk
from stellwerk.effects.waiting import done_within
from stellwerk.journal import format
from stellwerk.journal.errors import JournalFailedError, copy_of
from stellwerk.journal.reader import EventReader
from stellwerk.journal.recent import RecentEvents


@dataclass(frozen=True, kw_only=True)
class JournalOptions:
    """Settings (journal spec 4.5, 4.6); durations in milliseconds, sizes in bytes."""

    snapshot_period_ms: int = 3_600_000
    snapshot_when_bigger_than: int = 1_000_000_000
    #: Obsolete files are kept that long after the time of the released EventId.
    release_delay_ms: int = 0
    remove_obsolete_files: bool = True
    #: Below this free space `is_space_low` says that new work must be refused.
    low_space_bytes: int = 256 << 20
    #: Size of the file that is given back when space runs out.
    reserve_bytes: int = 16 << 20
    #: Memory for recent events.
    recent_bytes: int = 16 << 20


DEFAULT_OPTIONS = JournalOptions()


class ReadableJournal:
    """See the module."""

    def __init__(self, disk: Disk, name: str, clock: Clock, options: JournalOptions) -> None:
        self.options = options
        self._disk = disk
        self._name = name
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._failure: JournalFailedError | None = None
        self._next_commit: asyncio.Future[None] | None = None
        self._raw_change: asyncio.Future[None] | None = None
        self._raw_readers: Counter[int] = Counter()
        self._release_until = -1
        self._release_timer: asyncio.TimerHandle | None = None
        self._reader: EventReader

    def _begin_reading(self, files: list[int], committed_event_id: int, committed_position: int = 0) -> None:
        """`files`: the kept ones, ascending; the last one is readable up to `committed_position`."""
        recent = RecentEvents(self.options.recent_bytes, committed_event_id)
        self._reader = EventReader(self._disk, self._name, files, recent)
        self._reader.committed_position = committed_position

    @abstractmethod
    def _disk_failed(self, error: OSError) -> None:
        """Nothing can be done with the disk any more."""

    @abstractmethod
    def raw_end(self, file_event_id: int) -> int | None:
        """Readable length of the file being written; None when that file is another one by now."""

    # --- state ---

    @property
    @abstractmethod
    def committed_event_count(self) -> int:
        """All events committed since the journal's very beginning."""

    @property
    def free_bytes(self) -> int:
        """Room on the disk."""
        return self._disk.free_bytes()

    @property
    def committed_event_id(self) -> int:
        """EventId up to which everything is durable."""
        return self._reader.committed_event_id

    @property
    def torn_event_id(self) -> int:
        """The oldest position that a reader may ask for: the begin of the oldest file."""
        return self._reader.torn_event_id

    @property
    def file_event_id(self) -> int:
        """Begin of the file being written."""
        return self._reader.file_event_ids[-1]

    def files(self) -> list[tuple[int, int]]:
        """fileEventId and length of each kept file, ascending; of the last one the committed length."""
        ids = self._reader.file_event_ids
        sizes = [self._disk.size(format.file_name(self._name, file_event_id)) for file_event_id in ids[:-1]]
        return list(zip(ids, [*sizes, self._reader.committed_position], strict=True))

    # --- events ---

    def check_after(self, after: int, with_heartbeat: bool) -> None:
        """Raise the Problem (EventSeqTorn, UnknownEventId) with which a stream beginning `after` is refused (1.3)."""
        self._reader.check_after(after, with_heartbeat)

    def read_after(self, after: int, max_bytes: int = 1 << 20) -> list[bytes]:
        """Committed lines after `after`, without line feeds, up to about `max_bytes`, at least one if there is one.

        Raises `ProblemError` EventSeqTorn when they are not kept any more, `JournalCorruptedError` when an old file is
        damaged.
        """
        return self._reader.read_after(after, max_bytes)

    async def wait_after(self, event_id: int, timeout: float | None = None) -> bool:
        """Wait until there is a committed event after `event_id`; False after `timeout` seconds without one.

        Raises `JournalFailedError` when there will be none.
        """
        until = None if timeout is None else self._loop.time() + timeout
        while self._reader.committed_event_id <= event_id:
            if self._failure is not None:
                raise copy_of(self._failure)
            if self._next_commit is None:
                self._next_commit = self._loop.create_future()
            if not await done_within(self._next_commit, None if until is None else until - self._loop.time()):
                return False
        return True

    def _tell_readers(self) -> None:
        """Something has been committed, or nothing will be any more."""
        if self._next_commit is not None:
            self._next_commit.set_result(None)
            self._next_commit = None
        self._tell_raw_readers()

    # --- files as they are ---

    async def wait_raw(self, seconds: float) -> None:
        """Wait until `raw_end` may have changed, or for so long. Raises `JournalFailedError` when it will not."""
        if self._failure is not None:
            raise copy_of(self._failure)
        if self._raw_change is None:
            self._raw_change = self._loop.create_future()
        await done_within(self._raw_change, seconds)

    def _tell_raw_readers(self) -> None:
        if self._raw_change is not None:
            self._raw_change.set_result(None)
            self._raw_change = None

    @contextlib.contextmanager
    def reading_raw(self, file_event_id: int) -> Iterator[None]:
        """The file is not deleted meanwhile."""
        self._raw_readers[file_event_id] += 1
        try:
            yield
        finally:
            self._raw_readers[file_event_id] -= 1
            if not self._raw_readers[file_event_id]:
                del self._raw_readers[file_event_id]
                if not self._loop.is_closed():  # else an abandoned stream is cleaned up at the very end
                    self._delete_when_due()

    # --- release ---

    def delete_released(self, until_event_id: int) -> None:
        """All receivers have what is up to `until_event_id`: delete the files that only hold such (journal spec 1.5).

        Waits for `release_delay_ms` after the time of `until_event_id`, and for the next snapshot if need be.
        """
        self._release_until = max(self._release_until, until_event_id)
        self._delete_when_due()

    def _delete_when_due(self) -> None:
        self._cancel_release()
        files = self._reader.file_event_ids
        until = self._release_until
        if self._failure is not None or not self.options.remove_obsolete_files or len(files) < 2 or files[1] > until:
            return
        delay_ms = until // 1000 + self.options.release_delay_ms - self._clock.now_ms()
        if delay_ms > 0:
            self._release_timer = self._loop.call_later(delay_ms / 1000, self._delete_when_due)
            return
        try:
            while len(files) > 1 and files[1] <= until and files[0] not in self._raw_readers:
                self._disk.remove(format.file_name(self._name, files[0]))
                self._reader.remove_first_file()
        except OSError as error:
            self._disk_failed(error)

    def _cancel_release(self) -> None:
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
