"""Script files: the text of a `ShellScriptExecutable` as a program (workflow spec 4.2).

Named by their content, written once, used by all jobs with that text; mode u=rwx. The text is constant: values reach
a script only through the environment (reliability 5.5). A text without `#!` runs with /bin/sh.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

_SHELL = "/bin/sh"


class ScriptFiles:
    """The script files below one directory, which belongs to it: what former runs have left is removed."""

    def __init__(self, directory: Path, encoding: str = "utf-8") -> None:
        self._directory = directory
        self._encoding = encoding
        self._arguments: dict[str, tuple[str, ...]] = {}
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(mode=0o700, parents=True)

    def arguments(self, script: str) -> tuple[str, ...]:
        """The program (and arguments) that runs this script.

        Raises `OSError` when the file cannot be written, `UnicodeEncodeError` when the encoding lacks a character.
        """
        arguments = self._arguments.get(script)
        if arguments is None:
            path = self._write(script.encode(self._encoding))
            arguments = (path,) if script.startswith("#!") else (_SHELL, path)
            self._arguments[script] = arguments
        return arguments

    def close(self) -> None:
        self._arguments.clear()
        shutil.rmtree(self._directory)

    def _write(self, data: bytes) -> str:
        path = self._directory / f"script-{hashlib.sha256(data).hexdigest()[:32]}.sh"
        unfinished = path.with_suffix(".new")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o700)
            with open(descriptor, "wb") as file:
                file.write(data)
            os.rename(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return str(path)
