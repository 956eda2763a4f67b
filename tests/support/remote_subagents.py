"""Subagents on "other machines" of a `NodeWorld`: real ones with real processes; what lies between is ours to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stellwerk.agent.director.subagent_peers import LocalSubagentPeer
from stellwerk.agent.subagent.commands import SubagentCommand
from stellwerk.agent.subagent.events import ServerMeteringEvent, SubagentRecord
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.effects.clock import SystemClock, SystemRandom
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SignatureVerifier

if TYPE_CHECKING:
    from node_world import NodeWorld

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
IDLE = ServerMeteringEvent(
    cpu_load=0.1, committed_virtual_memory_size=1 << 30, free_memory_size=1 << 32, total_memory_size=1 << 33
)


def make_subagent(folder: Path, verifier: SignatureVerifier, *, journal_limit: int = 10_000) -> Subagent:
    """As in a process of its own, with its data in `folder`."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    launch = LaunchSettings(environment=ENVIRONMENT, executables_directory=work, script_injection_allowed=True)
    clock = SystemClock()
    processes = SystemProcesses(folder / "processes")
    runner = JobRunner(processes, clock, work, JobRunnerOptions(launch=launch, output_delay_seconds=0.01))
    return Subagent(
        runner,
        clock,
        SystemRandom(),
        ENVIRONMENT,
        lambda: verifier,
        measure=lambda: IDLE,
        journal_limit=journal_limit,
    )


class RemoteSubagent:
    """One machine with its Subagent, which can be cut off, killed and started again."""

    def __init__(self, world: NodeWorld, uri: str, *, journal_limit: int = 10_000) -> None:
        self.uri = uri
        self.subagent: Subagent | None = None
        #: The answers to so many of the next commands of these types get lost.
        self.lost_answers: dict[type, int] = {}
        #: Commands that have arrived.
        self.commands: list[Any] = []
        self.measured = IDLE
        self._world = world
        self._folder = world.folder / uri.rpartition("/")[2]
        self._journal_limit = journal_limit
        self._is_cut = False
        #: It does not answer any more, nor break a connection: a firewall that drops packets, SIGSTOP.
        self.is_silent = False
        self.changed = asyncio.Event()

    async def start(self) -> None:
        self.subagent = make_subagent(self._folder, self._world.trusted, journal_limit=self._journal_limit)
        self.subagent.measure = lambda: self.measured
        await self.subagent.start()

    async def kill(self) -> None:
        """As by `kill -9`, the watchdog having done its duty."""
        subagent, self.subagent = self.subagent, None
        self._change()
        if subagent is not None:
            await subagent.close()
            await subagent.runner.processes.close()

    def cut(self) -> None:
        self._is_cut = True
        self._change()

    def heal(self) -> None:
        self._is_cut = False

    def _change(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def reached(self) -> Subagent:
        if self._is_cut or self.subagent is None:
            raise PeerUnreachableError(f"{self.uri} cannot be reached", is_refused=not self._is_cut)
        return self.subagent


class BreakablePeer:
    """A `SubagentPeer` to whatever machine is at the URI."""

    def __init__(self, world: NodeWorld, uri: str) -> None:
        self._world = world
        self._uri = uri
        self._peers: dict[Subagent, LocalSubagentPeer] = {}

    def _machine(self) -> RemoteSubagent:
        machine = self._world.machines.get(self._uri)
        if machine is None:
            raise PeerUnreachableError(f"there is no machine at {self._uri}")
        return machine

    def _peer(self) -> LocalSubagentPeer:
        subagent = self._machine().reached
        return self._peers.setdefault(subagent, LocalSubagentPeer(subagent))

    async def command(self, command: SubagentCommand, number: int = 0) -> Any:
        machine, peer = self._machine(), self._peer()
        if machine.is_silent:
            raise PeerUnreachableError(f"{self._uri} did not answer in time")
        machine.commands.append(command)
        subagent = machine.reached
        answer = await peer.command(command, number)
        if machine.subagent is not subagent:
            raise PeerUnreachableError(f"{self._uri} has gone")
        if machine.lost_answers.get(type(command), 0) > 0:
            machine.lost_answers[type(command)] -= 1
            raise PeerUnreachableError("the answer got lost")
        return answer

    async def events(self, *, run_id: str, after: int) -> AsyncGenerator[Sequence[SubagentRecord], None]:
        machine = self._machine()
        subagent, broken = machine.reached, machine.changed
        stream = self._peer().events(run_id=run_id, after=after)
        breaks = asyncio.ensure_future(broken.wait())
        batch: asyncio.Future[Sequence[SubagentRecord]] = asyncio.get_running_loop().create_future()
        try:
            while True:
                batch = asyncio.ensure_future(anext(stream))
                await asyncio.wait([batch, breaks], return_when=asyncio.FIRST_COMPLETED)
                if breaks.done():
                    raise PeerUnreachableError(f"the connection to {self._uri} is broken")
                try:
                    records = batch.result()
                except ProblemError:
                    if machine.subagent is subagent and not subagent.ended.is_set():
                        raise
                    raise PeerUnreachableError(f"{self._uri} has ended") from None
                if machine.is_silent:
                    await breaks
                yield records
        finally:
            breaks.cancel()
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)
            await stream.aclose()

    async def close(self) -> None:
        """Nothing is open."""
