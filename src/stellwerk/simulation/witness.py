"""A machine with a witness: the real watch of a pair, on simulated effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stellwerk.cluster.watch import Knowledge
from stellwerk.cluster.watcher import DiskMemory, WatchedNode, Watcher
from stellwerk.simulation.disk import SimulatedDisk
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.machine import Machine
from stellwerk.simulation.world import SeededRandom, SimulatedProcesses

_REFUSALS = frozenset({"ClusterWatchActiveStillAlive", "ClusterFailOverWhilePassiveLost"})


class WitnessMachine(Machine):
    """See the module."""

    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        random: SeededRandom,
        disk: SimulatedDisk,
        processes: SimulatedProcesses,
        uris: Sequence[str],
        peers: Callable[[str], WatchedNode],
    ) -> None:
        super().__init__(name, loop, random, disk, processes)
        self._uris = uris
        self._peers = peers
        #: The watchers of all runs.
        self.watchers: list[Watcher] = []

    async def run(self, life: Life) -> None:
        watcher = Watcher(
            self.name, self._uris, self._peers, DiskMemory(self.disk, "watch", Knowledge), self.effects.random
        )
        self.watchers.append(watcher)
        await watcher.run()

    @property
    def has_refused_a_fail_over(self) -> bool:
        return any(watcher.refusals.keys() & _REFUSALS for watcher in self.watchers)
