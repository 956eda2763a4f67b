"""A machine of a simulation: its disk and its processes outlive the runs of its one node.

`start`, `kill` (`kill -9` of the node), `fail` (the power fails): the node that runs is the real one, on simulated
effects. What a run has committed is noted by `record`, and each start checks that nothing of it is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.journal import JournalError, Recovered, recover
from stellwerk.node.node import Node, NodeEffects
from stellwerk.node.state import NodeState
from stellwerk.simulation.disk import Keep, SimulatedDisk
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.world import SeededRandom, SimulatedClock, SimulatedDirectories, SimulatedProcesses
from stellwerk.values.events import Envelope, decode_envelope

AnyNode = Node[Any, Any]
_READ_BYTES = 1 << 20


class Record:
    """The committed events of one journal, over all runs, as lines with their envelopes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.envelopes: list[Envelope] = []

    @property
    def last_event_id(self) -> int:
        return self.envelopes[-1].event_id if self.envelopes else 0

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.envelopes.append(decode_envelope(line))


class Machine:
    """See the module. `make_node` builds a new node on the machine's effects."""

    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        random: SeededRandom,
        disk: SimulatedDisk,
        processes: SimulatedProcesses,
        work_directory: Path,
        make_node: Callable[[Machine], AnyNode],
    ) -> None:
        self.name = name
        self.loop = loop
        self.disk = disk
        self.processes = processes
        self.directories = SimulatedDirectories()
        self.work_directory = work_directory
        self.effects = NodeEffects(disk, SimulatedClock(loop), random, {})
        self.node: AnyNode | None = None
        self.life: Life | None = None
        self.record = Record()
        self.crashes = 0
        self.violations: list[str] = []
        #: Called when the node has gone: connections break.
        self.on_end: list[Callable[[], None]] = []
        self.restart_seconds = 0.5
        #: What the power failure at `disk.crash_at` leaves of that which was not synced.
        self.crash_keep = Keep.NOTHING
        self._make_node = make_node
        self._random = random.random
        disk.on_crash = self._disk_has_crashed

    # --- life ---

    def start(self) -> None:
        if self.life is None:
            self.life = self.loop.begin_life(self.name)
            self.life.run_task(self._run(self.life), self.name)

    def kill(self) -> None:
        """`kill -9`; jobs go on until the watchdog or the next start ends them."""
        if self.life is not None:
            self._end()
            self.disk.kill()
            if self._random.random() < 0.5:
                self.loop.later(self._random.random() * self.restart_seconds, self._watchdog)

    def fail(self, keep: Keep) -> None:
        """The power fails."""
        if self.life is not None:
            self._end()
            self.processes.kill_all()
            self.disk.power_up(keep)

    def restart_later(self) -> None:
        self.loop.later(self.restart_seconds, self.start)

    def _watchdog(self) -> None:
        if self.life is None:
            self.processes.kill_all()

    def _disk_has_crashed(self) -> None:
        """The power has failed at a chosen operation of the disk; the caller is the node itself."""
        self._end()
        self.processes.kill_all()
        keep = self.crash_keep
        # Only when the node's own code has come to rest: it must still find the power gone.
        self.loop.later(0.0, self.disk.power_up, keep)
        self.restart_later()

    def _end(self) -> None:
        assert self.life is not None
        self.crashes += 1
        self.life.end()
        self.life = None
        self.node = None
        for callback in list(self.on_end):
            callback()

    async def _run(self, life: Life) -> None:
        self._check_recovered()
        node = self._make_node(self)
        try:
            await node.start()
        except (JournalError, OSError) as error:
            if life.is_over:
                return  # the power has failed at the very operation that raised
            self.violations.append(f"{self.name} does not start: {error}")
            return
        self._note_commits(node)
        node.journal.on_commit(lambda event_id: self._note_commits(node))
        self.node = node
        termination = await node.terminated
        self.node = None
        if not termination.is_restart:
            self.violations.append(f"{self.name} has ended by itself: {termination.reason}")
        await node.stop()
        await self.processes.close()  # the process ends, and its jobs with it
        self._end()
        self.crashes -= 1
        self.restart_later()

    # --- what it has committed ---

    def folded(self, recovered: Recovered) -> NodeState:
        """The state that a start would have from what has been recovered."""
        node = self._make_node(self)
        node.fold(recovered)
        state: NodeState = node.state
        return state

    def _note_commits(self, node: AnyNode) -> None:
        for line in node.journal.read_after(self.record.last_event_id, _READ_BYTES):
            last = self.record.last_event_id
            self.record.add(line)
            if self.record.last_event_id <= last:
                self.violations.append(f"{self.name}: event id {self.record.last_event_id} follows {last}")

    def _check_recovered(self) -> None:
        """P1, P2: everything that was committed is on the disk, unchanged."""
        try:
            recovered = recover(self.disk, "controller" if self.name == "controller" else "agent", None)
        except JournalError as error:
            self.violations.append(f"{self.name} cannot be recovered: {error}")
            return
        lines = list(recovered.events)
        first = recovered.file_event_id
        known = [
            line
            for line, envelope in zip(self.record.lines, self.record.envelopes, strict=True)
            if envelope.event_id > first
        ]
        if lines[: len(known)] != known:
            missing = next((line for line in known if line not in lines), known[-1] if known else b"")
            self.violations.append(f"{self.name}: a committed event is lost: {missing[:300]!r}")
        for line in lines[len(known) :]:
            # Written and synced, but the crash came before anybody was told.
            if decode_envelope(line).event_id > self.record.last_event_id:
                self.record.add(line)


class DownError(PeerUnreachableError):
    """The machine's node is down."""


def running(machine: Any) -> AnyNode:
    """The node, when it is there and ready."""
    if machine.node is None or not machine.node.is_ready:
        raise DownError(f"{machine.name} is down")
    node: AnyNode = machine.node
    return node
