"""The files that an Agent has seen in its watched directories (workflow spec 8.5). Part of the Agent's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from stellwerk.engine.events.order_watch import ExternalOrderAppeared, ExternalOrderVanished
from stellwerk.language.items import FileWatch

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState


class FileWatchState(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """Snapshot object: the item, without its TYPE."""

    file_watch: dict[str, Any]


class FileWatchStateFile(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="FileWatchState.File", rename="camel"
):
    """Snapshot object: one file that has been seen. `path` is its name."""

    order_watch_path: str
    path: str


class FileWatches:
    """All file watches of an Agent. Only events change it."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self.items: dict[str, FileWatch] = {}
        #: Watch → names of the files for which ExternalOrderAppeared has been written.
        self.files: dict[str, dict[str, None]] = {}

    def put_item(self, item: FileWatch) -> None:
        self._state.put(self.items, item.path, item)
        if item.path not in self.files:
            self._state.put(self.files, item.path, {})

    def remove_item(self, path: str) -> None:
        self._state.remove(self.items, path)
        self._state.remove(self.files, path)

    def on_appeared(self, path: str, event: ExternalOrderAppeared) -> None:
        self._state.put(self.files[path], event.external_order_name, None)

    def on_vanished(self, path: str, event: ExternalOrderVanished) -> None:
        self._state.remove(self.files[path], event.external_order_name)

    def snapshot(self) -> Iterator[FileWatchState | FileWatchStateFile]:
        for path, item in self.items.items():
            members = msgspec.to_builtins(item)
            del members["TYPE"]
            yield FileWatchState(file_watch=members)
            for name in self.files[path]:
                yield FileWatchStateFile(order_watch_path=path, path=name)

    def restore(self, restored: FileWatchState | FileWatchStateFile) -> None:
        if isinstance(restored, FileWatchState):
            item = msgspec.convert({**restored.file_watch, "TYPE": "FileWatch"}, FileWatch)
            self.items[item.path] = item
            self.files.setdefault(item.path, {})
        else:
            self.files.setdefault(restored.order_watch_path, {})[restored.path] = None
