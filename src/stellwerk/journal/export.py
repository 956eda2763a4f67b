"""The newest journal file in its plain JS7 form (journal spec 4.2), for `stellwerk journal export`."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.effects.disk import Disk
from stellwerk.journal import format
from stellwerk.journal.errors import JournalCorruptedError
from stellwerk.journal.recovery import recover
from stellwerk.values.json import decode, encode


def export_js7(disk: Disk, name: str) -> Iterator[bytes]:
    """Lines *with* line feed: header, snapshot, committed events, with separators and transaction marks.

    Everything is verified before the first line. Raises `JournalCorruptedError`.
    """
    recovered = recover(disk, name, type_name=None)
    if recovered.header is None:
        raise JournalCorruptedError(f"There is no journal file {name}--*.journal to export. Name its directory.")
    for block in format.blocks(disk, recovered.file, end=recovered.valid_bytes):
        if block.start == 0:
            header = decode(block.data)
            del header["format"]
            yield encode(header) + b"\n"
        else:
            yield from (line + b"\n" for line in block.data[:-1].split(b"\n"))
