"""File watches as the Controller sees them: which files have which orders (workflow spec 8.5; orders 6.7).

Part of the Controller's state; only events change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events.order_watch import ExternalOrderAppeared, ExternalOrderRejected, ExternalOrderVanished
from stellwerk.language.items import FileWatch, order_watch_key
from stellwerk.values.problems import Problem, ProblemError

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState


class Appeared(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """The file is there, and has no order yet."""

    arguments: dict[str, Any] = {}


class Vanished(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE"):
    pass


class HasOrder(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    order_id: str
    #: What has happened to the file since.
    queued: Vanished | Appeared | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """No order for this file; it is not tried again before the file comes anew."""

    problem: Problem


ExternalState = Appeared | HasOrder | Rejected


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """Snapshot object (journal spec 8.2)."""

    order_watch_path: str
    external_order_name: str
    state: ExternalState


class OrderWatches:
    """All file watches of a Controller."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self.items: dict[str, FileWatch] = {}
        #: Watch → name of the file → its state.
        self._files: dict[str, dict[str, ExternalState]] = {}

    # --- reading ---

    def item(self, path: str) -> FileWatch:
        """Raises `ProblemError` UnknownKey."""
        found = self.items.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="OrderWatch", key=order_watch_key(path))
        return found

    def file(self, path: str, name: str) -> ExternalState | None:
        return self._files.get(path, {}).get(name)

    def appeared(self) -> Iterator[tuple[str, str]]:
        """Watch and name of all files that wait for their order."""
        for path, files in self._files.items():
            for name, state in files.items():
                if isinstance(state, Appeared):
                    yield path, name

    # --- events ---

    def put_item(self, item: FileWatch) -> None:
        self._state.put(self.items, item.path, item)

    def remove_item(self, path: str) -> None:
        self._state.remove(self.items, path)
        self._state.remove(self._files, path)

    def _put(self, path: str, name: str, state: ExternalState | None) -> None:
        files = self._files.get(path)
        if files is None:
            files = {}
            self._state.put(self._files, path, files)
        if state is None:
            self._state.remove(files, name)
        else:
            self._state.put(files, name, state)

    def on_appeared(self, path: str, event: ExternalOrderAppeared) -> None:
        """Repeated events change nothing."""
        name = event.external_order_name
        old = self.file(path, name)
        appeared = Appeared(arguments=event.arguments)
        if old is None or isinstance(old, Rejected):
            self._put(path, name, appeared)
        elif isinstance(old, HasOrder) and isinstance(old.queued, Vanished):
            self._put(path, name, replace(old, queued=appeared))

    def on_vanished(self, path: str, event: ExternalOrderVanished) -> None:
        name = event.external_order_name
        old = self.file(path, name)
        if isinstance(old, HasOrder):
            self._put(path, name, replace(old, queued=Vanished()))
        elif old is not None:
            self._put(path, name, None)

    def on_rejected(self, path: str, event: ExternalOrderRejected) -> None:
        """A name that does not fit the pattern is forgotten."""
        is_forgotten = event.problem.code == "FileWatchPatternDoesntMatch"
        self._put(path, event.external_order_name, None if is_forgotten else Rejected(problem=event.problem))

    def on_order_added(self, path: str, name: str, order_id: str) -> None:
        self._put(path, name, HasOrder(order_id=order_id))

    def on_order_deleted(self, path: str, name: str) -> None:
        """A file that came again meanwhile now waits for its next order."""
        old = self.file(path, name)
        if isinstance(old, HasOrder):
            self._put(path, name, old.queued if isinstance(old.queued, Appeared) else None)

    # --- snapshots ---

    def snapshot(self) -> Iterator[ExternalOrder]:
        for path, files in self._files.items():
            for name, state in files.items():
                yield ExternalOrder(order_watch_path=path, external_order_name=name, state=state)

    def restore(self, restored: ExternalOrder) -> None:
        self._files.setdefault(restored.order_watch_path, {})[restored.external_order_name] = restored.state
