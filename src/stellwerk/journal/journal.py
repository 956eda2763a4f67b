"""The journal of one node: durable append with group commit, snapshots, release, reading (journal spec 4, 1.3, 1.5).

Theory: appended transactions wait in memory. One task takes all that wait, writes them as one block, syncs, and only
then publishes them: readers see them, `on_commit` is called, waiters of `committed` go on. So at most one block is ever
unsynced. A snapshot is written beside, to a new file; what is committed meanwhile goes to the old file and into
`_mirror`; when the snapshot is durable the same task moves over to the new file between two batches.

Guarantees: nothing is published before it is durable; publication is in the order of `append`; after the first
failure of a write or sync nothing is published any more, everyone who waits gets `JournalFailedError`, the descriptor
is never used again. The event loop is never blocked for longer than a slice of a snapshot, or one write.

Knows lines of bytes, EventIds and transactions; not what they mean. One process only: take `SystemDisk.lock` before.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence

from stellwerk import __version__
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.disk import Disk, DiskFullError
from stellwerk.journal import format
from stellwerk.journal.acknowledgement import AcknowledgementGate
from stellwerk.journal.errors import (
    JournalClosedError,
    JournalDiskFullError,
    JournalFailedError,
    JournalSealedError,
    copy_of,
    failed,
)
from stellwerk.journal.format import JournalHeader
from stellwerk.journal.readable import DEFAULT_OPTIONS, JournalOptions, ReadableJournal
from stellwerk.journal.recovery import Recovered, deletion_mark
from stellwerk.journal.snapshot import write_snapshot
from stellwerk.journal.space import Space, SpaceWatch
from stellwerk.journal.writer import BlockWriter
from stellwerk.values.event_ids import EventIdGenerator
from stellwerk.values.events import encode_line
from stellwerk.values.ids import run_id

_SNAPSHOT_TAKEN = b'{"TYPE":"SnapshotTaken"}'
#: What was committed while a snapshot was written is copied in pieces until less than this is left for the switch.
_SMALL_MIRROR_BYTES = 1 << 20
#: `snapshot_is_due` is silent that long after a snapshot has found no room.
_RETRY_SNAPSHOT_SECONDS = 60


class Journal(ReadableJournal):
    """Begin with `await Journal.start(...)`; end with `await journal.close()`."""

    def __init__(
        self,
        disk: Disk,
        recovered: Recovered,
        clock: Clock,
        random: Random,
        options: JournalOptions,
        on_failure: Callable[[JournalFailedError], None],
        acknowledgement: AcknowledgementGate | None = None,
    ) -> None:
        super().__init__(disk, recovered.name, clock, options)
        last = recovered.last_event_id
        header = recovered.header
        self.event_ids = EventIdGenerator(last)
        self.journal_id = recovered.journal_id or run_id(random.token_bytes(16))
        self.type_name = recovered.type_name
        self._on_failure = on_failure

        now_ms = clock.now_ms()
        self._started_at = self._loop.time()
        self._initially_started_at = format.iso_time(now_ms) if header is None else header.initially_started_at
        self._generation = 0 if header is None else header.generation
        self._running_seconds = 0.0  # of all former runs
        self._event_count = recovered.event_count  # of all events ever appended
        if header is not None:
            self._event_count += header.total_event_count
            # The former run lasted at least until its last event.
            lasted_ms = max(0, last // 1000 - format.iso_time_ms(header.timestamp))
            self._running_seconds = header.total_running_time + lasted_ms / 1000
        self._committed_event_count = self._event_count

        # Appended, not yet written: (last EventId, bytes of the transaction), and their lines.
        self._pending: list[tuple[int, bytes]] = []
        self._pending_lines: list[bytes] = []
        self._pending_bytes = 0
        #: Of the block that is being written, synced and acknowledged.
        self._committing_bytes = 0
        #: Blocks of events written and synced by this run, and their bytes.
        self.commit_count = 0
        self.written_bytes = 0
        self._appended_event_id = last
        self._wakeup: asyncio.Future[None] | None = None
        self._is_closing = False
        self._is_sealed = False
        self._committer: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[int], None]] = []
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiter_count = 0

        #: The passive node of a cluster, when its acknowledgement is part of a commit.
        self.acknowledgement = acknowledgement or AcknowledgementGate()

        self._writer: BlockWriter | None = None
        self._file_event_count = 0
        self._snapshot_event_count = 0  # events before the newest file
        self._snapshot_object_count = 0
        self._last_snapshot_time = self._started_at
        self._no_snapshot_before = self._started_at
        self._snapshot: asyncio.Task[None] | None = None
        self._snapshot_result: asyncio.Future[None] = self._loop.create_future()
        self._mirror: list[bytes] | None = None
        self._mirror_after = 0
        self._switch: tuple[BlockWriter, asyncio.Future[None]] | None = None

        files = format.file_event_ids(disk, self._name) if header is not None else []
        self._begin_reading(files or [last], last)
        self._space = SpaceWatch(disk, self._name, options.low_space_bytes, options.reserve_bytes, self._disk_failed)

    # --- life

    @classmethod
    async def start(
        cls,
        disk: Disk,
        recovered: Recovered,
        *,
        clock: Clock,
        random: Random,
        snapshot: Iterable[bytes],
        on_failure: Callable[[JournalFailedError], None],
        options: JournalOptions = DEFAULT_OPTIONS,
        acknowledgement: AcknowledgementGate | None = None,
    ) -> Journal:
        """Begin a new file after what was recovered; `snapshot` is the whole recovered state, one object per line.

        `on_failure` is called once, when nothing can be made durable any more: stop the node. Raises
        `JournalFailedError` (`JournalDiskFullError`) when the new file cannot be written.
        """
        journal = cls(disk, recovered, clock, random, options, on_failure, acknowledgement)
        await journal._started(journal._begin(recovered, snapshot))
        return journal

    @classmethod
    async def resume(
        cls,
        disk: Disk,
        recovered: Recovered,
        *,
        clock: Clock,
        random: Random,
        on_failure: Callable[[JournalFailedError], None],
        options: JournalOptions = DEFAULT_OPTIONS,
        acknowledgement: AcknowledgementGate | None = None,
    ) -> Journal:
        """Go on in the very file that a replica has received: nothing is read, no snapshot is written (cluster).

        Raises `JournalFailedError`.
        """
        journal = cls(disk, recovered, clock, random, options, on_failure, acknowledgement)
        await journal._started(journal._resume(recovered))
        return journal

    async def _started(self, start: Awaitable[None]) -> None:
        try:
            await start
        except OSError as error:
            if isinstance(error, DiskFullError):
                self._space.give_back()  # for the next try
            raise failed(error) from error

    async def _resume(self, recovered: Recovered) -> None:
        await self._space.start()
        if self._failure is not None:
            raise copy_of(self._failure)
        assert recovered.header is not None
        self._writer = BlockWriter(self._disk, recovered.file, recovered.end)
        self._file_event_count = recovered.event_count
        self._snapshot_event_count = recovered.header.total_event_count
        self._reader.committed_position = recovered.valid_bytes
        self._committer = asyncio.create_task(self._commit_forever(), name=f"journal {self._name}")

    async def _begin(self, recovered: Recovered, snapshot: Iterable[bytes]) -> None:
        disk = self._disk
        for left_over in format.left_over_names(disk, self._name):
            disk.remove(left_over)
        await finish_deletion(disk, self._name)
        if recovered.header is not None:
            # A killed process may have left its last batch unsynced; readers are going to see it.
            await disk.sync_file(recovered.file)
        await self._space.start()
        file_event_id = recovered.last_event_id
        if self._failure is not None:
            raise copy_of(self._failure)
        writer = self._new_file(file_event_id, self._event_count)
        try:
            self._snapshot_object_count = await write_snapshot(writer, snapshot)
            event_id = self.event_ids.next(self._clock.now_ms())
            line = encode_line(event_id, None, _SNAPSHOT_TAKEN)
            writer.write_block(format.EVENTS_BEGIN + format.transaction_bytes([line]))
            await writer.sync()
            await self._install(writer, file_event_id)
        except BaseException:
            writer.close()
            raise
        self._event_count += 1
        self._committed_event_count += 1
        self._file_event_count = 1
        self._appended_event_id = event_id
        self._publish([line], event_id)
        self._committer = asyncio.create_task(self._commit_forever(), name=f"journal {self._name}")

    async def close(self) -> None:
        """Commit what has been appended, end everything, close the file. Further appends are refused."""
        self._is_closing = True
        if self._committer is not None:
            self._wake()
            await self._committer
        if self._snapshot is not None:  # now it cannot be in the middle of the switch
            self._snapshot.cancel()
            await asyncio.gather(self._snapshot, return_exceptions=True)  # its result goes to its caller
        self._space.close()
        if self._failure is None:
            self._end(JournalClosedError(f"The journal {self._name} has been closed"))

    async def abandon(self) -> None:
        """End without committing what has been appended: nobody will ever know of it (a deposed cluster node)."""
        if self._failure is None:
            self._end(JournalClosedError(f"The journal {self._name} has been abandoned"))
        tasks = [task for task in (self._committer, self._snapshot) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._space.close()

    def seal(self) -> None:
        """What has been appended is the last: further appends raise `JournalSealedError` (a switch-over)."""
        self._is_sealed = True

    # --- append and commit

    def append(self, lines: Sequence[bytes], last_event_id: int) -> None:
        """Append one atomic transaction of stamped event lines (without line feed); `last_event_id` is the last one's.

        Returns at once; await `committed(last_event_id)` before anyone may know. Raises `JournalFailedError`.
        """
        if self._failure is not None:
            raise copy_of(self._failure)
        if self._is_sealed:
            raise JournalSealedError("The node has been switched over: the other one is active now")
        if self._is_closing:
            raise JournalClosedError(f"The journal {self._name} is being closed")
        first_event_id = format.event_id_of(lines[0])
        if first_event_id <= self._appended_event_id or last_event_id != format.event_id_of(lines[-1]):
            raise AssertionError(
                f"EventIds must grow: {first_event_id} to {last_event_id} appended after {self._appended_event_id}"
            )
        data = format.transaction_bytes(lines)
        self._pending.append((last_event_id, data))
        self._pending_lines += lines
        self._pending_bytes += len(data)
        self._appended_event_id = last_event_id
        self._event_count += len(lines)
        self._wake()

    @property
    def appended_event_id(self) -> int:
        """EventId of the last event appended, committed or not."""
        return self._appended_event_id

    @property
    def event_count(self) -> int:
        """All events ever appended to this journal."""
        return self._event_count

    @property
    def committed_event_count(self) -> int:
        """See `ReadableJournal`."""
        return self._committed_event_count

    @property
    def uncommitted(self) -> tuple[int, int]:
        """Events and bytes appended and not committed: not on this disk yet, or not on the passive node's."""
        return self._event_count - self._committed_event_count, self._pending_bytes + self._committing_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes appended and not yet handed to the disk: a measure of overload."""
        return self._pending_bytes

    def on_commit(self, callback: Callable[[int], None]) -> None:
        """Call `callback(committed EventId)` after each commit, synchronously and in order. It must not raise."""
        self._callbacks.append(callback)

    async def committed(self, event_id: int) -> None:
        """Return when everything up to `event_id` is durable. Raises `JournalFailedError` if it cannot be."""
        if event_id <= self._reader.committed_event_id:
            return
        if self._failure is not None:
            raise copy_of(self._failure)
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiter_count += 1
        heapq.heappush(self._waiters, (event_id, self._waiter_count, future))
        await future

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _commit_forever(self) -> None:
        try:
            while self._failure is None:
                if self._switch is not None:  # first, because under load there is always something pending
                    await self._switch_file(*self._switch)
                elif self._pending:
                    await self._commit()
                    await asyncio.sleep(0)  # with a fast sync nothing else has suspended
                elif self._is_closing:
                    return
                else:
                    self._wakeup = self._loop.create_future()
                    await self._wakeup
                    self._wakeup = None
        except OSError as error:
            self._fail(failed(error), error)
        except Exception as error:
            # A bug, such as a callback that raises: stop rather than go on half published.
            self._fail(JournalFailedError(f"Internal error in the journal: {error!r}"), error)

    async def _commit(self) -> None:
        assert self._writer is not None
        transactions, self._pending = self._pending, []
        lines, self._pending_lines = self._pending_lines, []
        self._pending_bytes = 0
        last_event_id = transactions[-1][0]
        mirror = self._mirror
        if mirror is not None:
            mirror += [data for event_id, data in transactions if event_id > self._mirror_after]
        self._space.check()
        block = b"".join([data for _, data in transactions])
        self._committing_bytes = len(block)
        self._writer.write_block(block)
        if self.acknowledgement.is_required:
            self._tell_raw_readers()  # the passive node writes and syncs while we do
        await self._writer.sync()
        await self.acknowledgement.passed(last_event_id)
        self.commit_count += 1
        self.written_bytes += len(block)
        self._committing_bytes = 0
        self._committed_event_count += len(lines)
        self._file_event_count += len(lines)
        self._publish(lines, last_event_id)

    def _publish(self, lines: list[bytes], last_event_id: int) -> None:
        assert self._writer is not None
        if self._failure is not None:
            return  # another descriptor has failed while this one was synced
        self._reader.publish(lines, last_event_id, self._writer.position)
        for callback in self._callbacks:
            callback(last_event_id)
        waiters = self._waiters
        while waiters and waiters[0][0] <= last_event_id:
            future = heapq.heappop(waiters)[2]
            if not future.done():
                future.set_result(None)
        self._tell_readers()

    def _disk_failed(self, error: OSError) -> None:
        self._fail(failed(error), error)

    def _fail(self, failure: JournalFailedError, cause: BaseException | None = None) -> None:
        if self._failure is not None:
            return
        failure.__cause__ = cause
        self._end(failure)
        if self._snapshot is not None:
            self._snapshot.cancel()
        self._wake()
        try:
            if isinstance(failure, JournalDiskFullError):
                self._space.give_back()  # the next start needs room for a snapshot
        finally:
            self._on_failure(failure)

    def _end(self, failure: JournalFailedError) -> None:
        """Nobody can wait or append any more."""
        self._failure = failure
        for _, _, future in self._waiters:
            if not future.done():
                future.set_exception(copy_of(failure))
        self._waiters.clear()
        self._tell_readers()
        self._cancel_release()
        if self._writer is not None:
            self._writer.close()

    # --- files and snapshots

    def snapshot_is_due(self) -> bool:
        """Whether the node should call `take_snapshot` (journal spec 4.5): the period, or the size of the file."""
        now = self._loop.time()
        if self._snapshot is not None or self._writer is None or self._failure or now < self._no_snapshot_before:
            return False
        is_long_ago = (now - self._last_snapshot_time) * 1000 >= self.options.snapshot_period_ms
        is_big = self._writer.position >= self.options.snapshot_when_bigger_than
        return (is_long_ago and self._file_event_count > 1) or (
            is_big and self._file_event_count >= 2 * self._snapshot_object_count
        )

    def take_snapshot(self, objects: Iterable[bytes]) -> Awaitable[None]:
        """Begin a new file with a snapshot. `objects` yields the state *at the moment of this call*, one per line.

        `objects` is consumed in slices, later; so it must iterate over shallow copies. The event SnapshotTaken is
        appended by this call. The returned awaitable ends when the new file is in use; while a snapshot is
        already being written it is that one's. No room on the disk leaves the old file in use and raises
        `JournalDiskFullError`; so does an exception of `objects`, as itself.
        """
        if self._snapshot is None:
            file_event_id = self._appended_event_id
            event_count = self._event_count
            event_id = self.event_ids.next(self._clock.now_ms())
            self.append([encode_line(event_id, None, _SNAPSHOT_TAKEN)], event_id)
            self._mirror_after = file_event_id
            self._mirror = []
            self._snapshot_result = self._loop.create_future()
            self._snapshot = asyncio.create_task(self._write_snapshot(objects, file_event_id, event_count))
            self._snapshot.add_done_callback(self._snapshot_has_ended)
        return asyncio.shield(self._snapshot_result)

    async def _write_snapshot(self, objects: Iterable[bytes], file_event_id: int, event_count: int) -> None:
        writer: BlockWriter | None = None
        try:
            writer = self._new_file(file_event_id, event_count)
            object_count = await write_snapshot(writer, objects)
            await writer.sync()
            await self.committed(self._mirror_after + 1)  # the first event of the new file
            await self._copy_mirror(writer)
            switched: asyncio.Future[None] = self._loop.create_future()
            self._switch = (writer, switched)
            self._wake()
            await switched
            writer = None  # in use
            self._snapshot_object_count = object_count
            self._last_snapshot_time = self._loop.time()
            self._delete_when_due()
        except DiskFullError as error:
            self._no_snapshot_before = self._loop.time() + _RETRY_SNAPSHOT_SECONDS
            raise JournalDiskFullError(f"No room for a snapshot: {error}. Free some space on the disk.") from error
        except OSError as error:
            failure = failed(error)
            self._fail(failure, error)
            raise failure from error
        finally:
            if writer is not None and writer is not self._writer:
                writer.close()
                if self._failure is None:
                    self._disk.remove(writer.name)

    async def _copy_mirror(self, writer: BlockWriter) -> None:
        """Write to the new file what has been committed to the old one meanwhile, until little is left to do."""
        assert self._mirror is not None
        begin = format.EVENTS_BEGIN
        size = _SMALL_MIRROR_BYTES
        while begin or size >= _SMALL_MIRROR_BYTES:
            transactions = self._mirror[:1000]
            del self._mirror[:1000]
            writer.write_block(begin + b"".join(transactions))
            begin = b""
            await writer.sync()
            await asyncio.sleep(0)
            size = sum(map(len, self._mirror))

    async def _switch_file(self, writer: BlockWriter, switched: asyncio.Future[None]) -> None:
        """Between two batches: all of the old file after the snapshot goes to the new one, which takes its place."""
        assert self._mirror is not None
        self._switch = None
        try:
            if self._mirror:
                writer.write_block(b"".join(self._mirror))
                await writer.sync()
        except DiskFullError as error:
            switched.set_exception(error)  # the old file stays in use
            return
        assert self._writer is not None
        former = self._writer
        event_count = self._event_count - len(self._pending_lines)
        await self._install(writer, self._mirror_after)
        former.close()
        self._tell_raw_readers()
        self._file_event_count = event_count - self._snapshot_event_count
        self._reader.committed_position = writer.position
        if not switched.done():
            switched.set_result(None)

    def _new_file(self, file_event_id: int, event_count: int) -> BlockWriter:
        self._generation += 1
        self._snapshot_event_count = event_count
        now_ms = self._clock.now_ms()
        header = JournalHeader(
            type_name=self.type_name,
            journal_id=self.journal_id,
            event_id=file_event_id,
            generation=self._generation,
            total_event_count=event_count,
            total_running_time=round(self._running_seconds + self._loop.time() - self._started_at, 3),
            timestamp=format.iso_time(now_ms),
            initially_started_at=self._initially_started_at,
            build_id=__version__,
        )
        writer = BlockWriter(self._disk, format.temporary_name(format.file_name(self._name, file_event_id)))
        writer.write_header(header)
        return writer

    async def _install(self, writer: BlockWriter, file_event_id: int) -> None:
        """Give the complete and synced new file its name; from now on it is the one to recover from."""
        self._disk.rename(writer.name, format.file_name(self._name, file_event_id))
        await self._disk.sync_directory()
        self._writer = writer
        self._reader.add_file(file_event_id)

    def _snapshot_has_ended(self, task: asyncio.Task[None]) -> None:
        self._snapshot = None
        self._mirror = None
        self._switch = None
        if task.cancelled():
            error: BaseException | None = copy_of(
                self._failure or JournalClosedError(f"The journal {self._name} is closed")
            )
        else:
            error = task.exception()
        if error is None:
            self._snapshot_result.set_result(None)
        else:
            self._snapshot_result.set_exception(error)
            self._snapshot_result.exception()  # nobody needs to wait; a failed disk goes to on_failure, too

    # --- replication (journal spec 4.11)

    def raw_end(self, file_event_id: int) -> int | None:
        """Readable length of the file being written; None when that file is another one by now.

        What a passive node may have: what is committed, and with its acknowledgement being required also what is
        about to be.
        """
        if self._writer is None or file_event_id != self.file_event_id:
            return None
        return self._writer.position if self.acknowledgement.is_required else self._reader.committed_position

    # --- room

    def space(self) -> Space:
        """Room on the disk, at most half a second old."""
        return self._space.space

    @property
    def is_space_low(self) -> bool:
        """New work must be refused (`DiskSpaceIsLow`); running work may go on."""
        return self._space.space.is_low


async def finish_deletion(disk: Disk, name: str) -> None:
    """Delete the journal that a reset has marked for it; before a journal is recovered. May be repeated."""
    if deletion_mark(name) not in disk.names():
        return
    for file_event_id in format.file_event_ids(disk, name):
        disk.remove(format.file_name(name, file_event_id))
    await disk.sync_directory()
    disk.remove(deletion_mark(name))


async def delete_at_next_start(disk: Disk, name: str) -> None:
    """Mark the journal for deletion, durably: the next start begins with an empty one (a reset)."""
    disk.create(deletion_mark(name)).close()
    await disk.sync_directory()
