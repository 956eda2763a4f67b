"""A machine of a simulation: its disk and its processes outlive the runs of its one node.

`start`, `kill` (`kill -9` of the node), `fail` (the power fails): the node that runs is the real one, on simulated
effects. What a run has committed is noted by `record`, and each start checks that nothing of it is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stellwerk.engine.cluster import Coupled
from stellwerk.journal import JournalDiskFullError, JournalError, Recovered, delete_at_next_start, recover
from stellwerk.node.node import Node, NodeEffects, Termination
from stellwerk.node.state import NodeState
from stellwerk.simulation.disk import Keep, SimulatedDisk
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.world import SeededRandom, SimulatedClock, SimulatedDirectories, SimulatedProcesses
from stellwerk.values.events import Envelope, decode_envelope

AnyNode = Node[Any, Any]
_READ_BYTES = 1 << 20
#: How often a node that waits for room on its disk looks again.
_ROOM_PAUSE_SECONDS = 1.0
#: After the end of an Agent's process its watchdog ends the jobs within that time.
_WATCHDOG_SECONDS = 0.5


class Record:
    """The committed events of one journal, over all runs and all nodes that share it, as lines with their envelopes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[bytes] = []
        self.envelopes: list[Envelope] = []
        self.violations: list[str] = []
        #: The machine whose node is active, and the node.
        self.active: tuple[str, AnyNode] | None = None
        #: Ids of the journals: a reset begins another one. The lines of the present one begin at `begin`.
        self.journal_ids: list[str] = []
        self.begin = 0
        #: Whether the journal of this id may have been deleted.
        self.may_be_deleted: Callable[[str], bool] = lambda journal_id: False
        #: How often the role went to another machine, and who is told of it.
        self.takeovers = 0
        self.on_takeover: Callable[[AnyNode], None] = lambda node: None

    @property
    def last_event_id(self) -> int:
        return self.envelopes[-1].event_id if len(self.envelopes) > self.begin else 0

    def opened(self, machine: str, node: AnyNode) -> None:
        """A node has become active: it must have all that was ever committed, and no other may commit any more."""
        if self.active is not None and self.active[0] != machine:
            self.takeovers += 1
            self.on_takeover(node)
        self.active = machine, node
        journal = node.journal
        self._begin_journal(machine, journal.journal_id)
        after = max(journal.torn_event_id, 0)
        of_this = range(self.begin, len(self.envelopes))
        begin = next((n for n in of_this if self.envelopes[n].event_id > after), len(self.envelopes))
        known = self.lines[begin:]
        found: list[bytes] = []
        while lines := journal.read_after(after, _READ_BYTES):
            found += lines
            after = decode_envelope(lines[-1]).event_id
        if found[: len(known)] != known:
            missing = next((line for line in known if line not in set(found)), known[-1] if known else b"")
            self.violations.append(f"{machine}: a committed event is lost: {missing[:300]!r}")
        for line in found[len(known) :]:
            self._add(line, machine)

    def _begin_journal(self, machine: str, journal_id: str) -> None:
        if self.journal_ids and journal_id == self.journal_ids[-1]:
            return
        if journal_id in self.journal_ids:
            self.violations.append(f"{machine} is active with a journal that has been reset")
        elif self.journal_ids and not self.may_be_deleted(self.journal_ids[-1]):
            self.violations.append(f"{machine} begins another journal, and nobody has reset it")
        self.journal_ids.append(journal_id)
        self.begin = len(self.lines)

    def committed(self, machine: str, node: AnyNode) -> None:
        """A node has published events."""
        if self.active is None or self.active[1] is not node:
            if node.journal.committed_event_id <= self.last_event_id:
                return  # it learns late that its last events are committed: the other node has them
            self.violations.append(f"{machine} commits events, but {self.active and self.active[0]} is active")
            return
        for line in node.journal.read_after(self.last_event_id, _READ_BYTES):
            self._add(line, machine)

    def _add(self, line: bytes, machine: str) -> None:
        last = self.last_event_id
        self.lines.append(line)
        self.envelopes.append(decode_envelope(line))
        if self.last_event_id <= last:
            self.violations.append(f"{machine}: event id {self.last_event_id} follows {last}")


