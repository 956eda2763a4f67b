"""Reading the newest journal file at start (journal spec 4.7; architecture 5).

Guarantees: what is yielded is exactly the committed prefix, every byte of it verified *before* the first line is
given out; or the start is refused with a `JournalCorruptedError` that says what to do. Only the last batch of the
file may be cut. Memory is that of one block, whatever the size of the file.

Must not know what lines mean; must not write or delete anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from stellwerk.effects.disk import Disk
from stellwerk.journal import format
from stellwerk.journal.errors import JournalCorruptedError
from stellwerk.journal.format import FILE_BEGIN, Block, InvalidBlockError, JournalHeader, Position
from stellwerk.values.event_ids import event_id_text

_REMEDY = (
    "Nothing has been changed. Restore the file from the cluster's other node or from a backup; "
    "only if both are lost: move it away, which loses all that has happened since the file before it was closed."
)

_header_decoder = msgspec.json.Decoder(JournalHeader)


@dataclass(frozen=True)
class Recovered:
    """The newest file, verified. For a fresh start `header` and `journal_id` are None and there are no lines."""

    disk: Disk
    name: str
    type_name: str
    header: JournalHeader | None = None
    #: EventId of the last committed event; 0 if there is none.
    last_event_id: int = 0
    #: Number of events in the file.
    event_count: int = 0
    #: End of the committed prefix; what follows is a torn batch or preallocation.
    end: Position = FILE_BEGIN
    #: Bytes of the torn batch that was cut; 0 if the file ended properly.
    cut_bytes: int = 0
    snapshot_begin: Position = FILE_BEGIN
    events_begin: Position = FILE_BEGIN
    #: The line of the last event in the file; empty when there is none, or the file was copied in this very run.
    last_event: bytes = b""

    @property
    def valid_bytes(self) -> int:
        """Length of the committed prefix."""
        return self.end.start

    @property
    def journal_id(self) -> str | None:
        return None if self.header is None else self.header.journal_id

    @property
    def file_event_id(self) -> int:
        return 0 if self.header is None else self.header.event_id

    @property
    def file(self) -> str:
        return format.file_name(self.name, self.file_event_id)

    @property
    def snapshot(self) -> Iterator[bytes]:
        """The snapshot's objects, one JSON line each. Each access begins anew."""
        for block in self._blocks(self.snapshot_begin, self.events_begin.start):
            yield from (line for line in block.data.split(b"\n") if line[:1] == b"{")

    @property
    def events(self) -> Iterator[bytes]:
        """The committed event lines in order. Each access begins anew."""
        for block in self._blocks(self.events_begin, self.valid_bytes):
            yield from format.event_lines(block.data)

    def _blocks(self, position: Position, end: int) -> Iterator[Block]:
        if self.header is None:
            return
        try:
            yield from format.blocks(self.disk, self.file, position, end)
        except InvalidBlockError as error:  # it was valid a moment ago
            raise JournalCorruptedError(
                f"Journal file {self.file} has changed while it was being read, at byte {error.start}. "
                "Does another program write to it? Stop that, and start again."
            ) from error


def deletion_mark(name: str) -> str:
    """The file that says: a reset began to delete the journal (journal spec 4.1)."""
    return f"{name}-DELETE!"


def recover(disk: Disk, name: str, type_name: str | None, must_contain: int = 0) -> Recovered:
    """Verify the newest journal file `NAME--<fileEventId>.journal` and open it for reading.

    `must_contain` is the greatest EventId that any receiver is known to have: a file that ends before it is refused,
    because its events would be issued a second time with other content. `type_name` None accepts every type, for tools
    that only read. Raises `JournalCorruptedError`.
    """
    ids = format.file_event_ids(disk, name)
    if not ids or deletion_mark(name) in disk.names():
        if must_contain > 0:
            raise JournalCorruptedError(
                f"There is no journal file {name}--*.journal, but others already have its events up to "
                f"{event_id_text(must_contain)}. Restore the journal from a backup or from the cluster's other node, "
                "or reset the receivers."
            )
        return Recovered(disk, name, type_name or "")
    recovered = _verify(disk, name, type_name, ids[-1])
    if recovered.last_event_id < must_contain:
        raise JournalCorruptedError(
            f"Journal file {recovered.file} ends with event {event_id_text(recovered.last_event_id)}, but others "
            f"already have events up to {event_id_text(must_contain)} ({recovered.cut_bytes} bytes at byte "
            f"{recovered.valid_bytes} are unreadable). {_REMEDY}"
        )
    return recovered


