"""A journal file being written: blocks with their chained checksum. Knows nothing of files' roles or of events."""

from __future__ import annotations

from stellwerk.effects.disk import AppendFile, Disk
from stellwerk.journal.format import JournalHeader, commit_record, extend_crc
from stellwerk.values.json import encode


class BlockWriter:
    """Appends blocks to one new file; `position` is its length so far."""

    def __init__(self, disk: Disk, name: str) -> None:
        self.name = name
        self.position = 0
        self._crc = 0
        self._file: AppendFile = disk.create(name)

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

    async def sync(self) -> None:
        await self._file.sync()

    def close(self) -> None:
        self._file.close()
