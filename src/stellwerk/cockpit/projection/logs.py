"""Task logs: from output events to chunk rows, and from chunk rows to lines.

A chunk row holds the pieces of one transaction as JSON `[[time_ms, channel, text], …]`: lossless, cheap to write.
A *line* begins at the start, after a line feed, and where the channel changes while a line is open; it ends at its line
feed. Lines count from 1. Text is untrusted: it is neither interpreted nor cleaned here, only delivered as JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from stellwerk.cockpit.projection.model import LiveTask

MAIN, OUT, ERR = 3, 1, 2
CHANNELS = {MAIN: "main", OUT: "out", ERR: "err"}
#: `[STDOUT]` etc. of the log text (cockpit-services 5.5).
LEVELS = {MAIN: "MAIN", OUT: "STDOUT", ERR: "STDERR"}
ERROR_TEXT_LENGTH = 500

Piece = tuple[int, int, str]
_decode = msgspec.json.Decoder(list[Piece]).decode
_encode = msgspec.json.Encoder().encode


class LogLine(msgspec.Struct, omit_defaults=True):
    """One line for the API: number, time of its first piece, channel, text without line feed."""

    n: int
    t: int
    ch: str
    txt: str = ""
    lvl: str | None = None


class LogBatch:
    """What one transaction appends to one task's log."""

    __slots__ = ("bytes", "continues_line", "first_byte", "first_event_id", "first_line", "pieces", "task")

    def __init__(self, task: LiveTask, event_id: int) -> None:
        self.task = task
        self.first_event_id = event_id
        self.first_byte = task.log_bytes
        self.first_line = 0
        self.continues_line = False
        self.pieces: list[Piece] = []

    def append(self, time_ms: int, channel: int, text: str) -> None:
        """Add a piece and count its lines in the task."""
        if not text:
            return
        task = self.task
        continues = task.open_channel == channel
        if not self.pieces:
            self.continues_line = continues
            self.first_line = task.log_lines if continues else task.log_lines + 1
        feeds = text.count("\n")
        is_open = not text.endswith("\n")
        begun = feeds + is_open - continues
        task.log_lines += begun
        task.log_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        task.open_channel = channel if is_open else 0
        if channel == ERR:
            task.stderr_lines += begun
            if len(task.error_text) < ERROR_TEXT_LENGTH:
                task.error_text = (task.error_text + text)[:ERROR_TEXT_LENGTH]
        self.pieces.append((time_ms, channel, text))

    def row(self) -> tuple[int, int, int, int, int, int, bool, bytes]:
        """A row for `LOG_CHUNK_COLUMNS`."""
        task = self.task
        return (
            task.task_id,
            self.first_event_id,
            self.first_line,
            task.log_lines,
            self.first_byte,
            task.log_bytes - self.first_byte,
            self.continues_line,
            _encode(self.pieces),
        )


LOG_CHUNK_COLUMNS = (
    "hos_id",
    "first_event_id",
    "first_line",
    "last_line",
    "first_byte",
    "bytes",
    "continues_line",
    "content",
)


def lines(chunks: Iterable[tuple[int, bool, bytes]]) -> Iterator[LogLine]:
    """Lines of consecutive chunks `(first_line, continues_line, content)`.

    If the first chunk goes on with a line begun earlier, that line is delivered from where the chunk begins: callers
    select the chunk that begins it if they want it whole.
    """
    number, open_channel = 0, 0
    parts: list[str] = []
    time = 0
    is_first = True
    for first_line, continues_line, content in chunks:
        pieces = _decode(content)
        if is_first:
            number = first_line - 1
            is_first = False
            if continues_line and pieces:
                number, open_channel, time = first_line, pieces[0][1], pieces[0][0]
        for piece_time, channel, text in pieces:
            if open_channel and open_channel != channel:
                yield _line(number, time, open_channel, parts)
                parts, open_channel = [], 0
            *whole, rest = text.split("\n")
            for part in whole:
                if not open_channel:
                    number, time = number + 1, piece_time
                parts.append(part)
                yield _line(number, time, channel, parts)
                parts, open_channel = [], 0
            if rest:
                if not open_channel:
                    number, time, open_channel = number + 1, piece_time, channel
                parts.append(rest)
    if open_channel:
        yield _line(number, time, open_channel, parts)


def _line(number: int, time: int, channel: int, parts: list[str]) -> LogLine:
    return LogLine(n=number, t=time, ch=CHANNELS[channel], txt="".join(parts), lvl=LEVELS[channel])


def raw_pieces(content: bytes) -> list[Piece]:
    return _decode(content)
