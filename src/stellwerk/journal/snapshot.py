"""Writing the snapshot section of a new file in slices, so that the event loop stays free (architecture 6).

A slice is a block of at most about 64 KiB: some hundred objects, less than a millisecond to a few of encoding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from stellwerk.journal import format
from stellwerk.journal.writer import BlockWriter

_SLICE_BYTES = 1 << 16
_SLICE_OBJECTS = 500
_SLICE_SECONDS = 0.005


async def write_snapshot(writer: BlockWriter, objects: Iterable[bytes]) -> int:
    """Write all `objects` (JSON objects without line feed) between the separators; returns their number."""
    clock = asyncio.get_running_loop().time
    count = 0
    lines = [format.SNAPSHOT_BEGIN[:-1]]
    size = 0
    slice_count = 0
    slice_end = clock() + _SLICE_SECONDS
    for line in objects:
        if line.startswith(format.RECORD_BEGIN):
            raise ValueError("A snapshot object must not have the TYPE Commit")
        lines.append(line)
        size += len(line)
        slice_count += 1
        if size >= _SLICE_BYTES or slice_count >= _SLICE_OBJECTS or clock() >= slice_end:
            writer.write_block(b"\n".join(lines) + b"\n")
            count += slice_count
            lines = []
            size = slice_count = 0
            await asyncio.sleep(0)
            slice_end = clock() + _SLICE_SECONDS
    lines.append(format.SNAPSHOT_END)
    writer.write_block(b"\n".join(lines))
    return count + slice_count
