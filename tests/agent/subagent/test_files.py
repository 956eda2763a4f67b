"""Temporary files, return values, scripts (workflow spec 4.2, 4.5, 6.6)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stellwerk.agent.subagent.files import (
    MAXIMUM_RETURN_VALUES_BYTES,
    FilesScope,
    ProcessFiles,
    ReturnValuesError,
    parse_return_values,
)
from stellwerk.agent.subagent.scripts import ScriptFiles
from stellwerk.language.expressions import EMPTY_SCOPE, ExpressionError, parse_expression


def test_return_values_are_trimmed_and_later_lines_win() -> None:
    assert parse_return_values("a=1\n b = x=y \r\na= 2") == {"a": "2", "b": "x=y"}
    assert parse_return_values("") == {}
    assert parse_return_values("a=\n") == {"a": ""}


@pytest.mark.parametrize("text", ["a=1\n\nb=2\n", "word\n", "=x\n", "\n", " = x"])
def test_malformed_return_values_are_refused(text: str) -> None:
    with pytest.raises(ReturnValuesError, match=r"line \d is not of the form NAME=VALUE"):
        parse_return_values(text)


def test_unreadable_return_values(tmp_path: Path) -> None:
    files = ProcessFiles(tmp_path, "1")
    path = Path(files.return_values_path)
    assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)
    path.write_bytes(b"x=" + b"y" * MAXIMUM_RETURN_VALUES_BYTES)
    with pytest.raises(ReturnValuesError, match="more than"):
        files.read_return_values("utf-8")
    path.write_bytes(b"name=\xff")
    assert files.read_return_values("utf-8") == {"name": "\ufffd"}
    path.unlink()
    with pytest.raises(ReturnValuesError, match="No such file"):
        files.read_return_values("utf-8")
    os.mkfifo(path)
    with pytest.raises(ReturnValuesError, match="no regular file"):
        files.read_return_values("utf-8")
    files.clean()
    assert list(tmp_path.iterdir()) == []


def evaluate(files: ProcessFiles, text: str) -> str:
    value = parse_expression(text).evaluate(FilesScope(EMPTY_SCOPE, files))
    assert isinstance(value, str)
    return value


def test_to_file_writes_read_only_files_that_vanish(tmp_path: Path) -> None:
    files = ProcessFiles(tmp_path, "1")
    paths = [
        Path(evaluate(files, text))
        for text in ("toFile('grün')", "toFile('b', 'data-*.txt')", "toFile('c', 'same')", "toFile('d', 'same')")
    ]
    assert [path.read_text() for path in paths] == ["grün", "b", "c", "d"]
    assert [path.name for path in paths] == ["1", "data-2.txt", "same", "same"]
    assert len(set(paths)) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o400}
    files.clean()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["toFile()", "toFile('a', '../b')", "toFile('a', '..')", "toFile('a', '/x')", "toFile('a', 'b', 'c')"]
)
def test_to_file_stays_in_its_folder(tmp_path: Path, text: str) -> None:
    files = ProcessFiles(tmp_path, "1")
    with pytest.raises(ExpressionError, match="InvalidFunctionArguments"):
        evaluate(files, text)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("return-values")]


def test_a_script_is_written_once_and_only_ours_to_run(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "left-by-a-former-run").touch()
    scripts = ScriptFiles(tmp_path / "scripts")
    (program,) = scripts.arguments("#!/bin/sh\necho grün\n")
    assert scripts.arguments("#!/bin/sh\necho grün\n") == (program,)
    assert scripts.arguments("echo other")[0] == "/bin/sh"
    assert Path(program).read_text() == "#!/bin/sh\necho grün\n"
    assert stat.S_IMODE(Path(program).stat().st_mode) == 0o700
    assert len(list((tmp_path / "scripts").iterdir())) == 2
    scripts.close()
    assert list(tmp_path.iterdir()) == []
