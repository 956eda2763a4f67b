"""The bytes of a journal file (journal spec 4.1, 4.2; architecture 5).

A file is the specification's NDJSON, cut into *blocks*. A block is some complete lines followed by a commit record:

    {"TYPE":"Commit","from":<offset of the block>,"crc":"<8 hex digits>"}

`crc` is the CRC-32C of *all* bytes of the file before the record, so every block vouches for all blocks before it.
`from` shows when the record of the block before has become unreadable. Blocks, in this order:

    the header line
    "-------SNAPSHOT-------"  objects … (any number of blocks) … "-------END OF SNAPSHOT-------"
    "-------EVENTS-------"  SnapshotTaken and maybe more
    one block per synced batch of transactions; each transaction of several events between "TRANSACTION" and "COMMIT"

A block is written by one write and synced before the next one begins. Therefore bytes behind a block prove that it was
once complete: only the last block may be torn by a crash. Bytes not yet written may be NUL (preallocation).

This module knows bytes, not what they mean to a node; it reads through `Disk` and never writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import google_crc32c
import msgspec

from stellwerk.effects.disk import Disk

#: Version of the inner form described above; a file with another one is refused.
INNER_FORMAT = "stellwerk-1"
#: The file version of the specification (4.2).
JOURNAL_VERSION = "1"
JS7_VERSION = "2.9.1"

SNAPSHOT_BEGIN = b'"-------SNAPSHOT-------"\n'
SNAPSHOT_END = b'"-------END OF SNAPSHOT-------"\n'
EVENTS_BEGIN = b'"-------EVENTS-------"\n'
TRANSACTION = b'"TRANSACTION"\n'
COMMIT = b'"COMMIT"\n'

#: Marks the end of a file in the stream to a passive node (journal spec 4.11); never stored.
END_OF_FILE = b'"/// END OF JOURNAL FILE ///"\n'

RECORD_BEGIN = b'{"TYPE":"Commit",'
_RECORD_AT_LINE = b"\n" + RECORD_BEGIN
_RECORD_TEXT = re.compile(rb'\{"TYPE":"Commit","from":([0-9]{1,19}),"crc":"([0-9a-f]{8})"\}')
_RECORD = re.compile(_RECORD_TEXT.pattern + rb"\n")
_RECORD_MAX_LENGTH = 80
#: What one damaged byte leaves of a commit record: its beginning at a line's begin, or its end at a line's end.
_RECORD_TRACE = re.compile(rb'^\{"TYPE":"Commit",|"crc":"[0-9a-f]{8}"\}$', re.MULTILINE)
_FIRST_EVENT = re.compile(rb'(?:"[-A-Z ]+"\n)*\{"eventId":([0-9]+),')

_EVENT_BEGIN = b'{"eventId":'
_EVENT_ID_OFFSET = len(_EVENT_BEGIN)
_EVENT_AT_LINE = b"\n" + _EVENT_BEGIN

_READ_BYTES = 1 << 20
_PROBE_BYTES = 1 << 16


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE", tag="JS7.Journal"):
    """First line of a file (journal spec 4.2). Times are ISO-8601 in UTC."""

    type_name: str
    journal_id: str
    #: fileEventId: the last event before the file.
    event_id: int
    #: Number of the file, counted from 1; grows with every start, so it serves as fencing number, too.
    generation: int
    #: Events in all files before.
    total_event_count: int
    #: Seconds that the program has run in total when the file was begun.
    total_running_time: float
    timestamp: str
    initially_started_at: str
    version: str = JOURNAL_VERSION
    js7_version: str = JS7_VERSION
    build_id: str = ""
    format: str = INNER_FORMAT


class Block(NamedTuple):
    """One verified block: its lines without the commit record, and where the next one begins."""

    start: int
    data: bytes
    end: int
    #: CRC-32C of all bytes before `end`.
    crc: int


class InvalidBlockError(Exception):
    """No valid block begins at `start`. Whether that is a torn write or damage, `tail_is_torn` decides."""

    def __init__(self, start: int) -> None:
        super().__init__(f"no valid block at byte {start}")
        self.start = start


class Position(NamedTuple):
    """The beginning of a block in a file, from where blocks can be verified."""

    start: int
    crc: int


FILE_BEGIN = Position(0, 0)


def file_name(name: str, file_event_id: int) -> str:
    return f"{name}--{file_event_id}.journal"


def temporary_name(file: str) -> str:
    return file + ".tmp"


def file_event_ids(disk: Disk, name: str) -> list[int]:
    """The fileEventIds of the journal files here, ascending."""
    pattern = re.compile(re.escape(name) + r"--(0|[1-9][0-9]*)\.journal")
    return sorted(int(match[1]) for file in disk.names() if (match := pattern.fullmatch(file)))


def left_over_names(disk: Disk, name: str) -> list[str]:
    """Files of unfinished snapshots."""
    pattern = re.compile(re.escape(name) + r"--[0-9]+\.journal\.tmp")
    return [file for file in disk.names() if pattern.fullmatch(file)]


def extend_crc(crc: int, data: bytes) -> int:
    return google_crc32c.extend(crc, data)  # type: ignore[no-any-return,no-untyped-call,unused-ignore]


def commit_record(start: int, crc: int) -> bytes:
    return b'{"TYPE":"Commit","from":%d,"crc":"%08x"}\n' % (start, crc)


def transaction_bytes(lines: Sequence[bytes]) -> bytes:
    """The lines of one transaction as they stand in the file."""
    if len(lines) == 1:
        return lines[0] + b"\n"
    return b"%s%s\n%s" % (TRANSACTION, b"\n".join(lines), COMMIT)


def event_id_of(line: bytes) -> int:
    """The EventId at the head of a line made by `values.events.encode_line`."""
    return int(line[_EVENT_ID_OFFSET : line.index(b",", _EVENT_ID_OFFSET)])


def event_lines(data: bytes) -> list[bytes]:
    """The event lines of a block, without separators and transaction marks."""
    return [line for line in data.split(b"\n") if line[:1] == b"{"]


def event_count(data: bytes) -> int:
    return data.count(_EVENT_AT_LINE) + data.startswith(_EVENT_BEGIN)


def last_event_id_of(data: bytes) -> int | None:
    """The EventId of the last event of a block, None if it has no event."""
    begin = data.rfind(_EVENT_AT_LINE) + 1
    if not data.startswith(_EVENT_BEGIN, begin):
        return None
    begin += _EVENT_ID_OFFSET
    return int(data[begin : data.index(b",", begin)])


def blocks(disk: Disk, file: str, position: Position = FILE_BEGIN, end: int | None = None) -> Iterator[Block]:
    """The verified blocks from `position` until the end of what is written, or until byte `end`.

    Raises `InvalidBlockError` where bytes follow that are no valid block. Holds one block and one read in memory.
    """
    size = disk.size(file) if end is None else end
    start, crc = position
    base = start  # file offset of buffer[0]
    buffer = b""
    while True:
        begin = start - base
        found = buffer.find(_RECORD_AT_LINE, begin)
        read = _READ_BYTES
        while found < 0 or found + _RECORD_MAX_LENGTH > len(buffer):
            # More bytes are needed for a record, or for the whole of it.
            searched = found if found >= 0 else max(begin, len(buffer) - len(_RECORD_AT_LINE))
            more = disk.read(file, base + len(buffer), min(read, size - base - len(buffer)))
            if not more:
                break
            searched -= begin
            buffer = buffer[begin:] + more
            base, begin = start, 0
            if buffer[0] == 0:
                if _is_nul(disk, file, start, size):
                    return
                raise InvalidBlockError(start)
            found = buffer.find(_RECORD_AT_LINE, searched)
            read *= 2  # a huge block must not cost quadratic time
        if found < 0:
            if buffer.count(0, begin) == len(buffer) - begin:
                return
            raise InvalidBlockError(start)
        record = _RECORD.match(buffer, found + 1)
        data = buffer[begin : found + 1]
        crc = extend_crc(crc, data)
        if record is None or int(record[1]) != start or int(record[2], 16) != crc:
            raise InvalidBlockError(start)
        crc = extend_crc(crc, record[0])
        block_start = start
        start = base + record.end()
        yield Block(block_start, data, start, crc)


def block_end_at(disk: Disk, file: str, position: int) -> Position | None:
    """`position` as the end of a block, with its checksum; None when no commit record ends there."""
    if position == 0:
        return FILE_BEGIN
    begin = max(0, position - _RECORD_MAX_LENGTH)
    tail = disk.read(file, begin, position - begin)
    found = tail.rfind(_RECORD_AT_LINE)
    record = None if found < 0 else _RECORD.match(tail, found + 1)
    if record is None or begin + record.end() != position:
        return None
    return Position(position, extend_crc(int(record[2], 16), record[0]))


class BlockParser:
    """Cuts a stream of bytes from another node into verified blocks, and the marks between them.

    Raises `InvalidBlockError` when the bytes do not go on where the position was.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self._buffer = b""
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[tuple[Block, bytes] | None]:
        """Blocks with their raw bytes; None for the mark of the file's end. Heartbeats are dropped."""
        self._buffer += data
        while True:
            buffer = self._buffer
            if not self._searched and buffer[:1] == b"\n":
                self._buffer = buffer.lstrip(b"\n")
                continue
            if buffer.startswith(END_OF_FILE):
                self._buffer = buffer[len(END_OF_FILE) :]
                yield None
                continue
            found = buffer.find(_RECORD_AT_LINE, self._searched)
            end = -1 if found < 0 else buffer.find(b"\n", found + 1)
            if end < 0:
                self._searched = found if found >= 0 else max(0, len(buffer) - len(_RECORD_AT_LINE))
                return
            self._searched = 0
            raw, self._buffer = buffer[: end + 1], buffer[end + 1 :]
            start, crc = self.position
            record = _RECORD.match(raw, found + 1)
            block_data = raw[: found + 1]
            crc = extend_crc(crc, block_data)
            if record is None or int(record[1]) != start or int(record[2], 16) != crc:
                raise InvalidBlockError(start)
            self.position = Position(start + len(raw), extend_crc(crc, record[0]))
            yield Block(start, block_data, self.position.start, self.position.crc), raw


