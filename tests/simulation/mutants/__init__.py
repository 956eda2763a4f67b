"""Deliberately broken variants of the product: a simulator that does not catch them proves nothing (reliability 3.8).

Each is a context manager that breaks one thing which a guarantee rests on. `MUTANTS` says in which kind of run each is
looked for, and within how many runs it must be caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from unittest.mock import patch

import msgspec

from stellwerk.agent.director.lease import JobLease
from stellwerk.agent.director.losses import lose_orders, lost
from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.director.subagent_driver import DriverTiming, SubagentDriver
from stellwerk.cluster import consent, follower, member, start
from stellwerk.cluster.inhibition import Inhibition
from stellwerk.cluster.passive import PassiveRole
from stellwerk.cluster.watch import CONFIRMED, Watch
from stellwerk.controller.agent_driver import AgentDriver
from stellwerk.controller.node import ControllerNode
from stellwerk.engine.cluster import Coupled
from stellwerk.engine.events.agent import AgentReset
from stellwerk.engine.events.subagent import SubagentCouplingFailed
from stellwerk.journal import Journal, Replica, format
from stellwerk.journal.acknowledgement import AcknowledgementGate
from stellwerk.journal.writer import BlockWriter
from stellwerk.node.agent_commands import Reset
from stellwerk.node.node import Node
from stellwerk.node.persist import Effects, combined
from stellwerk.simulation.disk import SimulatedAppendFile
from stellwerk.simulation.plans import Shape
from stellwerk.simulation.world import SimulatedProcesses
from stellwerk.values.event_ids import EventIdGenerator
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError


class Mutant(msgspec.Struct, frozen=True):
    """`shape`: in runs of that shape. `kinds`: with these faults."""

    break_it: Callable[[], AbstractContextManager[None]]
    #: It must be caught within so many runs.
    runs: int = 40
    shape: Shape = "pair"
    kinds: tuple[str, ...] = ()
    #: By power failures at each write of a calm run, not by random faults.
    crashes: bool = False


MUTANTS: dict[str, Mutant] = {}


def _mutant(**settings: Any) -> Callable[[Callable[[], Iterator[None]]], None]:
    def register(function: Callable[[], Iterator[None]]) -> None:
        MUTANTS[function.__name__.replace("_", "-")] = Mutant(contextmanager(function), **settings)

    return register


async def _nothing(*arguments: Any, **options: Any) -> None:
    """Instead of something that has to be waited for."""


# --- durability -----------------------------------------------------------------------------------------------------


@_mutant(shape="single", kinds=("power failure",))
def no_sync() -> Iterator[None]:
    """`fdatasync` is never called for what is appended."""
    with patch.object(SimulatedAppendFile, "sync", _nothing):
        yield


@_mutant(shape="single", crashes=True, runs=600)
def answer_before_commit() -> Iterator[None]:
    """Commands are answered before their events are durable."""
    with patch.object(ControllerNode, "durable", _nothing):
        yield


@_mutant(shape="single", crashes=True, runs=600)
def start_before_durable() -> Iterator[None]:
    """Processes are started before `OrderProcessingStarted` is durable."""
    activate = AgentNode.activate

    def hasty(self: AgentNode) -> None:
        persister = self.persister
        append = persister._append

        def append_and_act(*arguments: Any) -> None:
            append(*arguments)
            persister._loop.call_soon(persister._on_commit, self.journal.appended_event_id)

        persister._append = append_and_act  # type: ignore[method-assign, assignment]
        activate(self)

    with patch.object(AgentNode, "activate", hasty):
        yield


@_mutant(kinds=("long isolation of an active node",), runs=60)
def lost_release() -> Iterator[None]:
    """The Agent may forget events as soon as the Controller has read them, durable or not."""
    take_over = AgentDriver._take_over

    async def hasty(self: AgentDriver, chunk: Any) -> None:
        self.events_observed(chunk[-1].envelope.event_id)
        await take_over(self, chunk)

    with patch.object(AgentDriver, "_take_over", hasty):
        yield


@_mutant(shape="single", kinds=("kill",), runs=300)
def survivors_live_on() -> Iterator[None]:
    """An Agent that starts again does not look for processes of its former run."""

    async def none(self: SimulatedProcesses) -> list[str]:
        return []

    with patch.object(SimulatedProcesses, "kill_survivors", none):
        yield


@_mutant(kinds=("kill", "clock jump", "switch-over"))
def event_ids_by_the_clock_alone() -> Iterator[None]:
    """Event ids follow the machine's clock, wherever it goes."""

    def by_clock(self: EventIdGenerator, now_ms: int) -> int:
        self.last = now_ms * 1000 + 1
        return self.last

    with patch.object(EventIdGenerator, "next", by_clock):
        yield


# --- the pair -------------------------------------------------------------------------------------------------------


@_mutant(kinds=("kill", "cut", "isolation"))
def commit_without_acknowledgement() -> Iterator[None]:
    """The active node commits without the passive one, also when they are coupled."""
    with patch.object(AcknowledgementGate, "passed", _nothing):
        yield


