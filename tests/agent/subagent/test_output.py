"""From bytes to chunks (journal spec 7.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from stellwerk.agent.subagent.output import CHUNK_UTF16_UNITS, LastLine, cut, pump


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class Channel:
    """A pipe in memory that keeps account of what the pump does."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.chunks: list[str] = []
        self.taken: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()

    def write(self, *pieces: bytes) -> Channel:
        for piece in pieces:
            self.pieces.put_nowait(piece)
        return self

    async def sink(self, chunk: str) -> None:
        await self.gate.wait()
        self.chunks.append(chunk)
        self.taken()

    async def pump(self, delay_seconds: float = 1000, encoding: str = "utf-8") -> list[str]:
        await pump(self.pieces.get, self.sink, delay_seconds=delay_seconds, encoding=encoding)
        return self.chunks


async def test_small_pieces_are_gathered_into_one_chunk() -> None:
    assert await Channel().write(b"a", b"b\n", b"\x1b[0m\r\n", b"").pump() == ["ab\n\x1b[0m\r\n"]


async def test_no_output_gives_no_chunk() -> None:
    assert await Channel().write(b"").pump() == []


async def test_full_chunks_are_sent_at_once_and_have_8192_units() -> None:
    channel = Channel().write(b"x" * 20_000)
    reached = asyncio.Event()
    channel.taken = lambda: reached.set() if len(channel.chunks) == 2 else None
    pumping = asyncio.create_task(channel.pump())
    await reached.wait()
    assert [len(chunk) for chunk in channel.chunks] == [8192, 8192]
    channel.write(b"")
    assert [len(chunk) for chunk in await pumping] == [8192, 8192, 20_000 - 2 * 8192]


async def test_a_character_does_not_wait_for_a_full_chunk() -> None:
    """The delay ends the waiting, as the channel itself stays silent and open."""
    channel = Channel().write(b"waiting")
    sent = asyncio.Event()
    channel.taken = sent.set
    pumping = asyncio.create_task(channel.pump(delay_seconds=0.01))
    await sent.wait()
    assert channel.chunks == ["waiting"]
    channel.write(b"more", b"")
    assert await pumping == ["waiting", "more"]


async def test_nothing_is_read_while_the_sink_waits() -> None:
    channel = Channel()
    channel.gate.clear()
    pumping = asyncio.create_task(channel.pump())
    channel.write(b"x" * 8192, b"next", b"")
    for _ in range(10):
        await asyncio.sleep(0)
    assert channel.pieces.qsize() == 2
    channel.gate.set()
    assert await pumping == ["x" * 8192, "next"]


async def test_characters_may_span_reads_and_malformed_bytes_are_replaced() -> None:
    assert await Channel().write(b"\xe2", b"\x82", b"\xac \xff.", b"").pump() == ["€ \ufffd."]
    assert await Channel().write("€".encode()[:2], b"").pump() == ["\ufffd"]
    assert await Channel().write(b"gr\xfcn", b"").pump(encoding="iso-8859-1") == ["grün"]


def test_a_surrogate_pair_is_never_cut() -> None:
    chunks, rest = cut("a" + "😀" * 5000)
    assert [units(chunk) for chunk in chunks] == [8191]
    assert chunks[0] + rest == "a" + "😀" * 5000


@given(st.text(alphabet="aé€😀\n", max_size=40), st.integers(2, 9))
def test_cut_loses_nothing_and_fills_chunks(text: str, size: int) -> None:
    chunks, rest = cut(text, size)
    assert "".join(chunks) + rest == text
    assert all(size - 1 <= units(chunk) <= size for chunk in chunks)
    assert units(rest) < size


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_bytes_in_any_pieces_are_decoded_as_a_whole(pieces: list[bytes]) -> None:
    async def pumped() -> list[str]:
        return await Channel().write(*(piece for piece in pieces if piece), b"").pump()

    chunks = asyncio.run(pumped())
    assert "".join(chunks) == b"".join(pieces).decode("utf-8", "replace")
    assert all(0 < units(chunk) <= CHUNK_UTF16_UNITS for chunk in chunks)


def last_line(*chunks: str) -> str:
    line = LastLine()
    for chunk in chunks:
        line.add(chunk)
    return line.text


def test_the_last_line_that_is_not_blank() -> None:
    assert last_line("one\ntwo\n") == "two"
    assert last_line("one\ntw", "o") == "two"
    assert last_line("one\r\n \t\n\n") == "one"
    assert last_line("\n") == ""
    assert last_line("x" * 4096 + "\n") == "x" * 4096
    for long in (["x" * 5000], ["x" * 5000 + "\n\n"], ["x" * 3000, "x" * 3000, "x" * 3000]):
        assert last_line(*long) == "x" * 4095 + "…"
    assert not LastLine().is_written
