"""A machine of a simulation with only a Subagent on it, and the Director's way to it through bad weather."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from stellwerk.agent.director.subagent_peers import LocalSubagentPeer
from stellwerk.agent.subagent.commands import SubagentCommand, decode_command
from stellwerk.agent.subagent.events import SubagentRecord
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.simulation.disk import SimulatedDisk
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.machine import Machine
from stellwerk.simulation.network import Link
from stellwerk.simulation.world import SeededRandom, SimulatedProcesses
from stellwerk.values.json import encode


class SubagentMachine(Machine):
    """Its processes outlive its runs; it uses no disk. `make` builds the Subagent."""

    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        random: SeededRandom,
        disk: SimulatedDisk,
        processes: SimulatedProcesses,
        make: Callable[[Machine], Subagent],
    ) -> None:
        super().__init__(name, loop, random, disk, processes)
        self._make = make

    async def run(self, life: Life) -> None:
        subagent = self._make(self)
        await subagent.start()
        self.subagent = subagent


class SimulatedSubagentPeer:
    """`SubagentPeer` over a link; what is said is encoded and decoded as over HTTP."""

    def __init__(self, link: Link) -> None:
        """`link` leads to the part `subagent` of a machine."""
        self._link = link
        self._sessions: dict[Subagent, LocalSubagentPeer] = {}

    def _session(self, subagent: Subagent) -> LocalSubagentPeer:
        return self._sessions.setdefault(subagent, LocalSubagentPeer(subagent))

    async def command(self, command: SubagentCommand, number: int = 0) -> Any:
        body = encode((number, command))

        async def execute(subagent: Any) -> Any:
            sent_number, sent = decode_command(body)
            return await self._session(subagent).command(sent, sent_number)

        return await self._link.call(execute)

    async def events(self, *, run_id: str, after: int) -> AsyncGenerator[Sequence[SubagentRecord], None]:
        def begin(subagent: Any) -> AsyncGenerator[Sequence[SubagentRecord], None]:
            return self._session(subagent).events(run_id=run_id, after=after)

        stream = self._link.stream(begin)
        async for batch in stream:
            yield batch

    async def close(self) -> None:
        """Streams are closed by their readers."""
