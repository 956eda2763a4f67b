"""One run of a Controller or Agent, below HTTP: recovery, journal, commands in bytes, committed events, orderly end.

    node = ControllerNode(...)
    await node.start()                      # recovered, ready
    answer = await node.execute(b'{"TYPE":"NoOperation"}', "user")
    termination = await node.terminated     # why it wants to end
    await node.stop()

A run ends for good with `stop`; to start again, make a new node on the same disk. After a failure of the journal
nothing is answered or started any more, and `terminated` says what the process should do: end with an exit code, or
start again from the disk when there is room.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

import msgspec

from stellwerk.cluster.member import ClusterMember
from stellwerk.cluster.status import ClusterStatus, JournalStatus, cluster_status
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.disk import Disk
from stellwerk.engine.cluster import Coupled
from stellwerk.engine.events.cluster import AnyClusterEvent, ClusterActiveNodeShutDown
from stellwerk.engine.events.journal import JournalEventsReleased
from stellwerk.engine.transaction import Transaction
from stellwerk.journal import (
    Journal,
    JournalClosedError,
    JournalCorruptedError,
    JournalDiskFullError,
    JournalFailedError,
    JournalOptions,
    JournalSealedError,
    ReadableJournal,
    Recovered,
    finish_deletion,
    finish_replacement,
    recover,
)
from stellwerk.journal.acknowledgement import AcknowledgementGate
from stellwerk.journal.format import iso_time_ms
from stellwerk.node.cluster_host import STAND_ALONE, NodeCluster, NodeHost
from stellwerk.node.commands import CommandIntake
from stellwerk.node.persist import Effects, Persister, combined
from stellwerk.node.state import NodeState
from stellwerk.values.event_ids import event_id_text
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=NodeState)
X = TypeVar("X", bound=Transaction)
T = TypeVar("T")

#: Exit codes (journal spec 5.5).
EXIT_ERROR = 1
EXIT_RESTART = 97
EXIT_EMERGENCY_RESTART = 98
EXIT_EMERGENCY = 99


def event_names(families: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """What `return=` understands: the families, and each of their types by its own name."""
    types = {name: frozenset({name}) for names in families.values() for name in names}
    return {**types, **families}


def tags(*unions: Any) -> frozenset[str]:
    """The TYPEs of struct classes and unions of them."""
    return frozenset(str(type_.__struct_config__.tag) for union in unions for type_ in get_args(union) or (union,))


class Termination(msgspec.Struct, frozen=True):
    """Why a run ends. `is_restart`: the same process starts the node again, from disk."""

    exit_code: int = 0
    is_restart: bool = False
    #: The restart has to wait until there is room on the disk.
    waits_for_room: bool = False
    #: No orderly end: the journal is left as it is.
    is_immediate: bool = False
    #: The journal is to be deleted before the next start (a reset).
    deletes_journal: bool = False
    #: An orderly end without a last snapshot.
    suppresses_snapshot: bool = False
    reason: str = ""


@dataclass(frozen=True)
class NodeEffects:
    """The world of a node."""

    disk: Disk
    clock: Clock
    random: Random
    #: The process' environment, for `env(…)`.
    environment: Mapping[str, str]


class Node(Generic[S, X]):
    """Base of `ControllerNode` and `AgentNode`."""

    #: Base name of the journal's files, and the type of state in their headers.
    NAME: ClassVar[str]
    TYPE_NAME: ClassVar[str]
    EVENTS: ClassVar[msgspec.json.Decoder[Any]]
    SNAPSHOT_OBJECTS: ClassVar[msgspec.json.Decoder[Any]]
    #: What `return=` of an event request understands: name → event types.
    FAMILIES: ClassVar[Mapping[str, frozenset[str]]]

    def __init__(
        self, effects: NodeEffects, state: S, journal_options: JournalOptions, cluster: NodeCluster = STAND_ALONE
    ) -> None:
        self.effects = effects
        self.state = state
        #: Of an active node; `readable` is that, or the copy that a passive node receives.
        self.journal: Journal
        self.persister: Persister[X]
        self.readable: ReadableJournal | None = None
        #: The cluster event with which this run has become active, if any.
        self.activated_by: AnyClusterEvent | None = None
        #: Whether commits need the passive node of a pair.
        self.acknowledgement = AcknowledgementGate()
        self.cluster = ClusterMember(cluster.configuration, NodeHost(self), cluster.peers, effects.random)
        self.started_at_ms = effects.clock.now_ms()
        self.is_ready = False
        self.is_stopping = False
        self.commands: CommandIntake
        self.journal_options = journal_options
        self._former_running_seconds = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        loop = asyncio.get_running_loop()
        self._loop_started = loop.time()
        self.terminated: asyncio.Future[Termination] = loop.create_future()
        #: Called when this run has opened its journal, before anything is committed.
        self.on_opened: Callable[[], None] = lambda: None

    # --- to be defined by Controller and Agent ---

    def transaction(self, state: Any, context: Any) -> X:
        raise NotImplementedError

    def effects_of_events(self) -> Effects:
        """What durable events make this node do."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Before anything is written: what must be settled outside, such as survivors of lost processes."""

    def activate(self) -> None:
        """Write the first events of this run, begin to act."""
        raise NotImplementedError

    async def deactivate(self) -> None:
        """End everything that acts on other nodes or processes."""
        raise NotImplementedError

    def last_events(self, transaction: X) -> None:
        """The events of an orderly end."""
        raise NotImplementedError

    @property
    def receivers(self) -> tuple[str, ...]:
        """Users that must release events before their files are deleted."""
        raise NotImplementedError

    @property
    def running_job_count(self) -> int:
        """Jobs being processed at this node."""
        return 0

    # --- life ---

    async def start(self) -> None:
        """Recover and take the role: a node that stands alone is active when this returns.

        A member of a cluster may then still be finding its role. Raises `JournalCorruptedError`, `JournalFailedError`,
        `ProblemError`.
        """
        await finish_deletion(self.effects.disk, self.NAME)
        await finish_replacement(self.effects.disk, self.NAME)
        recovered = recover(self.effects.disk, self.NAME, self.TYPE_NAME)
        self.fold(recovered)
        self._note_running_time(recovered)
        await self.prepare()
        await self.cluster.start(recovered)

    async def open_journal(
        self,
        recovered: Recovered,
        event: AnyClusterEvent | None,
        *,
        in_same_file: bool,
        needs_acknowledgement: bool,
    ) -> None:
        """Become active: write `event`, then act. See `ClusterHost.activate`."""
        disk, clock, random = self.effects.disk, self.effects.clock, self.effects.random
        if in_same_file:
            self.journal = await Journal.resume(
                disk,
                recovered,
                clock=clock,
                random=random,
                options=self.journal_options,
                on_failure=self.on_journal_failure,
                acknowledgement=self.acknowledgement,
            )
        else:
            self.journal = await Journal.start(
                disk,
                recovered,
                clock=clock,
                random=random,
                options=self.journal_options,
                snapshot=self.state.snapshot_objects(),
                on_failure=self.on_journal_failure,
                acknowledgement=self.acknowledgement,
            )
        self.readable = self.journal
        if needs_acknowledgement:
            self.acknowledgement.require(0)
        self.on_opened()
        self.persister = Persister(
            self.state,
            self.journal,
            clock,
            self.effects.environment,
            self.transaction,
            combined(
                {
                    JournalEventsReleased: self._on_events_released,
                    **dict.fromkeys(get_args(AnyClusterEvent), self._on_cluster_event),
                },
                self.effects_of_events(),
            ),
            self.on_bug,
        )
        self.activated_by = event
        if event is not None:
            self.persist_cluster_event(event)
        self.activate()
        self.persister.start()
        self._release()
        await self.persister.durable()
        self.is_ready = True

    def persist_cluster_event(self, event: AnyClusterEvent) -> None:
        """Raises `ProblemError` when it is not applicable."""
        self.persist(lambda transaction: transaction.emit(None, event), follow_up=False)

    def _on_cluster_event(self, event_id: int, key: Any, event: AnyClusterEvent) -> None:
        self.cluster.on_committed(event)

    def fold(self, recovered: Recovered) -> None:
        """State = fold(events): make what has been recovered this node's state. Raises `JournalCorruptedError`."""
        # Nothing of what is built up here is garbage: looking for some takes longer than all the rest.
        has_collector = gc.isenabled()
        gc.disable()
        try:
            self.take_over_snapshot(recovered.snapshot)
            self.apply_events(recovered.events)
        finally:
            if has_collector:
                gc.enable()

    def take_over_snapshot(self, objects: Iterable[bytes]) -> None:
        """Objects of a snapshot into the state, which was empty. Raises `JournalCorruptedError`."""
        take_over, decode = self.state.take_over, self.SNAPSHOT_OBJECTS.decode
        try:
            for line in objects:
                take_over(decode(line))
        except _UNFITTING as error:
            raise _does_not_fit(self.NAME, "the snapshot", error) from error

    def apply_events(self, lines: Iterable[bytes]) -> None:
        """Events of the journal into the state. Raises `JournalCorruptedError`."""
        apply, decode = self.state.apply, self.EVENTS.decode
        event_id = 0
        try:
            for line in lines:
                envelope = decode_envelope(line)
                event_id = envelope.event_id
                apply(envelope.key, decode(line))
        except _UNFITTING as error:
            raise _does_not_fit(self.NAME, f"event {event_id_text(event_id)}", error) from error

    def _note_running_time(self, recovered: Recovered) -> None:
        header = recovered.header
        if header is not None:
            lasted_ms = max(0, recovered.last_event_id // 1000 - iso_time_ms(header.timestamp))
            self._former_running_seconds = header.total_running_time + lasted_ms / 1000

    @property
    def total_running_seconds(self) -> float:
        """Over all runs."""
        elapsed = asyncio.get_running_loop().time() - self._loop_started
        return round(self._former_running_seconds + elapsed, 3)

    async def stop(self) -> None:
        """End in the form that `terminated` says; orderly if it says nothing. Idempotent, never raises."""
        if self.is_stopping:
            return
        self.is_stopping = True
        self.is_ready = False
        self.terminate(Termination())
        termination = self.terminated.result()
        if not termination.is_immediate:
            await self.cluster.say_goodbye()
        try:
            await self.deactivate()
        except Exception:
            logger.exception("%s: the end was not clean", self.NAME)
        if hasattr(self, "persister"):
            self.persister.stop()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "journal"):
            await self._end_journal(termination)
        await self.cluster.stop()

    async def _end_journal(self, termination: Termination) -> None:
        if termination.is_immediate:
            await self.journal.abandon()
            return
        is_coupled = isinstance(self.state.cluster_state, Coupled)
        try:
            # A passive node that does not acknowledge must not keep this one from ending.
            async with asyncio.timeout(self.cluster.patience_seconds if is_coupled else None):
                if not termination.deletes_journal:
                    self.persister.persist(self.last_events, follow_up=False)
                    if is_coupled:
                        self.persist_cluster_event(ClusterActiveNodeShutDown())
                    await self.persister.durable()
                    await self.cluster.report_shutdown()
                    if not termination.suppresses_snapshot:
                        await self.persister.snapshot_soon()
                await self.journal.close()
        except (JournalFailedError, ProblemError, TimeoutError) as error:
            logger.warning("%s: no orderly end of the journal: %s", self.NAME, error)
            await self.journal.abandon()

    def terminate(self, termination: Termination) -> None:
        """Ask whoever runs this node to stop it; the first reason counts."""
        if not self.terminated.done():
            self.terminated.set_result(termination)

    def restart(self, reason: str, *, is_final: bool = False) -> None:
        """End without further events; begin the next run from the disk, in the role that is then this node's."""
        logger.info("%s ends: %s", self.NAME, reason)
        code = 0 if is_final else EXIT_RESTART
        self.terminate(Termination(exit_code=code, is_restart=not is_final, is_immediate=True, reason=reason))

    def forget(self, reason: str) -> None:
        """End at once, delete the journal, begin the next run without one."""
        logger.warning("%s forgets everything: %s", self.NAME, reason)
        self.terminate(
            Termination(exit_code=EXIT_RESTART, is_restart=True, is_immediate=True, deletes_journal=True, reason=reason)
        )

    def halt(self, reason: str) -> None:
        """This node must not be active: end at once, commit nothing more, begin the next run."""
        logger.warning("%s halts: %s", self.NAME, reason)
        self.is_ready = False
        self.terminate(Termination(exit_code=EXIT_EMERGENCY_RESTART, is_restart=True, is_immediate=True, reason=reason))

    def on_journal_failure(self, failure: JournalFailedError) -> None:
        """Nothing can be made durable any more."""
        if isinstance(failure, JournalClosedError | JournalSealedError):
            return
        self.is_ready = False
        is_full = isinstance(failure, JournalDiskFullError)
        logger.error("%s: %s", self.NAME, failure)
        self.terminate(
            Termination(
                exit_code=EXIT_ERROR,
                is_restart=is_full,
                waits_for_room=is_full,
                is_immediate=True,
                reason=str(failure),
            )
        )

    def on_bug(self, error: BaseException) -> None:
        """An internal cause could not be dealt with: stop rather than go on half way."""
        if isinstance(error, JournalFailedError):
            self.on_journal_failure(error)
            return
        logger.error("%s stops because of an internal error", self.NAME, exc_info=error)
        self.terminate(Termination(exit_code=EXIT_ERROR, is_immediate=True, reason=f"Internal error: {error!r}"))

    def run_task(self, coroutine: Any, name: str) -> asyncio.Task[Any]:
        """A background task that ends with the node; its failure stops the node."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_bug(error)

    # --- commands and reads ---

    async def execute(self, body: bytes, user_id: str) -> bytes:
        """One command, JSON in and JSON out; answered when durable. Raises `ProblemError`."""
        try:
            return await self.commands.execute(body, user_id)
        except ProblemError as error:
            logger.info("A command of %s is refused: %s", user_id, error.problem)
            raise

    def not_ready_problem(self) -> Problem | None:
        """Why commands are refused now; None when they are not."""
        raise NotImplementedError

    def persist(self, decide: Callable[[X], T], *, follow_up: bool = True) -> T:
        """See `Persister.persist`; journal failures become problems."""
        try:
            return self.persister.persist(decide, follow_up=follow_up)
        except JournalFailedError as error:
            raise self.journal_problem(error) from error

    async def durable(self) -> None:
        """Return when all that this node has decided is durable. Raises `ProblemError`."""
        if not hasattr(self, "persister"):
            return  # a passive node decides nothing
        try:
            await self.persister.durable()
        except JournalFailedError as error:
            raise self.journal_problem(error) from error

    def journal_problem(self, error: JournalFailedError) -> ProblemError:
        if isinstance(error, JournalSealedError):
            return ProblemError.of("ClusterNodeHasBeenSwitchedOver")
        if isinstance(error, JournalDiskFullError):
            return ProblemError(self._space_problem())
        return ProblemError.of("ShuttingDown")

    def check_space(self) -> None:
        """Refuse new work when room on the disk is low (architecture 6, Disk)."""
        if self.journal.is_space_low:
            raise ProblemError(self._space_problem())

    def _space_problem(self) -> Problem:
        return Problem.of(
            "DiskSpaceIsLow",
            freeBytes=str(self.journal.space().free_bytes),
            directory=str(getattr(self.effects.disk, "directory", "the data directory")),
            requiredBytes=str(self.journal_options.low_space_bytes),
        )

    async def snapshot(self) -> Iterator[bytes]:
        """The state as snapshot objects, durable; the first line is the SnapshotEventId (journal spec 8.2)."""
        objects = self.state.snapshot_objects()
        if self.cluster.is_active:
            event_id = self.journal.appended_event_id
            await self.durable()
        else:
            event_id = self.readable_events().committed_event_id
        return _chain(encode({"TYPE": "SnapshotEventId", "eventId": event_id}), objects)

    def cluster_status(self) -> ClusterStatus:
        """What this node knows of itself in its cluster."""
        is_writing = self.cluster.is_active and hasattr(self, "journal")
        return cluster_status(self.cluster, self.journal.uncommitted if is_writing else None)

    def journal_status(self) -> JournalStatus | None:
        """How much there is of the journal; None while there is nothing to read."""
        journal = self.readable
        if journal is None or not (files := journal.files()):
            return None
        file_event_id, position = files[-1]
        return JournalStatus(
            bytes=sum(length for _, length in files),
            free_bytes=journal.free_bytes,
            event_count=journal.committed_event_count,
            last_event_id=journal.committed_event_id,
            file_event_id=file_event_id,
            position=position,
        )

    def readable_journal(self) -> ReadableJournal:
        """What streams are served from: active or passive. Raises `ProblemError` while there is nothing."""
        if self.readable is None or self.is_stopping:
            raise ProblemError(self.not_ready_problem() or Problem.of("ClusterNodeIsNotReady"))
        return self.readable

    def readable_events(self) -> ReadableJournal:
        """The same for events, which must never be taken back. Raises `ProblemError` while they might be."""
        if self.cluster.is_end_doubtful:
            raise ProblemError.of("ClusterNodeIsNotReady")
        return self.readable_journal()

    async def take_snapshot(self) -> None:
        """The command TakeSnapshot: a new journal file begins. Raises `ProblemError`."""
        try:
            await self.journal.take_snapshot(self.state.snapshot_objects())
        except JournalFailedError as error:
            raise self.journal_problem(error) from error
        self._release()

    # --- release ---

    def release_events(self, user_id: str, until_event_id: int) -> None:
        """The command ReleaseEvents (journal spec 1.5). Raises `ProblemError`."""
        current = self.state.released.get(user_id, -1)
        if until_event_id < current:
            raise ProblemError.of(
                "ReverseReleaseEvents",
                requestedUntilEventId=event_id_text(until_event_id),
                currentUntilEventId=event_id_text(current),
            )
        if until_event_id > current:
            event = JournalEventsReleased(user_id=user_id, until_event_id=until_event_id)
            self.persist(lambda transaction: transaction.emit(None, event))

    def _on_events_released(self, event_id: int, key: Any, event: Any) -> None:
        self._release()

    def _release(self) -> None:
        """Let the journal delete what all receivers have; without receivers, what is before the newest snapshot.

        In a coupled pair the passive node is a receiver, too; a decoupled one gets a snapshot when it comes back.
        """
        readable = self.readable
        if readable is None:
            return
        released = [self.state.released.get(user_id, 0) for user_id in self.receivers]
        until = min(released, default=readable.file_event_id)
        if self.acknowledgement.is_required:
            until = min(until, self.acknowledgement.acked_event_id - 1)
        readable.delete_released(until)

    def release_what_is_obsolete(self) -> None:
        """A passive node deletes what the active one does, when it has read of a release."""
        self._release()


_UNFITTING = (msgspec.DecodeError, ProblemError, KeyError, AssertionError)


def _does_not_fit(name: str, place: str, error: Exception) -> JournalCorruptedError:
    return JournalCorruptedError(
        f"The journal of the {name} cannot be used: {place} does not fit the state ({error!r}). "
        "Nothing has been changed. Start the version of Stellwerk that wrote it, or report this as a bug."
    )


def _chain(head: bytes, objects: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from objects
