"""A machine of a simulation with only a Subagent on it, and the Director's way to it through bad weather."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from stellwerk.agent.director.subagent_peers import LocalSubagentPeer
from stellwerk.agent.subagent.commands import SubagentCommand, decode_command
from stellwerk.agent.subagent.events import SubagentRecord
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.network import Link, Stream
from stellwerk.simulation.world import SimulatedProcesses
from stellwerk.values.json import encode


class SubagentMachine:
    """Its processes outlive its runs, as they do at `machine.Machine`; it has no disk. `make` builds the Subagent."""

    def __init__(
        self, name: str, loop: SimulatedLoop, processes: SimulatedProcesses, make: Callable[[], Subagent]
    ) -> None:
        self.name = name
        self.node: Subagent | None = None
        self.life: Life | None = None
        self.restart_seconds = 0.5
        #: Called when the Subagent has gone: connections break.
        self.on_end: list[Callable[[], None]] = []
        self.processes = processes
        self._loop = loop
        self._make = make

    def start(self) -> None:
        if self.life is None:
            self.life = self._loop.begin_life(self.name)
            self.life.run_task(self._run(), self.name)

    async def _run(self) -> None:
        subagent = self._make()
        await subagent.start()
        self.node = subagent

    def kill(self) -> None:
        """`kill -9`; jobs go on until the next start ends them."""
        if self.life is not None:
            self.life.end()
            self.life = self.node = None
            for callback in list(self.on_end):
                callback()

    def fail(self) -> None:
        """The power fails."""
        self.kill()
        self.processes.kill_all()

    def restart_later(self) -> None:
        self._loop.later(self.restart_seconds, self.start)


class SimulatedSubagentPeer:
    """`SubagentPeer` over a link; what is said is encoded and decoded as over HTTP."""

    def __init__(self, link: Link) -> None:
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
        stream: Stream[Sequence[SubagentRecord]] = Stream(self._link)

        async def begin(subagent: Any) -> None:
            async def pump() -> None:
                try:
                    async for batch in self._session(subagent).events(run_id=run_id, after=after):
                        stream.send(batch)
                    stream.send(None)
                except Exception as error:
                    stream.send(error)

            stream.begin(pump)

        await self._link.call(begin)
        try:
            while (batch := await stream.receive()) is not None:
                yield batch
        finally:
            stream.close()

    async def close(self) -> None:
        """Streams are closed by their readers."""
