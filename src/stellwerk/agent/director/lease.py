"""The lease on the jobs of the active Director's own machine (cluster spec 2.4; catalogue F40).

A Director that is cut off from the other one does not know whether that has failed over. When it has, it repeats the
jobs of this machine elsewhere: so they must have ended here before. Therefore the active Director of a coupled pair
leases its jobs to itself, from the moment at which it has asked the other one and was answered that it is not active;
nobody prolongs the lease of a Director that is cut off or stands still, and the watchdog ends its jobs. The other
Director waits until that is certain (`given_up_after_seconds`).

A refused connection counts as an answer: a Director's process that has gone gives up nothing, and one that starts anew
waits for the jobs of this machine.

While the pair is not coupled the other Director cannot take over, and there is no lease.
"""

from __future__ import annotations

import asyncio
from typing import Any

from stellwerk.agent.director.state import AgentState
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.cluster.member import ClusterMember
from stellwerk.cluster.peer import ClusterPeer
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine.cluster import Coupled, Empty, is_active, is_same_pair
from stellwerk.engine.events.cluster import ClusterCoupled
from stellwerk.values.problems import ProblemError

#: The lease is prolonged so often in its time.
_ROUNDS = 10
#: What a watchdog may need to end all jobs, and by how much the clocks of two machines may differ in their pace.
_KILL_SECONDS = 2.0
_DRIFT = 0.05


def given_up_after_seconds(lease_seconds: float) -> float:
    """So long after its fail-over a Director waits for the silent machine of the other one."""
    return lease_seconds * (1 + _DRIFT) + _KILL_SECONDS


class JobLease:
    """See the module. `run` as a task while the Director is active."""

    def __init__(self, cluster: ClusterMember, state: AgentState, subagent: Subagent, seconds: float) -> None:
        self._cluster = cluster
        self._state = state
        self._subagent = subagent
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        # What has been leased before, in this process, is prolonged only when the other Director has answered.
        until = subagent.leased_until
        self._certain_at = self._loop.time() if until is None else until - seconds

    def on_cluster_event(self, event_id: int, key: Any, event: Any) -> None:
        """At once: the other Director may take over from now on, or may not any more."""
        if isinstance(event, ClusterCoupled):
            self._certain_at = self._loop.time()
        self._renew()
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._renew()
            if isinstance(self._state.cluster_state, Coupled):
                async with self._cluster.other_node() as peer:
                    while isinstance(self._state.cluster_state, Coupled):
                        await self._ask(peer)
                        await asyncio.sleep(self._seconds / _ROUNDS)
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _ask(self, peer: ClusterPeer) -> None:
        asked_at = self._loop.time()
        try:
            async with asyncio.timeout(self._seconds / 2):
                answer = (await peer.node_state()).cluster_state
        except PeerUnreachableError as error:
            if not error.is_refused:
                return
        except (ProblemError, TimeoutError):
            return
        else:
            state = self._state.cluster_state
            if (
                isinstance(state, Empty)
                or not is_same_pair(answer, state)
                or is_active(answer, self._cluster.node_id) is not True
            ):
                return
        self._certain_at = max(self._certain_at, asked_at)
        self._renew()

    def _renew(self) -> None:
        state = self._state.cluster_state
        if is_active(state, self._cluster.node_id) is False:
            return  # The role has been handed over, and may not have arrived: the lease runs on until the heir couples.
        until = self._certain_at + self._seconds if isinstance(state, Coupled) else None
        self._subagent.lease(self._cluster.term, until)