class Machine:
    """See the module. `run` is the program: it returns when it has ended by itself."""

    def __init__(
        self, name: str, loop: SimulatedLoop, random: SeededRandom, disk: SimulatedDisk, processes: SimulatedProcesses
    ) -> None:
        self.name = name
        self.loop = loop
        self.disk = disk
        self.processes = processes
        self.clock = SimulatedClock(loop)
        self.effects = NodeEffects(disk, self.clock, random, {})
        #: What runs here and can be asked: a Controller's or Agent's node, and a Subagent.
        self.node: AnyNode | None = None
        self.subagent: Any = None
        self.life: Life | None = None
        self.has_power = True
        self.crashes = 0
        self.violations: list[str] = []
        #: Called when the program has gone: connections break.
        self.on_end: list[Callable[[], None]] = []
        self.restart_seconds = 0.5
        #: What the power failure at `disk.crash_at` leaves of that which was not synced.
        self.crash_keep = Keep.NOTHING
        #: Beginning with the start, every state of the machine that is worth a line of the trace.
        self.note: Callable[[str], None] = lambda text: None
        self._random = random.random
        disk.on_crash = self._disk_has_crashed

    async def run(self, life: Life) -> None:
        """The program. To be defined."""
        raise NotImplementedError

    # --- life ---

    def start(self) -> None:
        if self.life is None:
            self.has_power = True
            self.life = self.loop.begin_life(self.name)
            self.processes.begin_run()
            self.life.run_task(self.run(self.life), self.name)

    def kill(self) -> None:
        """`kill -9`; jobs go on until the watchdog or the next start ends them."""
        if self.life is not None:
            self._end()
            self.disk.kill()
            self.loop.later(self._random.random() * _WATCHDOG_SECONDS, self._watchdog)

    def fail(self, keep: Keep) -> None:
        """The power fails."""
        self.has_power = False
        if self.life is not None:
            self._end()
        self.processes.kill_all()
        self.disk.power_up(keep)

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while: nothing of it happens meanwhile, then all at once."""
        life = self.life
        if life is not None and not life.is_paused:
            life.is_paused = True
            self.loop.later(seconds, life.resume)

    def restart_later(self, seconds: float | None = None) -> None:
        self.loop.later(self.restart_seconds if seconds is None else seconds, self.start)

    def _watchdog(self) -> None:
        if self.life is None:
            self.processes.kill_all()

    def _disk_has_crashed(self) -> None:
        """The power has failed at a chosen operation of the disk; the caller is the node itself."""
        self.has_power = False
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
        self.subagent = None
        for callback in list(self.on_end):
            callback()

    def ended_by_itself(self, seconds: float | None = None) -> None:
        """The process starts again, as a supervisor has it do; its jobs have ended with it."""
        self.processes.kill_all()
        self._end()
        self.crashes -= 1
        self.restart_later(seconds)


class NodeMachine(Machine):
    """A machine with a Controller or an Agent. `make_node` builds a new node on the machine's effects."""

    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        random: SeededRandom,
        disk: SimulatedDisk,
        processes: SimulatedProcesses,
        work_directory: Path,
        record: Record,
        make_node: Callable[[NodeMachine], AnyNode],
        make_subagent: Callable[[Machine], Any] | None = None,
    ) -> None:
        super().__init__(name, loop, random, disk, processes)
        self._make_subagent = make_subagent
        self.directories = SimulatedDirectories()
        self.work_directory = work_directory
        self.record = record
        #: Torn blocks that starts have cut off, and other facts of its runs (`plans.SOMETIMES`).
        self.torn_blocks = 0
        self.facts: set[str] = set()
        self._make_node = make_node

    async def run(self, life: Life) -> None:
        """The process: one run of the node after the other."""
        if self._make_subagent is not None:
            self.subagent = self._make_subagent(self)
        pause: float | None = 0.0
        while pause is not None:
            await asyncio.sleep(pause)
            pause = await self._run_node(life)
        if not life.is_over:
            self.ended_by_itself()

    async def _run_node(self, life: Life) -> float | None:
        """One run; returns after how many seconds the next one begins, None: the process ends."""
        self._check_recovered()
        node = self._make_node(self)
        node.on_opened = lambda: self._opened(node)
        self.node = node
        try:
            await node.start()
        except (JournalError, OSError) as error:
            if life.is_over:
                return None  # the power has failed at the very operation that raised
            self.node = None
            if not isinstance(error, JournalDiskFullError):
                self.violations.append(f"{self.name} does not start: {error}")
                return None
            node.terminate(Termination(is_immediate=True))
            await node.stop()
            return _ROOM_PAUSE_SECONDS
        termination = await node.terminated
        if not termination.is_restart:
            self.violations.append(f"{self.name} has ended by itself: {termination.reason}")
        self.note(f"ends: {termination.reason}")
        await node.stop()
        self.node = None
        if termination.deletes_journal:
            await delete_at_next_start(self.disk, node.NAME)
        if not termination.is_restart:
            return None
        return _ROOM_PAUSE_SECONDS if termination.waits_for_room else 0.0

    def _opened(self, node: AnyNode) -> None:
        if isinstance(node.state.cluster_state, Coupled) and node.state.cluster_state.active_id == node.cluster.node_id:
            self.facts.add("a restarted active node went on")
        self.note(f"is active, term {node.cluster.term}")
        self.record.opened(self.name, node)
        node.journal.on_commit(lambda event_id: self.record.committed(self.name, node))

    # --- what it has committed ---

    def folded(self, recovered: Recovered) -> NodeState:
        """The state that a start would have from what has been recovered."""
        node = self._make_node(self)
        node.fold(recovered)
        state: NodeState = node.state
        return state

    def _check_recovered(self) -> None:
        """P8: what is on the disk can be read."""
        try:
            recovered = recover(self.disk, journal_name(self.name), None)
            self.torn_blocks += recovered.cut_bytes > 0
        except JournalError as error:
            self.violations.append(f"{self.name} cannot be recovered: {error}")


def journal_name(machine: str) -> str:
    return "controller" if machine.startswith("controller") else "agent"