@_mutant(kinds=("power failure", "power failure of a pair"), runs=120)
def acknowledgement_before_sync() -> Iterator[None]:
    """The passive node acknowledges what is not yet durable."""
    write = Replica.write

    async def unsynced(self: Replica, block: Any, raw: bytes) -> None:
        with patch.object(BlockWriter, "sync", _nothing):
            await write(self, block, raw)

    with patch.object(Replica, "write", unsynced):
        yield


@_mutant(kinds=("isolation", "cut", "pause"))
def no_watch_is_asked() -> Iterator[None]:
    """A node declares the other one lost on its own."""

    async def given(*arguments: Any, **options: Any) -> Any:
        await options["carry_out"]()
        return consent.Consent.GIVEN

    with (
        patch("stellwerk.cluster.passive.ask_for_consent", given),
        patch("stellwerk.cluster.active.ask_for_consent", given),
        patch.object(member, "ask_for_consent", given),
    ):
        yield


@_mutant(kinds=("isolation", "cut", "pause"))
def a_watch_that_says_yes() -> Iterator[None]:
    """The watch confirms whatever it is asked."""
    with patch.object(Watch, "process", lambda self, request, now: CONFIRMED):
        yield


@_mutant(kinds=("isolation", "cut", "pause", "kill"))
def a_watch_that_forgets_its_decisions() -> Iterator[None]:
    """What is committed at the watch is not kept: the other node is granted the same a moment later."""
    commit = Watch._commit

    def forgetful(self: Watch, *arguments: Any) -> Any:
        known = self.knowledge
        answer = commit(self, *arguments)
        self.knowledge = known
        return answer

    with patch.object(Watch, "_commit", forgetful):
        yield


@_mutant(kinds=("kill", "kill of a pair"))
def a_restarted_active_does_not_ask() -> Iterator[None]:
    """A node that was active goes on without asking whether the other one has taken over."""
    start_role = start.start_role

    def hasty(*arguments: Any, **options: Any) -> start.Start:
        role = start_role(*arguments, **options)
        return start.Start.ACTIVE if role is start.Start.ASK else role

    async def active(self: member.ClusterMember) -> start.Start:
        return start.Start.ACTIVE

    with patch.object(member, "start_role", hasty), patch.object(member.ClusterMember, "_make_sure", active):
        yield


