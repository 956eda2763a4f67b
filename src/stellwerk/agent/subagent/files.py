"""The temporary files of one process: its return values file (workflow spec 4.5) and those of `toFile` (6.6).

All are deleted when the process has ended. Return values are what a job says: untrusted, limited, all texts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from stellwerk.language.expressions import ChildScope, Scope, to_string
from stellwerk.language.expressions.errors import invalid_arguments
from stellwerk.values.json import JsonValue

_logger = logging.getLogger(__name__)

#: A job that returns more than this fails; the values are kept in memory and journals for the order's life.
MAXIMUM_RETURN_VALUES_BYTES = 1_000_000


class ReturnValuesError(Exception):
    """The return values file cannot be read or understood; says where and why."""


class ProcessFiles:
    """The files of one attempt, below a directory common to all."""

    def __init__(self, directory: Path, attempt: str) -> None:
        # As text: `Path` costs as much as the system calls, for each process that is started.
        self._return_values = f"{directory}/return-values-{attempt}"
        self._directory = directory / f"files-{attempt}"
        self._is_directory_used = False
        self._next_number = 1
        os.close(os.open(self._return_values, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))

    @property
    def return_values_path(self) -> str:
        return self._return_values

    def read_return_values(self, encoding: str) -> dict[str, str]:
        """The values the job has written. Raises `ReturnValuesError`."""
        try:
            status = os.stat(self._return_values)
            if status.st_size == 0 and stat.S_ISREG(status.st_mode):
                return {}  # nothing written, as by nearly all jobs
            # Not blocking: the job may have put a named pipe there.
            descriptor = os.open(self._return_values, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ReturnValuesError("it is no regular file any more")
                data = file.read(MAXIMUM_RETURN_VALUES_BYTES + 1)
        except OSError as error:
            raise ReturnValuesError(f"{error.strerror}: {error.filename}") from error
        if len(data) > MAXIMUM_RETURN_VALUES_BYTES:
            raise ReturnValuesError(
                f"it has more than {MAXIMUM_RETURN_VALUES_BYTES} bytes; let the job return the name of a file instead"
            )
        return parse_return_values(data.decode(encoding, errors="replace"))

    def to_file(self, content: str, pattern: str = "*") -> str:
        """Write a read-only file, `*` in its name being a unique number; returns its path. Raises `OSError`."""
        number, self._next_number = self._next_number, self._next_number + 1
        name = pattern.replace("*", str(number))
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise invalid_arguments("toFile", pattern)
        self._is_directory_used = True
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / name
        if path.exists():
            path = self._directory / f"{number}.d" / name
            path.parent.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with open(descriptor, "wb") as file:
            file.write(content.encode("utf-8", "surrogateescape"))
        return str(path)

    def clean(self) -> None:
        """Delete everything; the process must have ended. What cannot be deleted now goes at the next start."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._return_values)
            if self._is_directory_used:
                shutil.rmtree(self._directory)
        except OSError as error:
            _logger.warning("A temporary file of a job cannot be deleted: %s: %s", error.strerror, error.filename)


def parse_return_values(text: str) -> dict[str, str]:
    """Lines `NAME=VALUE`, both trimmed, later lines win. Raises `ReturnValuesError` with the number of the line."""
    values = {}
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        name, separator, value = line.partition("=")
        name = name.strip()
        if not separator or not name:
            raise ReturnValuesError(f"line {number} is not of the form NAME=VALUE: {line[:200]!r}")
        values[name] = value.strip()
    return values


class FilesScope(ChildScope):
    """Another scope with `toFile`, which only a process that is being started has."""

    def __init__(self, parent: Scope, files: ProcessFiles) -> None:
        super().__init__(parent, {})
        self._files = files

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        if name != "toFile":
            return super().function(name, positional, keywords)
        names = ("content", "filename")
        arguments = dict(zip(names, positional, strict=False)) | dict(keywords)
        content, pattern = arguments.get("content"), arguments.get("filename", "*")
        if len(positional) > 2 or not arguments.keys() <= set(names) or content is None or not isinstance(pattern, str):
            shown = ", ".join(map(to_string, (*positional, *keywords.values())))[:200]
            raise invalid_arguments("toFile", shown)
        return self._files.to_file(to_string(content), pattern)

    def job_resource_scope(self) -> Scope:
        return FilesScope(super().job_resource_scope(), self._files)
