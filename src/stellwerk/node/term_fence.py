"""Which node of a pair may command: the greatest term that has been shown, durably (cluster spec 7, fencing)."""

from __future__ import annotations

from stellwerk.cluster.watcher import DiskMemory
from stellwerk.effects.disk import Disk
from stellwerk.values.problems import ProblemError


class TermFence:
    """Refuses who shows a lower term than has been accepted before, also before a restart."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._memory = DiskMemory(disk, name, int)
        self._greatest = 0

    async def load(self) -> None:
        """What has been remembered; before anything is asked."""
        self._greatest = await self._memory.load() or 0

    async def forget(self) -> None:
        """Whoever comes next begins anew."""
        if self._greatest:
            self._greatest = 0
            await self._memory.store(0)

    def check(self, term: int | None) -> None:
        """None: the sender does not belong to a pair. Raises `ProblemError` TermIsStale."""
        if term is not None and term < self._greatest:
            raise ProblemError.of("TermIsStale", term=str(term), greatestTerm=str(self._greatest))

    async def accept(self, term: int | None) -> None:
        """The sender commands from now on; remembered before this returns. Raises `ProblemError` TermIsStale."""
        self.check(term)
        if term is not None and term > self._greatest:
            self._greatest = term
            await self._memory.store(term)