@_mutant(kinds=("kill of a pair", "power failure of a pair", "isolation", "pause"), runs=150)
def a_restarted_passive_fails_over() -> Iterator[None]:
    """A passive node takes over though it has not been coupled since its start; the watch does not know better."""
    init = PassiveRole.__init__

    def hasty(self: PassiveRole, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        self._is_coupled_by_this_run = True

    with (
        patch.object(PassiveRole, "__init__", hasty),
        patch.object(Watch, "_judge_failover", lambda *arguments, **options: None),
    ):
        yield


@_mutant(kinds=("isolation", "pause", "cut"))
def a_deposed_node_goes_on() -> Iterator[None]:
    """A node that learns that the other one is active does not halt, and commits what it has."""

    def go_on(self: Node[Any, Any], reason: str) -> None:
        self.acknowledgement.waive()

    with patch.object(Node, "halt", go_on):
        yield


@_mutant(kinds=("kill", "isolation", "switch-over", "pause"), runs=80)
def promises_are_not_kept() -> Iterator[None]:
    """A node says that it will not become active, and says so even when it is; a start believes it."""

    async def promise(self: Inhibition, seconds: float) -> bool:
        return True

    with (
        patch.object(Inhibition, "inhibit", promise),
        patch.object(Watch, "_judge", lambda *arguments: (None, None)),
    ):
        yield


@_mutant(kinds=("kill", "isolation", "power failure"))
def any_position_will_do() -> Iterator[None]:
    """A node's tail that was never committed stays: the copy goes on behind it, unverified."""
    feed = format.BlockParser.feed

    def believing(self: format.BlockParser, data: bytes) -> Any:
        with patch.object(format, "extend_crc", lambda crc, data: 0):
            yield from feed(self, data)

    def anywhere(disk: Any, file: str, position: int) -> format.Position:
        return format.Position(position, 0)

    with patch.object(format, "block_end_at", anywhere), patch.object(format.BlockParser, "feed", believing):
        yield


@_mutant(kinds=("isolation", "cut", "pause", "kill"))
def events_are_shown_before_they_are_committed() -> Iterator[None]:
    """Readers see what has been written, acknowledged or not."""
    commit = Journal._commit

    async def eager(self: Journal) -> None:
        lines, last = list(self._pending_lines), self._pending[-1][0]
        task = commit(self)
        self._reader.publish(lines, last, self._writer.position if self._writer is not None else 0)
        self._tell_readers()
        publish = self._reader.publish
        self._reader.publish = lambda *arguments: None  # type: ignore[method-assign]
        try:
            await task
        finally:
            self._reader.publish = publish  # type: ignore[method-assign]

    with patch.object(Journal, "_commit", eager):
        yield


@_mutant(kinds=("switch-over",))
def a_switched_over_node_goes_on_writing() -> Iterator[None]:
    """The role is given away, and used."""

    with (
        patch("stellwerk.node.cluster_host.NodeHost.seal", lambda self: None),
        patch.object(member.ClusterMember, "switch_over", _switch_without_end),
        patch.object(Node, "halt", lambda self, reason: None),
    ):
        yield


async def _switch_without_end(self: member.ClusterMember, *, is_final: bool = False) -> None:
    await self._active_role().switch_over()


@_mutant(kinds=("failing switch-over",), runs=60)
def an_end_that_may_be_cut_off_is_shown() -> Iterator[None]:
    """A node that has handed its role over shows so, although the other one may never have read it."""
    with patch.object(Node, "readable_events", Node.readable_journal):
        yield


@_mutant(kinds=("failing switch-over",), runs=60)
def a_role_comes_back_without_consent() -> Iterator[None]:
    """Who does not hear the node to which it has handed its role takes it back."""

    async def take(self: PassiveRole, state: Any, event: Any) -> Any:
        async with self._inhibition.activation():
            await self._activate(event)
        return consent.Consent.GIVEN

    with patch.object(PassiveRole, "_take_over", take):
        yield


@_mutant(shape="directors", kinds=("failing switch-over",), runs=200)
def a_lease_ends_with_the_handing_over() -> Iterator[None]:
    """The jobs of a Director run without limit as soon as it has handed its role over, whether or not that arrives."""

    def renew(self: JobLease) -> None:
        is_coupled = isinstance(self._state.cluster_state, Coupled)
        self._subagent.lease(self._cluster.term, self._certain_at + self._seconds if is_coupled else None)

    with patch.object(JobLease, "_renew", renew):
        yield


@_mutant(shape="directors", kinds=("failing switch-over", "pause"), runs=300)
def what_is_copied_is_forgotten_when_following_ends() -> Iterator[None]:
    """A passive node ends the copying of a block between its journal and its state."""

    async def at_once(work: Any) -> None:
        await work

    with patch.object(follower, "_to_its_end", at_once):
        yield


@_mutant(shape="single", kinds=("cut", "isolation"), runs=100)
def lost_because_unreachable() -> Iterator[None]:
    """An Agent takes the processes of a Subagent that it cannot reach for lost."""
    effects = AgentNode.effects_of_events

    def impatient(self: AgentNode) -> Effects:
        def lose(event_id: int, subagent_id: str, event: SubagentCouplingFailed) -> None:
            outcome = lost("ProcessLostDueToRestart")
            self.persister.persist_internally(lambda transaction: lose_orders(transaction, subagent_id, outcome))

        return combined(effects(self), {SubagentCouplingFailed: lose})

    with patch.object(AgentNode, "effects_of_events", impatient):
        yield


# --- the Directors' own jobs ----------------------------------------------------------------------------------------


@_mutant(shape="directors", kinds=("long isolation of an active node",), runs=60)
def jobs_without_a_lease() -> Iterator[None]:
    """The jobs of a Director that is cut off or stands still run on."""
    with patch.object(JobLease, "_renew", lambda self: None):
        yield


@_mutant(shape="directors", kinds=("long isolation of an active node",), runs=60)
def a_silent_directors_jobs_are_given_up_at_once() -> Iterator[None]:
    """A Director that has failed over repeats the other one's jobs without waiting for the end of their lease."""
    long = patch("stellwerk.simulation.installation._DRIVER_TIMING", DriverTiming())
    with long, patch.object(SubagentDriver, "_patience_seconds", 0.0):
        yield


@_mutant(shape="directors", kinds=("long isolation of an active node",), runs=60)
def a_lease_is_prolonged_without_an_answer() -> Iterator[None]:
    """A Director takes it for granted that the other one has not failed over."""

    async def sure(self: JobLease, peer: Any) -> None:
        self._certain_at = self._loop.time()
        self._renew()

    with patch.object(JobLease, "_ask", sure):
        yield


# --- reset ----------------------------------------------------------------------------------------------------------


@_mutant(kinds=("reset of an Agent",))
def reset_before_durable() -> Iterator[None]:
    """An Agent is told to forget everything before it is durable that its orders come back."""

    async def hasty(self: AgentDriver, peer: Any) -> None:
        with suppress(ProblemError):
            await peer.command(encode(Reset(agent_run_id=self._agent.agent_run_id)))
        await self._persist(lambda transaction: transaction.emit(self.agent_path, AgentReset()))

    with patch.object(AgentDriver, "_reset", hasty):
        yield


@_mutant(shape="single", kinds=("reset of an Agent",))
def reset_forgets_new_orders() -> Iterator[None]:
    """When a reset is done, what has been queued for the Agent meanwhile is dropped."""
    reset = AgentDriver._reset

    async def forgetful(self: AgentDriver, peer: Any) -> None:
        await reset(self, peer)
        self.queue.clear()

    with patch.object(AgentDriver, "_reset", forgetful):
        yield


@_mutant(shape="single", kinds=("reset of a Subagent",))
def reset_kills_nothing() -> Iterator[None]:
    """A Subagent that is reset keeps its processes."""
    with patch.object(SubagentDriver, "_attempt_in_time", _nothing):
        yield