def _verify(disk: Disk, name: str, type_name: str | None, file_event_id: int) -> Recovered:
    file = format.file_name(name, file_event_id)
    header: JournalHeader | None = None
    snapshot_begin = FILE_BEGIN
    events_begin = FILE_BEGIN
    snapshot_is_open = False
    last_event_id = file_event_id
    event_count = 0
    valid = FILE_BEGIN
    cut_bytes = 0
    last_block = b""
    try:
        for block in format.blocks(disk, file):
            if header is None:
                header = _read_header(block.data, file, type_name, file_event_id)
                snapshot_begin = Position(block.end, block.crc)
                snapshot_is_open = True
            elif not events_begin.start:
                if block.start == snapshot_begin.start and not block.data.startswith(format.SNAPSHOT_BEGIN):
                    raise _corrupted(file, block.start, "the snapshot's beginning is missing")
                if not snapshot_is_open and not block.data.startswith(format.EVENTS_BEGIN):
                    raise _corrupted(file, block.start, "the beginning of the events is missing")
                if not snapshot_is_open:
                    events_begin = Position(block.start, valid.crc)
                snapshot_is_open = snapshot_is_open and not block.data.endswith(format.SNAPSHOT_END)
            if events_begin.start:
                last = format.last_event_id_of(block.data)
                if last is None or last <= last_event_id:
                    raise _corrupted(file, block.start, f"EventIds do not grow after {last_event_id}")
                last_event_id = last
                event_count += format.event_count(block.data)
                last_block = block.data
            valid = Position(block.end, block.crc)
    except InvalidBlockError as error:
        if not events_begin.start:
            # The file got its name only after these parts had been synced.
            raise _corrupted(file, error.start, "its header, snapshot or first event is damaged") from error
        tail = disk.read(file, error.start).rstrip(b"\0")
        if not format.tail_is_torn(tail, error.start):
            raise _corrupted(file, error.start, "it is damaged before its last batch of events") from error
        cut_bytes = len(tail)
    if header is None or not events_begin.start:
        raise _corrupted(file, valid.start, "its header, snapshot or first event is missing")
    return Recovered(
        disk,
        name,
        header.type_name,
        header,
        last_event_id,
        event_count,
        valid,
        cut_bytes,
        snapshot_begin,
        events_begin,
        next(reversed(format.event_lines(last_block)), b""),
    )


def _read_header(data: bytes, file: str, type_name: str | None, file_event_id: int) -> JournalHeader:
    try:
        header = _header_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise _corrupted(file, 0, f"its header is not one of a journal ({error})") from error
    if type_name is not None and header.type_name != type_name:
        raise JournalCorruptedError(
            f"JournalTypeMismatch: journal file {file} belongs to a {header.type_name}, but a {type_name} is starting. "
            "Start it with its own data directory."
        )
    if header.event_id != file_event_id:
        raise JournalCorruptedError(
            f"Journal file {file} has been renamed: its header says {header.event_id}. Give it its name "
            f"{file.split('--')[0]}--{header.event_id}.journal back."
        )
    if header.version != format.JOURNAL_VERSION or header.format != format.INNER_FORMAT:
        raise JournalCorruptedError(
            f"Journal file {file} has version {header.version} ({header.format}), but this program knows "
            f"{format.JOURNAL_VERSION} ({format.INNER_FORMAT}) only. Start the version of Stellwerk that wrote it."
        )
    return header


def _corrupted(file: str, offset: int, what: str) -> JournalCorruptedError:
    return JournalCorruptedError(f"Journal file {file} cannot be used: at byte {offset}, {what}. {_REMEDY}")


async def cut(disk: Disk, recovered: Recovered, position: int) -> bytes | None:
    """Cut the file at the end of a block, durably: what follows was never committed (cluster spec 1.9.3).

    Returns what has been cut off; None when no block ends there, and nothing is done.
    """
    if position > recovered.valid_bytes or format.block_end_at(disk, recovered.file, position) is None:
        return None
    rest = disk.read(recovered.file, position, recovered.valid_bytes - position)
    file = disk.append(recovered.file, position)
    try:
        await file.sync()
        await disk.sync_file(recovered.file)
    finally:
        file.close()
    return rest
