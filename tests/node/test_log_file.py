"""Pages of a log: by time, by key, by level, forwards and backwards (journal spec 3.6)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from stellwerk.node import log_file
from stellwerk.node.log_file import LogFile, LogUnavailableError, head_of

T0 = 1_769_860_800_000  # 2026-01-31T12:00Z


def entry(second: int, level: str, text: str) -> str:
    return f"2026-01-31T12:{second // 60:02}:{second % 60:02}.000Z [{level:<9}] {text}\n"


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    path = tmp_path / "controller.log"
    lines = [
        "a line from before logging begins\n",
        entry(0, "info", "zero"),
        entry(1, "error", "one"),
        "Traceback\n",
        "  of one\n",
        entry(2, "debug", "two"),
        entry(3, "warning", "\x1b[31mthree\x1b[0m ü"),
        '{"event":"four","level":"critical","timestamp":"2026-01-31T12:00:04Z"}\n',
        entry(5, "info", "five"),
        "half a li",
    ]
    path.write_text("".join(lines))
    return LogFile(path)


def words(lines: list[log_file.LoggedLine]) -> list[str]:
    return [line.text.rsplit("] ", 1)[-1][:10] for line in lines]


def test_heads_are_told_from_lines_that_go_on() -> None:
    head = head_of(entry(1, "warning", "x").encode())
    assert head is not None and (head.time_ms, head.level) == (T0 + 1000, 2)
    for other in (b"", b"Traceback", b"2026-01-31 but no time", b"{not json", b"2026-99-31T12:00:00Z [info] x"):
        assert head_of(other) is None, other


def test_lines_are_read_from_an_instant_to_another_by_level(log: LogFile) -> None:
    def found(level: str = "debug", begin: int | None = None, end: int | None = None, limit: int = 100) -> list[str]:
        begin_ms = None if begin is None else T0 + begin
        end_ms = None if end is None else T0 + end
        return words(log.after(level=level, limit=limit, begin_ms=begin_ms, end_ms=end_ms))

    json_line = '{"event":"'
    first = "a line fro"
    assert found() == [first, "zero", "one", "Traceback", "  of one", "two", "three ü", json_line, "five"]
    assert found("info") == [first, "zero", "one", "Traceback", "  of one", "three ü", json_line, "five"]
    assert found("warn") == ["one", "Traceback", "  of one", "three ü", json_line]
    assert found("error") == ["one", "Traceback", "  of one", json_line], "what goes on belongs to the line above"
    assert found(begin=1500) == ["two", "three ü", json_line, "five"]
    assert found(begin=1000, end=3000) == ["one", "Traceback", "  of one", "two"]
    assert found(begin=-5, limit=2) == ["zero", "one"] and found(begin=6000) == []


def test_pages_go_on_behind_and_before_a_key(log: LogFile) -> None:
    every = log.after(level="info", limit=100)
    for size in (1, 2, 3, 100):
        forwards, key = [], None
        while page := log.after(level="info", limit=size, key=key):
            forwards += page
            key = page[-1].key
        assert forwards == every, size
        backwards: list[log_file.LoggedLine] = []
        key = every[-1].key
        while page := log.before(key, level="info", limit=size):
            backwards = page + backwards
            key = page[0].key
        assert backwards == every[:-1], size
    assert words(log.last(level="info", limit=1)) == ["five"]


def test_a_long_log_is_searched_and_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.log"
    texts = [f"{n} " + "x" * (n * 7 % 50) for n in range(1000)]
    path.write_text("".join(entry(n, "info", text) for n, text in enumerate(texts)))
    monkeypatch.setattr(log_file, "_BLOCK", 100)
    log = LogFile(path)
    for n in (0, 1, 17, 500, 998, 999):
        assert words(log.after(level="info", limit=1, begin_ms=T0 + n * 1000)) == [texts[n][:10]]
        assert words(log.after(level="info", limit=1, begin_ms=T0 + n * 1000 - 1)) == [texts[n][:10]]
    assert log.after(level="info", limit=1, begin_ms=T0 + 999_001) == []
    keys = [line.key for line in log.after(level="info", limit=1000)]
    for n, size in itertools.product((1, 2, 37, 999), (1, 5, 40)):
        assert [line.key for line in log.before(keys[n], level="info", limit=size)] == keys[max(0, n - size) : n]


def test_what_cannot_be_read_is_said(log: LogFile, tmp_path: Path) -> None:
    with pytest.raises(LogUnavailableError, match="cannot be read"):
        LogFile(tmp_path / "none.log").after(level="info", limit=1)
    with pytest.raises(LogUnavailableError, match="is no key"):
        log.before("nonsense", level="info", limit=1)
    [line, *_] = log.after(level="info", limit=1)
    (tmp_path / "controller.log").write_text(entry(30, "info", "another file"))
    with pytest.raises(LogUnavailableError, match="has been replaced"):
        log.after(level="info", limit=1, key=line.key)
    assert LogFile(Path("/dev/null")).last(level="info", limit=5) == []
