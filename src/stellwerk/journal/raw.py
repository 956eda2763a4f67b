"""Journal files as they are, byte for byte, for a passive node: `GET .../journal` (journal spec 4.11).

A stream is of one file: from a block's beginning, to its end if it is closed; the file being written never ends by
itself. What it may contain says `RawSource.raw_end`. A closed file may end with a torn block of a crashed run: it is
not sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from stellwerk.effects.disk import Disk
from stellwerk.journal import format
from stellwerk.journal.format import InvalidBlockError
from stellwerk.values.problems import Problem, ProblemError

_READ_BYTES = 1 << 18


class RawSource(Protocol):
    """A journal or a replica. `raw_end` None: the file is closed."""

    def raw_end(self, file_event_id: int) -> int | None: ...

    async def wait_raw(self, seconds: float) -> None: ...

    def reading_raw(self, file_event_id: int) -> AbstractContextManager[None]: ...

    def files(self) -> list[tuple[int, int]]: ...


async def raw_journal(
    disk: Disk, name: str, source: RawSource, file_event_id: int, position: int, heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    """Bytes of the file from `position` on, `b"\\n"` when idle for so long, and at its end the mark END_OF_FILE.

    Raises `ProblemError` for an unknown file or a position where no block ends: the asker's copy is not one of ours.
    """
    file = format.file_name(name, file_event_id)
    ids = [id_ for id_, _ in source.files()]
    if file_event_id not in ids:
        raise ProblemError(Problem(message=f"Unknown journal file={file_event_id}"))
    with source.reading_raw(file_event_id):
        end = source.raw_end(file_event_id)
        if (end is not None and position > end) or format.block_end_at(disk, file, position) is None:
            raise ProblemError(Problem(message=f"Unknown journal position={position} in file={file_event_id}"))
        yield b""
        boundary = position  # a block ends there
        while position < boundary or end is not None:
            if position < boundary:
                data = disk.read(file, position, min(_READ_BYTES, boundary - position))
                position += len(data)
                yield data
            else:
                await source.wait_raw(heartbeat_seconds)
                if source.raw_end(file_event_id) == position:
                    yield b"\n"
            end = source.raw_end(file_event_id)
            boundary = max(boundary, end or 0)
        for raw in _rest_of_closed(disk, file, position):
            yield raw
    yield format.END_OF_FILE


def _rest_of_closed(disk: Disk, file: str, position: int) -> Iterator[bytes]:
    """The whole blocks from `position` on."""
    start = format.block_end_at(disk, file, position)
    assert start is not None
    with contextlib.suppress(InvalidBlockError):  # the torn end of a run that crashed
        for block in format.blocks(disk, file, start):
            yield disk.read(file, block.start, block.end - block.start)
