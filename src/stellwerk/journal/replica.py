"""The journal of a passive node: a copy of the active node's files, byte for byte (cluster spec 1.7.1).

    replica = await Replica.open(disk, recovered, clock, options)
    replica.receiving, replica.end                    # the file, and the byte in it from where to read on
    await replica.write(block, raw)                   # durable and readable when it returns
    await replica.begin_file(file_event_id)           # behind the end of the former one
    recovered = replica.close()                       # what `Journal.resume` goes on with

A block is verified before it is written, and written and synced before the next one, as on the active node; so both
can be recovered by the same rules. A new file is received under a temporary name until its first event is there.

Serves readers as a `Journal` does: what is durable here is acknowledged, and what is acknowledged may be seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stellwerk.effects.clock import Clock
from stellwerk.effects.disk import Disk, replace_file
from stellwerk.journal import format
from stellwerk.journal.errors import (
    JournalClosedError,
    JournalCorruptedError,
    JournalFailedError,
    copy_of,
    failed,
)
from stellwerk.journal.format import FILE_BEGIN, Block, JournalHeader, Position
from stellwerk.journal.readable import JournalOptions, ReadableJournal
from stellwerk.journal.recovery import Recovered
from stellwerk.journal.writer import BlockWriter

_header_decoder = msgspec.json.Decoder(JournalHeader)


def _decision_name(name: str) -> str:
    """Of the file that says which files are the journal now, while others may still be there under these names."""
    return f"{name}--replacement.json"


async def finish_replacement(disk: Disk, name: str) -> None:
    """Carry out what has been decided: the files received anew, still under temporary names, are the journal.

    Before a journal is recovered: the process may have ended amid it. May be repeated at any step.
    """
    decision = _decision_name(name)
    if decision not in disk.names():
        return
    files: list[int] = msgspec.json.decode(disk.read(decision), type=list[int])
    await disk.sync_directory()  # a killed process may have left the decision itself unsynced
    for file_event_id in files:
        file = format.file_name(name, file_event_id)
        if format.temporary_name(file) in disk.names():
            disk.rename(format.temporary_name(file), file)
    for file_event_id in set(format.file_event_ids(disk, name)) - set(files):
        disk.remove(format.file_name(name, file_event_id))
    await disk.sync_directory()
    disk.remove(decision)
    await disk.sync_directory()


class Replica(ReadableJournal):
    """See the module."""

    def __init__(self, disk: Disk, recovered: Recovered, clock: Clock, options: JournalOptions) -> None:
        super().__init__(disk, recovered.name, clock, options)
        self.type_name = recovered.type_name
        self.journal_id = recovered.journal_id
        #: Of the file in use.
        self._header = recovered.header
        self._event_count = recovered.event_count
        self._writer: BlockWriter | None = None
        #: The journal is (being) replaced as a whole.
        self.is_begun_anew = False
        #: File and event.
        self._anew_until = 0, 0
        #: Of the files that replace the own ones, those that are complete, under temporary names.
        self._anew_files: list[int] = []
        #: The new file that is being received: its fileEventId, header and writer.
        self._next_file: int | None = None
        self._next_header: JournalHeader | None = None
        self._next_writer: BlockWriter | None = None
        files = [] if self._header is None else format.file_event_ids(disk, self._name)
        self._begin_reading(files or [0], recovered.last_event_id, recovered.valid_bytes)

    @classmethod
    async def open(cls, disk: Disk, recovered: Recovered, clock: Clock, options: JournalOptions) -> Replica:
        """Go on behind what has been recovered; a torn end is cut off. Raises `JournalFailedError`."""
        replica = cls(disk, recovered, clock, options)
        try:
            for left_over in format.left_over_names(disk, recovered.name):
                disk.remove(left_over)
            if recovered.header is not None:
                await disk.sync_file(recovered.file)
                replica._writer = BlockWriter(disk, recovered.file, recovered.end)
        except OSError as error:
            raise failed(error) from error
        return replica

    # --- writing ---

    @property
    def is_fresh(self) -> bool:
        """Nothing has been received yet."""
        return self._header is None

    @property
    def is_between_files(self) -> bool:
        """A new file is being received that is not yet in use."""
        return self._next_file is not None

    @property
    def receiving(self) -> int:
        """fileEventId of the file that is being received."""
        return self.file_event_id if self._next_file is None else self._next_file

    @property
    def end(self) -> Position:
        """From where in that file to read on."""
        writer = self._writer if self._next_file is None else self._next_writer
        return FILE_BEGIN if writer is None else writer.end

    @property
    def position(self) -> tuple[int, int]:
        """Where the copy ends: fileEventId and byte of the file in use."""
        return self.file_event_id, 0 if self._writer is None else self._writer.position

    async def begin_file(self, file_event_id: int) -> None:
        """Another file comes: the present one is complete, or (again) the one that was not yet in use.

        Raises `JournalFailedError`.
        """
        if self.is_begun_anew and self._next_file is not None and self._next_writer is not None:
            try:
                await self._next_writer.sync()
            except OSError as error:
                self._disk_failed(error)
                raise failed(error) from error
            self._next_writer.close()
            self._anew_files.append(self._next_file)
            self._next_writer = self._next_header = None
        else:
            self._drop_next()
        self._next_file = file_event_id

    def begin_anew(self, files: list[int], until: int) -> None:
        """Own files do not fit the active node's (any more): they are replaced by all that it has, oldest first.

        They come into use when the event `until` is there, in the last one: what is older says nothing about the
        present, and the end of a file repeats what the next one begins with. What is read here does not change before;
        then reading ends and the node has to start again from the disk.
        """
        self._drop_next()
        self._next_file = files[0]
        self.is_begun_anew = True
        self._anew_until = files[-1], until

    async def write(self, block: Block, raw: bytes) -> None:
        """Write one verified block of the present file. Durable and readable when it returns, once the file is in use.

        Raises `JournalFailedError`, `JournalCorruptedError` for a file that is another journal's.
        """
        if self._failure is not None:
            raise copy_of(self._failure)
        try:
            if self._next_file is None:
                assert self._writer is not None
                self._writer.copy_block(raw, Position(block.end, block.crc))
                await self._writer.sync()
                self._has_grown(block)
            else:
                await self._write_next(self._next_file, block, raw)
        except OSError as error:
            self._disk_failed(error)
            raise failed(error) from error

    def next_snapshot(self) -> Iterator[bytes]:
        """The snapshot objects of the file that is being received, so far."""
        assert self._next_writer is not None
        for block in format.blocks(self._disk, self._next_writer.name, end=self._next_writer.position):
            if block.start > 0:
                yield from (line for line in block.data.split(b"\n") if line[:1] == b"{")

    async def _write_next(self, file_event_id: int, block: Block, raw: bytes) -> None:
        file = format.file_name(self._name, file_event_id)
        if block.start == 0:
            self._next_header = self._read_header(block, file, file_event_id)
            self._next_writer = BlockWriter(self._disk, format.temporary_name(file))
        writer = self._next_writer
        assert writer is not None
        writer.copy_block(raw, Position(block.end, block.crc))
        if self.is_begun_anew:
            last_file, last_event = self._anew_until
            is_ready = file_event_id >= last_file and (format.last_event_id_of(block.data) or 0) >= last_event
        else:
            is_ready = block.data.startswith(format.EVENTS_BEGIN)
        if is_ready:
            await writer.sync()
            if self.is_begun_anew:
                await self._replace([*self._anew_files, file_event_id])
            else:
                await self._put_in_use(writer, file, file_event_id)
                self._has_grown(block)

    async def _put_in_use(self, writer: BlockWriter, file: str, file_event_id: int) -> None:
        if self._writer is not None:
            self._writer.close()
        self._disk.rename(writer.name, file)
        await self._disk.sync_directory()
        self._reader.add_file(file_event_id)
        self._writer, self._next_writer = writer, None
        self._header, self._next_header = self._next_header, None
        self._next_file = None
        self._event_count = 0

    async def _replace(self, files: list[int]) -> None:
        """All files are there: from the durable decision on they are the journal, whatever happens."""
        # Readers have seen other files, and must not go on with these.
        self._end(JournalClosedError(f"The journal {self._name} is replaced"))
        await self._disk.sync_directory()
        await replace_file(self._disk, _decision_name(self._name), msgspec.json.encode(files))
        if self._next_writer is not None:
            self._next_writer.close()
        self._next_file = self._next_writer = self._next_header = None
        self._anew_files = []
        await finish_replacement(self._disk, self._name)

    def _read_header(self, block: Block, file: str, file_event_id: int) -> JournalHeader:
        try:
            header = _header_decoder.decode(block.data)
        except msgspec.DecodeError as error:
            raise JournalCorruptedError(f"Journal file {file} of the active node has no header: {error}") from error
        if self.journal_id not in (None, header.journal_id):
            raise JournalCorruptedError(
                f"Journal file {file} of the active node belongs to another journal ({header.journal_id}) than this "
                f"node's ({self.journal_id}). If this node shall belong to that cluster, give it an empty data folder."
            )
        if header.event_id != file_event_id or header.type_name != self.type_name:
            raise JournalCorruptedError(
                f"Journal file {file} of the active node is one of a {header.type_name} after {header.event_id}"
            )
        self.journal_id = header.journal_id
        return header

    def _has_grown(self, block: Block) -> None:
        assert self._writer is not None
        self._event_count += format.event_count(block.data)
        known = self._reader.committed_event_id
        lines = [line for line in format.event_lines(block.data) if format.event_id_of(line) > known]
        if lines:
            self._reader.publish(lines, format.event_id_of(lines[-1]), self._writer.position)
        else:
            self._reader.committed_position = self._writer.position
        self._tell_readers()

    # --- end ---

    def close(self) -> Recovered:
        """End the copy; what has been received of a file that is not yet in use is dropped."""
        end = FILE_BEGIN if self._writer is None else self._writer.end
        self._end(JournalClosedError(f"The journal {self._name} is not copied any more"))
        self._drop_next()
        return Recovered(
            self._disk, self._name, self.type_name, self._header, self.committed_event_id, self._event_count, end
        )

    def _drop_next(self) -> None:
        if self._next_writer is not None:
            self._next_writer.close()
            self._disk.remove(self._next_writer.name)
        for file_event_id in self._anew_files:
            self._disk.remove(format.temporary_name(format.file_name(self._name, file_event_id)))
        self._next_file = self._next_writer = self._next_header = None
        self._anew_files = []

    def _disk_failed(self, error: OSError) -> None:
        self._end(failed(error))

    def _end(self, failure: JournalFailedError) -> None:
        if self._failure is None:
            self._failure = failure
            self._tell_readers()
            self._cancel_release()
            if self._writer is not None:
                self._writer.close()

    # --- reading ---

    @property
    def committed_event_count(self) -> int:
        """See `ReadableJournal`."""
        return self._event_count + (0 if self._header is None else self._header.total_event_count)

    def files(self) -> list[tuple[int, int]]:
        """See `ReadableJournal`; none before the first one is in use."""
        return [] if self._header is None else super().files()

    def raw_end(self, file_event_id: int) -> int | None:
        """See `ReadableJournal`: what is durable here."""
        return None if file_event_id != self.file_event_id else self._reader.committed_position