def _is_nul(disk: Disk, file: str, start: int, end: int) -> bool:
    while start < end:
        chunk = disk.read(file, start, min(_READ_BYTES, end - start))
        if not chunk:
            return True
        if chunk.count(0) != len(chunk):
            return False
        start += len(chunk)
    return True


def tail_is_torn(tail: bytes, start: int) -> bool:
    """Whether `tail`, the bytes from `start` where no valid block begins, can be what a crash left of one last write.

    False: something was written behind a commit record, so the block before had been synced and is now damaged.
    """
    tail = tail.rstrip(b"\0")
    for trace in _RECORD_TRACE.finditer(tail):
        line_begin = tail.rfind(b"\n", 0, trace.end()) + 1
        line_end = tail.find(b"\n", trace.end() - 1)
        if line_end >= 0 and line_end + 1 < len(tail):
            return False
        record = _RECORD_TEXT.match(tail, line_begin)
        if record is not None and (int(record[1]) != start or tail[record.end() :] not in (b"", b"\n")):
            return False
    return True


def find_event(disk: Disk, file: str, after: int, end: int) -> Position:
    """A block start at or before the event that follows `after`, and near to it: a binary search over the file.

    `end` is where the readable part of the file ends.
    """
    low = FILE_BEGIN
    high = end
    while high - low.start > 2 * _PROBE_BYTES:
        middle = (low.start + high) // 2
        probed = _next_block(disk, file, middle, high)
        if probed is None or (probed[1] is not None and probed[1] > after):
            high = middle
        else:
            low = probed[0]
    return low


def _next_block(disk: Disk, file: str, offset: int, end: int) -> tuple[Position, int | None] | None:
    """The first block that begins after `offset`, and its first EventId if it is a block of events."""
    buffer = b""
    size = _PROBE_BYTES
    while True:
        buffer += disk.read(file, offset + len(buffer), size)
        at_end = offset + len(buffer) >= end
        found = buffer.find(_RECORD_AT_LINE)
        if found >= 0 and (at_end or found + 2 * _RECORD_MAX_LENGTH < len(buffer)):
            record = _RECORD.match(buffer, found + 1)
            if record is None or offset + record.end() >= end:
                return None
            crc = extend_crc(int(record[2], 16), record[0])
            first = _FIRST_EVENT.match(buffer, record.end())
            return Position(offset + record.end(), crc), int(first[1]) if first else None
        if at_end:
            return None
        size *= 2


def iso_time(timestamp_ms: int) -> str:
    """Milliseconds since 1970 as in headers: `2025-01-31T12:00:00.123Z`."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_time_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
