"""Reading the log that this process writes: pages of lines by time, by key, forwards and backwards (journal spec 3.6).

A process logs to standard error, which `stellwerk up` or the service manager appends to a file; that file is found by
the descriptor. Lines are in the form of `logs`; those without a time of their own (of a traceback) belong to the line
above.

A line's key is `<level>/<seconds of the file's first line>/<byte position>`: a file that has been replaced is another.
Reading blocks: call it in a thread.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

#: Levels of requests, the least important first; a request gets its own and those that are more important.
LEVELS = ("debug", "info", "warn", "error")
MAXIMUM_LINES = 10_000
_MAXIMUM_BYTES = 4 << 20
_MAXIMUM_LINE_BYTES = 16_384
_BLOCK = 65_536
_OWN_LEVELS = {"debug": 0, "info": 1, "warning": 2, "warn": 2, "error": 3, "exception": 3, "critical": 3}
_TEXT_LINE = re.compile(rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?)Z? \[(\w+) *\]")
_JSON_TIME = re.compile(rb'"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z?"')
_JSON_LEVEL = re.compile(rb'"level":"(\w+)"')
#: Of a line's key: where it stands in the file.
_KEY = re.compile(r"\w+/(\d+(?:\.\d+)?)/(\d+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class LogUnavailableError(Exception):
    """There is no log file that could be read; the text says why and what to do."""


def position_of(key: str) -> int:
    """The byte position in a key."""
    return int(key.rsplit("/", 1)[-1])


class Head(msgspec.Struct, frozen=True):
    """Of a line that begins an entry: epoch milliseconds, and the number of its level."""

    time_ms: int
    level: int


class LoggedLine(msgspec.Struct, frozen=True):
    key: str
    text: str


def head_of(line: bytes) -> Head | None:
    """Time and level of an entry's first line; None for a line that goes on."""
    found = _TEXT_LINE.match(line)
    if found is not None:
        return _head(found[1], found[2])
    if line.startswith(b"{") and (time := _JSON_TIME.search(line)) and (level := _JSON_LEVEL.search(line)):
        return _head(time[1], level[1])
    return None


def _head(time: bytes, level: bytes) -> Head | None:
    try:
        instant = datetime.fromisoformat(time.decode()).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Head(int(instant.timestamp() * 1000), _OWN_LEVELS.get(level.decode().lower(), 1))


def own_log() -> LogFile:
    """The file to which standard error goes. Raises `LogUnavailableError`."""
    try:
        if stat.S_ISREG(os.fstat(2).st_mode):
            # Not by its name: the file may have been moved since.
            return LogFile(Path("/proc/self/fd/2"))
    except OSError as error:
        raise LogUnavailableError(f"the log cannot be read: {error}") from None
    raise LogUnavailableError(
        "this process does not log to a file but to a terminal, a pipe or the system's journal: look there, or let "
        "its service append standard error to a file"
    )


