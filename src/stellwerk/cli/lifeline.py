"""The two pipes between `up` and a component: "I am ready" upwards, end of life downwards.

`up` hands their descriptors over in the environment (STELLWERK_READY_FD, STELLWERK_LIFE_FD); a component that is
started by hand has none. The descriptors are closed to job processes, and the variables are removed, so that jobs see
nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stellwerk.cli.installation import process_start_time, write_file
from stellwerk.values.json import encode

READY = "STELLWERK_READY_FD"
LIFE = "STELLWERK_LIFE_FD"


class Lifeline:
    """Made at the very start of a component's process."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._ready = _take(READY)
        self._life = _take(LIFE)

    def ready(self, **values: Any) -> None:
        """Tell whoever started this component that it can be used, and note the process in the data folder."""
        pid = os.getpid()
        write_file(self._data / "component.json", encode({"pid": pid, "start": process_start_time(pid)}))
        if self._ready is not None:
            os.write(self._ready, encode({"ready": True, "pid": pid, **values}) + b"\n")
            os.close(self._ready)
            self._ready = None

    def watch(self, stop: Callable[[], None]) -> None:
        """Call `stop` once when SIGTERM or SIGINT arrives, or when the process that started us has died."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        if self._life is not None:
            descriptor = self._life

            def ended() -> None:
                loop.remove_reader(descriptor)
                stop()

            loop.add_reader(descriptor, ended)

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._data / "component.json").unlink()


def _take(variable: str) -> int | None:
    text = os.environ.pop(variable, None)
    if text is None:
        return None
    descriptor = int(text)
    os.set_inheritable(descriptor, False)
    return descriptor
