"""What a node gives to its part in a cluster: its state, its journal, the ways to become active and to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from stellwerk.effects.clock import Clock
from stellwerk.effects.disk import Disk
from stellwerk.engine.cluster import ClusterState
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.journal import JournalOptions, Recovered, Replica
from stellwerk.journal.acknowledgement import AcknowledgementGate


class ClusterHost(Protocol):
    disk: Disk
    clock: Clock

    @property
    def journal_options(self) -> JournalOptions: ...

    @property
    def cluster_state(self) -> ClusterState:
        """As folded so far."""
        ...

    # --- passive ---

    def begin_following(self, replica: Replica) -> None:
        """Readers get what the replica has."""
        ...

    def fold_events(self, lines: Sequence[bytes]) -> None:
        """Apply events that have been received. Raises `JournalCorruptedError` for one that does not fit."""
        ...

    def snapshot_copy(self) -> Callable[[], Iterable[bytes]]:
        """The state as it is now, as snapshot objects, to be read later and more than once."""
        ...

    def canonical(self, snapshot_object: bytes) -> bytes:
        """Equal for equal objects, whether or not a member that has its default value is written."""
        ...

    # --- active ---

    async def activate(
        self,
        recovered: Recovered,
        event: AnyClusterEvent | None,
        *,
        in_same_file: bool,
        needs_acknowledgement: bool = False,
    ) -> None:
        """Open the journal for writing, write `event` first, and begin to work; returns when that is committed.

        `in_same_file`: go on in the file that is there. `needs_acknowledgement`: from the first event on.
        """
        ...

    @property
    def acknowledgement(self) -> AcknowledgementGate: ...

    def persist_event(self, event: AnyClusterEvent) -> None:
        """Append a cluster event; raises `ProblemError` when it is not applicable."""
        ...

    async def durable(self) -> None:
        """Everything appended so far has been committed."""
        ...

    def seal(self) -> None:
        """The last event has been appended: refuse all further ones."""
        ...

    # --- end ---

    def restart(self, reason: str, *, is_final: bool = False) -> None:
        """End this run and begin the next one from the disk (exit code 97); `is_final`: do not begin one."""
        ...

    def halt(self, reason: str) -> None:
        """This node must not be active: end at once, commit nothing more, start again (exit code 98)."""
        ...

    def forget(self, reason: str) -> None:
        """End this run, delete the journal and begin the next run without one."""
        ...

    @property
    def journal_id(self) -> str | None:
        """Of the journal that is written or copied here; None before there is one."""
        ...

    def failed(self, error: BaseException) -> None:
        """A bug, or a disk that does not work."""
        ...
