"""Watches directories: each new file is an ExternalOrderAppeared, each one that has gone an ExternalOrderVanished.

What is known of a directory is what the Agent's journal says; a look at the directory writes the difference. So nothing
is missed or told twice, whatever happens between two looks (workflow spec 8.5). A look is taken when the system tells a
change, when a file that is still being written may be complete, and from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

from stellwerk.agent.director.state import AgentState
from stellwerk.effects.directories import Directories, DirectoryWatch, FileStamp
from stellwerk.engine.context import Context
from stellwerk.engine.events import item as i
from stellwerk.engine.events.order_watch import ExternalOrderAppeared, ExternalOrderVanished
from stellwerk.engine.scopes import ClockScope
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import as_string, parse_expression
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.items import FileWatch, split_key
from stellwerk.node.persist import Effect, Persister
from stellwerk.values.problems import ProblemError

logger = logging.getLogger(__name__)

#: A look is taken at least this often, for file systems that do not tell their changes, and after errors.
POLL_SECONDS = 10.0
#: Changes that come within this time are answered by one look.
GATHER_SECONDS = 0.05
#: Files in one transaction.
_MAXIMUM_FILES = 500


class FileWatcher:
    """All file watches of an Agent; `attach` gives it the persister before it starts."""

    def __init__(
        self, state: AgentState, directories: Directories, environment: Mapping[str, str], poll_seconds: float
    ) -> None:
        self._state = state
        self._directories = directories
        self._environment = environment
        self._poll_seconds = poll_seconds
        self._persister: Persister[Any] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def attach(self, persister: Persister[Any]) -> None:
        self._persister = persister

    def effects(self) -> Mapping[type, Effect]:
        return {i.ItemAttachedToMe: self._on_attached, i.ItemDetached: self._on_detached}

    def start(self) -> None:
        """Watch what the Agent's state says."""
        for path in self._state.file_watches.items:
            self._start(path)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_attached(self, event_id: int, key: Any, event: i.ItemAttachedToMe) -> None:
        if isinstance(event.item, FileWatch) and event.item.path in self._state.file_watches.items:
            self._start(event.item.path)

    def _on_detached(self, event_id: int, key: Any, event: i.ItemDetached) -> None:
        kind, path = split_key(event.key)
        if kind == "OrderWatch" and path not in self._state.file_watches.items:
            task = self._tasks.pop(path, None)
            if task is not None:
                task.cancel()

    def _start(self, path: str) -> None:
        former = self._tasks.pop(path, None)
        if former is not None:
            former.cancel()
        self._tasks[path] = asyncio.get_running_loop().create_task(self._run(path), name=f"file watch {path}")

    # --- one watch ---

    async def _run(self, path: str) -> None:
        look = _Look(self._state.file_watches.items[path])
        changed = asyncio.Event()
        watch: DirectoryWatch | None = None
        last_problem = ""
        try:
            while True:
                changed.clear()
                try:
                    directory = self._directory(look.item)
                    if watch is None:
                        watch = self._directories.watch(directory, changed.set)
                    files = await self._directories.files(directory)
                    last_problem = ""
                    wait_seconds = look.compare(files, set(self._state.file_watches.files[path]), self._now())
                    self._write(path, directory, look)
                except (OSError, ProblemError) as error:
                    if str(error) != last_problem:
                        last_problem = str(error)
                        logger.warning("FileWatch %s cannot look into its directory: %s", path, error)
                    if watch is not None:
                        watch.close()
                        watch = None
                    wait_seconds = None
                await self._wait(changed, wait_seconds)
        finally:
            if watch is not None:
                watch.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        timeout = self._poll_seconds if seconds is None else min(seconds, self._poll_seconds)
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                await changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            pass

    def _directory(self, item: FileWatch) -> str:
        scope = ClockScope(Context(now_ms=0, environment=self._environment))
        return os.path.abspath(as_string(parse_expression(item.directory_expr).evaluate(scope)))

    def _write(self, path: str, directory: str, look: _Look) -> None:
        events: list[Any] = [ExternalOrderVanished(external_order_name=name) for name in look.vanished]
        events += [
            ExternalOrderAppeared(external_order_name=name, arguments={"file": os.path.join(directory, name)})
            for name in look.appeared
        ]
        assert self._persister is not None
        for start in range(0, len(events), _MAXIMUM_FILES):
            some = events[start : start + _MAXIMUM_FILES]

            def decide(transaction: Transaction, some: list[Any] = some) -> None:
                for event in some:
                    transaction.emit(path, event)

            self._persister.persist_internally(decide)


class _Look:
    """Compares what is in the directory with what is known, and remembers files that may still be written."""

    def __init__(self, item: FileWatch) -> None:
        self.item = item
        self.appeared: list[str] = []
        self.vanished: list[str] = []
        #: New files → their stamp, and since when it has not changed (seconds of the loop's clock).
        self._growing: dict[str, tuple[FileStamp, float]] = {}

    def compare(self, files: Mapping[str, FileStamp], known: set[str], now: float) -> float | None:
        """Find what has appeared and vanished. Returns after how many seconds a growing file may be complete."""
        pattern = java_regex(self.item.file_pattern)
        delay = self.item.delay_ms / 1000
        self.vanished = [name for name in known if name not in files]
        self.appeared = []
        growing: dict[str, tuple[FileStamp, float]] = {}
        for name in sorted(files):
            if name in known or not pattern.matches(name):
                continue
            stamp = files[name]
            former = self._growing.get(name)
            since = former[1] if former is not None and former[0] == stamp else now
            if now - since >= delay:
                self.appeared.append(name)
            else:
                growing[name] = (stamp, since)
        self._growing = growing
        return min((since + delay - now for _, since in growing.values()), default=None)
