"""A journal file being written: blocks with their chained checksum. Knows nothing of files' roles or of events."""

from __future__ import annotations

from stellwerk.effects.disk import AppendFile, Disk
from stellwerk.journal.format import FILE_BEGIN, JournalHeader, Position, commit_record, extend_crc
from stellwerk.values.json import encode


class BlockWriter:
    """Appends blocks to one file, a new one or (`end`) an existing one; `position` is its length so far."""

    def __init__(self, disk: Disk, name: str, end: Position = FILE_BEGIN) -> None:
        self.name = name
        self.position = end.start
        self._crc = end.crc
        self._file: AppendFile = disk.append(name, end.start) if end.start else disk.create(name)

    @property
    def end(self) -> Position:
        return Position(self.position, self._crc)

    def write_header(self, header: JournalHeader) -> None:
        self.write_block(encode(header) + b"\n")

    def write_block(self, data: bytes) -> None:
        """Write complete lines and their commit record, in one write."""
        crc = extend_crc(self._crc, data)
        record = commit_record(self.position, crc)
        self._crc = extend_crc(crc, record)
        block = data + record
        self._file.write(block)
        self.position += len(block)

    def copy_block(self, raw: bytes, end: Position) -> None:
        """Write a block of another node with its commit record; the caller has verified that it fits here."""
        self._file.write(raw)
        self.position, self._crc = end

    async def sync(self) -> None:
        await self._file.sync()

    def close(self) -> None:
        self._file.close()
