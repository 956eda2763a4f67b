"""From a job's bytes to chunks of its order log (journal spec 7.1).

Guarantees per channel: decoded text in order, nothing lost or doubled, malformed bytes become U+FFFD; a chunk has 1 to
8192 UTF-16 units and never half a character; no character waits longer than the delay; while the sink waits, nothing
is read, so that a job is slowed down by whoever takes its output (7.2) and memory stays bounded.

Knows neither processes nor events: bytes come from `read`, chunks go to `sink`.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Awaitable, Callable

CHUNK_UTF16_UNITS = 8192
DELAY_SECONDS = 0.4
MAXIMUM_LINE_CHARACTERS = 4096

_LAST_BMP_CHARACTER = "\uffff"


async def pump(
    read: Callable[[], Awaitable[bytes]],
    sink: Callable[[str], Awaitable[None]],
    *,
    encoding: str = "utf-8",
    delay_seconds: float = DELAY_SECONDS,
) -> None:
    """Carry a channel's output to the sink until it ends. A cancelled `read` must lose nothing."""
    loop = asyncio.get_running_loop()
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    text = ""
    deadline = 0.0
    while True:
        if text:
            try:
                async with asyncio.timeout_at(deadline):
                    data = await read()
            except TimeoutError:
                await sink(text)
                text = ""
                continue
        else:
            data = await read()
        was_empty = not text
        chunks, text = cut(text + decoder.decode(data, final=not data))
        for chunk in chunks:
            await sink(chunk)
        if not data:
            break
        if was_empty or chunks:
            deadline = loop.time() + delay_seconds
    if text:
        await sink(text)


def cut(text: str, units: int = CHUNK_UTF16_UNITS) -> tuple[list[str], str]:
    """Full chunks of at most so many UTF-16 units, and the rest that does not fill one."""
    chunks = []
    start = 0
    # Each character has one or two units: so many characters are looked at for one chunk.
    while len(text) - start >= units // 2:
        window = text[start : start + units]
        if max(window) > _LAST_BMP_CHARACTER:
            window = _cut_wide(window, units)
        elif len(window) < units:
            break
        if not window:
            break
        chunks.append(window)
        start += len(window)
    return chunks, text[start:]


def _cut_wide(window: str, units: int) -> str:
    """The longest beginning of at most `units` units; empty if the window does not fill a chunk."""
    data = window.encode("utf-16-le", "surrogatepass")
    if len(data) < 2 * units:
        return ""
    is_high_surrogate = 0xD8 <= data[2 * units - 1] <= 0xDB
    return data[: 2 * (units - is_high_surrogate)].decode("utf-16-le", "surrogatepass")


class LastLine:
    """The last line of a channel that is not blank, cut to 4096 characters, for `failOnErrWritten` (spec 4.5)."""

    __slots__ = ("_last", "_unfinished", "is_written")

    def __init__(self) -> None:
        #: Has anything been written, be it blank?
        self.is_written = False
        self._last = ""
        self._unfinished = ""

    def add(self, chunk: str) -> None:
        self.is_written = True
        *lines, unfinished = (self._unfinished + chunk).split("\n")
        for line in reversed(lines):
            if line and not line.isspace():
                self._last = _shortened(line)
                break
        # One character more than is shown, so that a longer line is still known to be longer.
        self._unfinished = unfinished[: MAXIMUM_LINE_CHARACTERS + 1]

    @property
    def text(self) -> str:
        is_blank = not self._unfinished or self._unfinished.isspace()
        return self._last if is_blank else _shortened(self._unfinished)


def _shortened(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= MAXIMUM_LINE_CHARACTERS else line[: MAXIMUM_LINE_CHARACTERS - 1] + "…"