class LogFile:
    """One log file, which grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after(
        self,
        *,
        level: str,
        limit: int,
        key: str | None = None,
        begin_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[LoggedLine]:
        """Lines from an instant on, or behind a key, oldest first; without both from the beginning.

        `end_ms` is exclusive. Raises `LogUnavailableError`, also for a key of another file.
        """
        with self._open() as file:
            first = self._first_seconds(file)
            if key is not None:
                position = self._position(key, first)
                file.seek(position)
                file.readline()
                start = file.tell()
            else:
                start = 0 if begin_ms is None else _search(file, begin_ms)
            found: list[LoggedLine] = []
            size = 0
            for position, line, head in _lines(file, start):
                if end_ms is not None and head is not None and head.time_ms >= end_ms:
                    break
                if not _is_wanted(head, level):
                    continue
                found.append(_line(level, first, position, line))
                size += len(line)
                if len(found) >= min(limit, MAXIMUM_LINES) or size > _MAXIMUM_BYTES:
                    break
            return found

    def before(self, key: str, *, level: str, limit: int) -> list[LoggedLine]:
        """The last lines before a key, oldest first. Raises `LogUnavailableError`."""
        with self._open() as file:
            first = self._first_seconds(file)
            end = self._position(key, first)
            found: list[LoggedLine] = []
            while end > 0 and len(found) < min(limit, MAXIMUM_LINES):
                start = _line_start(file, max(0, end - _BLOCK))
                if start >= end:  # one line that is longer than a block
                    start = _line_start(file, 0)
                block = (
                    [
                        _line(level, first, position, line)
                        for position, line, head in _lines(file, start)
                        if position < end and _is_wanted(head, level)
                    ]
                    if start < end
                    else []
                )
                found = block + found
                end = start
            return found[-min(limit, MAXIMUM_LINES) :]

    def last(self, *, level: str, limit: int) -> list[LoggedLine]:
        """The last lines."""
        with self._open() as file:
            first, size = self._first_seconds(file), file.seek(0, os.SEEK_END)
        return self.before(f"{level}/{first}/{size}", level=level, limit=limit)

    def key_at(self, position: int, level: str) -> str:
        """The key of the line at a byte position; of the beginning, if the file does not reach so far."""
        with self._open() as file:
            first, size = self._first_seconds(file), file.seek(0, os.SEEK_END)
        return f"{level.capitalize()}/{first}/{position if 0 <= position < size else 0}"

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from None

    @staticmethod
    def _first_seconds(file: BinaryIO) -> str:
        """When the file begins, as it stands in keys: `0` while there is no line with a time."""
        file.seek(0)
        for _, _, head in _lines(file, 0):
            if head is not None:
                return f"{head.time_ms / 1000:.3f}"
        return "0"

    @staticmethod
    def _position(key: str, first: str) -> int:
        found = _KEY.fullmatch(key)
        if found is None:
            raise LogUnavailableError(f"'{key}' is no key of a log line")
        if found[1] != first:
            raise LogUnavailableError("the log has been replaced since: begin again with a date")
        return int(found[2])


def _is_wanted(head: Head | None, level: str) -> bool:
    return (1 if head is None else head.level) >= LEVELS.index(level)


def _line(level: str, first: str, position: int, line: bytes) -> LoggedLine:
    text = line.rstrip(b"\n")[:_MAXIMUM_LINE_BYTES].decode(errors="replace")
    return LoggedLine(f"{level.capitalize()}/{first}/{position}", _ESCAPES.sub("", text))


def _lines(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes, Head | None]]:
    """Whole lines from a position on, each with the head of its entry. What is being written is left out."""
    head = _head_above(file, start)
    position = start
    file.seek(start)
    for line in iter(file.readline, b""):
        if not line.endswith(b"\n"):
            return
        head = head_of(line) or head
        yield position, line, head
        position += len(line)


def _head_above(file: BinaryIO, position: int) -> Head | None:
    """Of the entry to which a line at a position may belong: looked for in the block before it."""
    start = max(0, position - _BLOCK)
    file.seek(start)
    head = None
    for line in file.read(position - start).splitlines():
        head = head_of(line) or head
    return head


def _line_start(file: BinaryIO, position: int) -> int:
    """Where the first line at or behind a position begins."""
    if position == 0:
        return 0
    file.seek(position - 1)
    file.readline()
    return file.tell()


def _search(file: BinaryIO, instant_ms: int) -> int:
    """Where the first entry at or after an instant begins; times in a log do not fall."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        position, head = _next_head(file, _line_start(file, middle))
        if head is not None and head.time_ms < instant_ms:
            low = max(position + 1, middle + 1)
        else:
            high = middle
    return _next_head(file, _line_start(file, low))[0]


def _next_head(file: BinaryIO, start: int) -> tuple[int, Head | None]:
    """The first line from a line's beginning on that has a time, or the end of the file."""
    position = start
    file.seek(start)
    for line in iter(file.readline, b""):
        head = head_of(line)
        if head is not None:
            return position, head
        position += len(line)
    return position, None
