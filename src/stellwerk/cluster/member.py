"""A node's part in a cluster, for one run: which role it has, what the other node and the watch may ask of it.

    member = ClusterMember(configuration, host, peer_factory, random)
    await member.start(recovered)       # active when it returns, or on its way to whatever role it has
    answer = await member.execute(body)           # POST cluster/command
    await member.stop()

Every node has one: a node that stands alone can be appointed to be half of a pair while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from enum import Enum

import msgspec

from stellwerk.cluster.active import ActiveRole
from stellwerk.cluster.arbiters import Arbiters, with_id
from stellwerk.cluster.consent import Consent, ask_for_consent, watch_ids
from stellwerk.cluster.follower import Follower
from stellwerk.cluster.host import ClusterHost
from stellwerk.cluster.inhibition import Inhibition, Role
from stellwerk.cluster.messages import (
    FORGOTTEN_JOURNAL_ID,
    ClusterConfirmCoupling,
    ClusterCouple,
    ClusterInhibitActivation,
    ClusterNodeState,
    ClusterPassiveDown,
    ClusterPrepareCoupling,
    ClusterRecouple,
    ClusterStartBackupNode,
    ClusterWatchCheckState,
    ClusterWatchConfirm,
    InhibitActivationResponse,
    inhibit_response_decoder,
    read_command,
)
from stellwerk.cluster.passive import PassiveRole
from stellwerk.cluster.peer import ClusterPeer, ClusterPeerFactory
from stellwerk.cluster.start import Start, start_role
from stellwerk.cluster.watcher import DiskMemory
from stellwerk.effects.clock import Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine.cluster import (
    ActiveShutDown,
    ClusterState,
    Empty,
    FailedOver,
    Pair,
    SwitchedOver,
    is_active,
    is_same_pair,
    term_of,
)
from stellwerk.engine.events.cluster import (
    BACKUP,
    PRIMARY,
    AnyClusterEvent,
    ClusterActiveNodeRestarted,
    ClusterCoupled,
    ClusterFailedOver,
    ClusterNodesAppointed,
    ClusterPassiveLost,
    ClusterSetting,
    ClusterTiming,
    NodeId,
)
from stellwerk.journal import Recovered, Replica, cut
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.request import decode_json

logger = logging.getLogger(__name__)

#: Shorter than the reference's, which waits 19 s before it looks; 1 s suffices where processes answer in milliseconds.
DEFAULT_TIMING = ClusterTiming(heartbeat=0.5, heartbeat_timeout=2.0, consent_timeout=1.5)

ACCEPTED = b'{"TYPE":"Accepted"}'


class ClusterConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Who this node is. `is_backup` None: the nodes find out, by what their journals say and by their addresses."""

    node_id: NodeId | None = None
    is_backup: bool | None = False
    #: Address of this node as the other one reaches it, and of the other one. Both or none.
    own_uri: str | None = None
    peer_uri: str | None = None
    timing: ClusterTiming = DEFAULT_TIMING
    #: The watch (one id) or watches (three, of which two must agree); none: whoever comes first.
    watch_ids: tuple[str, ...] = ()
    fails_over: bool = True
    #: Keep what is cut off after a fail-over in a file beside, instead of logging it.
    keeps_truncated_rest: bool = False

    @property
    def first_node_id(self) -> NodeId:
        return self.node_id or (BACKUP if self.is_backup else PRIMARY)

    @property
    def id_to_uri(self) -> dict[NodeId, str] | None:
        """The two nodes, seen from the one that appoints them."""
        if self.own_uri is None or self.peer_uri is None or self.is_backup:
            return None
        own = self.first_node_id
        return {own: self.own_uri, BACKUP if own == PRIMARY else PRIMARY: self.peer_uri}


class Phase(Enum):
    """What the member is doing, for people and for checks."""

    STARTING = "starting"
    #: Waits for the other node or the watch, to know its role.
    UNDECIDED = "undecided"
    #: A backup node that nobody has called yet.
    WAITING = "waiting to be appointed"
    PASSIVE = "passive"
    ACTIVE = "active"
    STOPPED = "stopped"


class _Forgotten(msgspec.Struct, frozen=True, rename="camel"):
    """Kept over a reset, so that a node that comes back with the old journal learns of it, and so does the watch."""

    journal_id: str
    #: Of the pair that this node appoints next.
    next_generation: int = 1


class _Typed(msgspec.Struct, frozen=True):
    """An event of which only the type counts."""

    type: str = msgspec.field(name="TYPE")


_typed_decoder = decoder(_Typed)


class ClusterMember:
    """See the module."""

    def __init__(
        self, configuration: ClusterConfiguration, host: ClusterHost, peer_factory: ClusterPeerFactory, random: Random
    ) -> None:
        self.configuration = configuration
        self.phase = Phase.STARTING
        self.node_id: NodeId = configuration.first_node_id
        self.inhibition = Inhibition()
        self.arbiters = Arbiters(random)
        self.active: ActiveRole | None = None
        self.passive: PassiveRole | None = None
        self._host = host
        self._peer_factory = peer_factory
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._recovered: Recovered
        self._replica: Replica | None = None
        #: By whom a fresh backup node has been called.
        self._called: asyncio.Future[ClusterSetting] = self._loop.create_future()
        self._run: asyncio.Task[None] | None = None
        self._reset_memory = DiskMemory(host.disk, "forgotten-journal.json", _Forgotten)
        self._forgotten: _Forgotten | None = None
        #: How often this run has taken over from a lost node: 0 or 1.
        self.failovers = 0

    # --- life ---

    async def start(self, recovered: Recovered) -> None:
        """Take the role. Returns when the node is active, or when it has begun to find its role or to follow.

        Raises `ProblemError` when the configuration does not fit the journal, `JournalError`.
        """
        self._recovered = recovered
        self._forgotten = await self._reset_memory.load()
        state = self._host.cluster_state
        self._find_own_id(state)
        role = start_role(
            state,
            self.node_id,
            is_backup=self.configuration.is_backup,
            has_events=recovered.last_event_id > 0,
            ends_with_switch=self._ends_with_switch(),
        )
        if role is Start.ACTIVE and self.configuration.peer_uri is None and isinstance(state, Empty):
            await self._become_active()
            return
        self.phase = Phase.UNDECIDED
        self._run = asyncio.create_task(self._take_role(role), name="cluster member")
        self._run.add_done_callback(self._ended)

    def _ends_with_switch(self) -> bool:
        """The role was handed over just before this run; as far as known here, nobody has written anything since."""
        last = self._recovered.last_event
        return bool(last) and decode_json(_typed_decoder, last).type == "ClusterSwitchedOver"

    def _find_own_id(self, state: ClusterState) -> None:
        """In a cluster that found out by itself, a node is known by its address, or by that of the other one.

        Raises `ProblemError`: a node that took itself for the wrong one would make two active ones.
        """
        configuration = self.configuration
        if isinstance(state, Empty) or configuration.node_id is not None or configuration.own_uri is None:
            return
        setting = state.setting
        for node_id, uri in setting.id_to_uri.items():
            if uri == configuration.own_uri or setting.id_to_uri[setting.peer_of(node_id)] == configuration.peer_uri:
                self.node_id = node_id
                return
        if configuration.is_backup is not None:
            return  # it has been said
        raise ProblemError(
            Problem(
                message=f"Neither the address of this node, {configuration.own_uri}, nor that of the other one, "
                f"{configuration.peer_uri}, is one of the cluster's: {', '.join(setting.id_to_uri.values())}. "
                "Check `url` and `peer` in [cluster]"
            )
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._host.failed(error)

    async def say_goodbye(self) -> None:
        """Before an orderly end: a passive node tells the active one."""
        if self.passive is not None and self.phase is Phase.PASSIVE:
            await self.passive.say_goodbye()

    @property
    def patience_seconds(self) -> float:
        """How long the end of a coupled node may wait for the other one."""
        state = self._host.cluster_state
        return self.configuration.timing.passive_lost if isinstance(state, Empty) else state.setting.timing.passive_lost

    async def report_shutdown(self) -> None:
        """Tell the watch of an orderly end; briefly, for the other node has read of it already."""
        if self.active is not None and isinstance(self._host.cluster_state, ActiveShutDown):
            await self.active.report_shutdown()

    async def stop(self) -> None:
        """End; nothing is written any more."""
        self.phase = Phase.STOPPED
        self.arbiters.close()
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
        if self.active is not None:
            await self.active.stop()
        if self._replica is not None:
            self._replica.close()

    # --- roles ---

    @property
    def is_active(self) -> bool:
        return self.phase is Phase.ACTIVE

    @property
    def state(self) -> ClusterState:
        """What this node's journal says of the cluster."""
        return self._host.cluster_state

    @property
    def term(self) -> int:
        """Grows whenever the role goes to the other node."""
        return term_of(self._host.cluster_state, self.node_id)

    @property
    def is_end_doubtful(self) -> bool:
        """The journal ends with this node's handing the role over, and it is not known that the other node has read so.

        Until then it may be that the end was never committed: it can be copied, but is no event for others.
        """
        state = self._host.cluster_state
        is_handed_over = isinstance(state, SwitchedOver) and state.active_id != self.node_id
        return is_handed_over and self._ends_with_switch() and self._newest_event_id() == self._recovered.last_event_id

    def problem(self) -> Problem | None:
        """Why this node does not do the work of the active one; None if it does."""
        match self.phase:
            case Phase.ACTIVE:
                return None
            case Phase.WAITING:
                return self._not_appointed()
            case Phase.STARTING | Phase.UNDECIDED:
                return Problem.of("ClusterNodeIsNotReady")
            case _:
                return Problem.of("ClusterNodeIsNotActive")

    async def _take_role(self, role: Start) -> None:
        if role is Start.FIND_OUT or (role is Start.ACTIVE and isinstance(self._host.cluster_state, Empty)):
            role = await self._find_out(is_patient=role is Start.FIND_OUT)
        elif role is Start.ACTIVE:
            role = await self._make_sure()
        if role is Start.WAIT:
            await self._wait_for_call()
        elif role is Start.ASK:
            await self._ask()
        elif role is Start.ACTIVE:
            await self._become_active()
        else:
            await self._be_passive()

    async def _become_active(self) -> None:
        """Open the journal and work, as soon as no promise to the other node forbids it."""
        await self.inhibition.released()
        async with self.inhibition.activation():
            await self._activate(self._recovered, None, in_same_file=False)

    async def _activate(
        self,
        recovered: Recovered,
        event: AnyClusterEvent | None,
        *,
        in_same_file: bool,
        needs_acknowledgement: bool = False,
    ) -> None:
        """Become active, with the activation lock held. `event` is written first.

        `needs_acknowledgement`: the passive node must have read it before it, or anything else, is committed.
        """
        self.inhibition.role = Role.ACTIVE
        self.phase = Phase.ACTIVE
        self.active = ActiveRole(
            self.node_id,
            self._host,
            self._peer_factory,
            inhibition=self.inhibition,
            arbiters=self.arbiters,
            configured_watches=self.configuration.watch_ids,
            file_event_id=lambda: recovered.file_event_id,
        )
        self.failovers += isinstance(event, ClusterFailedOver)
        acknowledging = self.active.acknowledged_by_peer() if needs_acknowledgement else contextlib.nullcontext()
        async with acknowledging:
            await self._host.activate(
                recovered, event, in_same_file=in_same_file, needs_acknowledgement=needs_acknowledgement
            )
        id_to_uri = self.configuration.id_to_uri
        if isinstance(self._host.cluster_state, Empty) and id_to_uri is not None:
            self._host.persist_event(ClusterNodesAppointed(setting=self._setting(id_to_uri, self.node_id)))
            await self._host.durable()
        if not isinstance(self._host.cluster_state, Empty):
            self.active.start()

    def setting_of(self, id_to_uri: Mapping[NodeId, str]) -> ClusterSetting:
        """With which this node, being active, appoints the two. Raises `ProblemError`."""
        return self._setting(id_to_uri, self.node_id)

    def _setting(self, id_to_uri: Mapping[NodeId, str], active_id: NodeId) -> ClusterSetting:
        """Raises `ProblemError`."""
        ordered = {active_id: id_to_uri[active_id], **id_to_uri} if active_id in id_to_uri else dict(id_to_uri)
        try:
            return ClusterSetting(
                id_to_uri=ordered,
                active_id=active_id,
                timing=self.configuration.timing,
                generation=0 if self._forgotten is None else self._forgotten.next_generation,
            )
        except ValueError as error:
            raise ProblemError(Problem(message=f"The cluster cannot be appointed: {error}")) from error

    async def _be_passive(self) -> None:
        state = self._host.cluster_state
        assert not isinstance(state, Empty)
        await self._follow(state.setting)

    async def _follow(self, setting: ClusterSetting) -> None:
        host = self._host
        self.phase = Phase.PASSIVE
        self.inhibition.role = Role.PASSIVE
        replica = await Replica.open(host.disk, self._recovered, host.clock, host.journal_options)
        self._replica = replica
        host.begin_following(replica)
        peer = self._peer_factory(setting.id_to_uri[setting.peer_of(self.node_id)])
        try:
            self.passive = PassiveRole(
                self.node_id,
                host,
                replica,
                peer,
                activate=lambda recovered, event: self._activate(recovered, event, in_same_file=True),
                forget=self._forget,
                inhibition=self.inhibition,
                arbiters=self.arbiters,
                configured_watches=self.configuration.watch_ids,
                default_timing=setting.timing,
                random=self._random,
                fails_over=self.configuration.fails_over,
                is_end_doubtful=lambda: self.is_end_doubtful,
            )
            await self.passive.run()
        finally:
            await peer.close()

    def on_committed(self, event: AnyClusterEvent) -> None:
        """A cluster event of this node's own journal has been committed."""
        if self.active is not None:
            if isinstance(event, ClusterNodesAppointed):
                self.active.start()
            elif isinstance(event, ClusterCoupled):
                self.active.coupled()
            elif isinstance(event, ClusterPassiveLost):
                self.active.decoupled()

    # --- finding the role ---

    async def _find_out(self, *, is_patient: bool) -> Start:
        """A node without a cluster has been told of another one: does that one have a cluster, or a journal?

        An impatient one is configured to be the primary node and does not wait for an answer.
        """
        assert self.configuration.peer_uri is not None or not is_patient
        if self.configuration.peer_uri is None:
            return Start.ACTIVE
        peer = self._peer_factory(self.configuration.peer_uri)
        try:
            while True:
                try:
                    async with asyncio.timeout(self.configuration.timing.heartbeat_timeout):
                        answer = await peer.node_state()
                    if is_patient or not isinstance(answer.cluster_state, Empty):
                        return Start.WAIT if self._recovered.last_event_id == 0 else Start.ACTIVE
                    return Start.ACTIVE
                except ProblemError as error:
                    if error.problem.code == "BackupClusterNodeNotAppointed":
                        is_first = (self.configuration.own_uri or "") < self.configuration.peer_uri
                        return Start.ACTIVE if is_first or not is_patient else Start.WAIT
                    logger.info("The other node does not say what it is: %s", error)
                except (PeerUnreachableError, TimeoutError):
                    if not is_patient:
                        return Start.ACTIVE
                await asyncio.sleep(self.configuration.timing.heartbeat)
        finally:
            await peer.close()

    async def _make_sure(self) -> Start:
        """The journal says that the other node cannot have taken over. If it answers at once, it may say otherwise."""
        async with self.other_node() as peer:
            with contextlib.suppress(ProblemError, PeerUnreachableError, TimeoutError):
                async with asyncio.timeout(self._pair.setting.timing.heartbeat):
                    answer = await peer.node_state()
                state = answer.cluster_state
                if not isinstance(state, Empty) and state.active_id != self.node_id and state.term > self.term:
                    logger.warning("The other node has become active since this journal was written")
                    return Start.PASSIVE
        return Start.ACTIVE

    @property
    def _pair(self) -> Pair:
        state = self._host.cluster_state
        assert not isinstance(state, Empty)
        return state

    @contextlib.asynccontextmanager
    async def other_node(self) -> AsyncIterator[ClusterPeer]:
        setting = self._pair.setting
        peer = self._peer_factory(setting.id_to_uri[setting.peer_of(self.node_id)])
        try:
            yield peer
        finally:
            await peer.close()

    async def _wait_for_call(self) -> None:
        self.phase = Phase.WAITING
        logger.info("This backup node waits for the active one")
        setting = await self._called
        if self.configuration.node_id is None:
            self.node_id = setting.passive_id
        await self._follow(setting)

    async def _ask(self) -> None:
        """This node was active when it ended, and the other one may have taken over since (1.5, 1.9.3).

        The promise of the other node alone is not enough: it ends. Either the watch agrees that the other node is
        out, or the other node itself has read so before anything is committed here.
        """
        state = self._pair
        timing = state.setting.timing
        async with self.other_node() as peer:
            while True:
                if await self._is_forgotten_by(peer, timing):
                    await self._forget("it has been reset while this node was away")
                answer = await self._ask_to_inhibit(peer, timing)
                if answer is not None and answer.cluster_state is not None:
                    break
                if answer is not None and (answer.event_id or 0) > self._recovered.last_event_id:
                    await self._catch_up(peer, answer.event_id or 0)
                    return
                consent = await self._become_active_again(peer, state, answer)
                if consent is Consent.GIVEN:
                    return
                if consent is Consent.DEPOSED:
                    await self._leave_it_to_peer(peer, timing)
                await asyncio.sleep(timing.heartbeat / 2)  # the pace of questions
        assert answer is not None
        await self._give_way(answer.cluster_state)

    async def _is_forgotten_by(self, peer: ClusterPeer, timing: ClusterTiming) -> bool:
        """Has the other node been reset since, and with it the journal that this one still has?"""
        try:
            async with asyncio.timeout(timing.consent_timeout):
                forgotten = (await peer.node_state()).forgotten_journal_id
        except ProblemError as error:
            forgotten = error.problem.arguments.get(FORGOTTEN_JOURNAL_ID)
        except (PeerUnreachableError, TimeoutError):
            return False
        return forgotten is not None and forgotten == self._recovered.journal_id

    async def _ask_to_inhibit(self, peer: ClusterPeer, timing: ClusterTiming) -> InhibitActivationResponse | None:
        try:
            async with asyncio.timeout(timing.consent_timeout):
                answer = await peer.command(ClusterInhibitActivation(duration=timing.inhibit_activation))
            response: InhibitActivationResponse = decode_json(inhibit_response_decoder, answer)
            if response.cluster_state is not None and not is_same_pair(response.cluster_state, self._pair):
                logger.warning("Not the other node, but one of another installation listens at its address")
                return None
            return response
        except ProblemError as error:
            logger.info("The other node does not answer yet: %s", error)
            return None
        except (PeerUnreachableError, TimeoutError):
            return None

    async def _become_active_again(
        self, peer: ClusterPeer, state: Pair, promise: InhibitActivationResponse | None
    ) -> Consent:
        if isinstance(state, ActiveShutDown):
            is_known = promise is not None and promise.event_id == self._recovered.last_event_id
            if is_known or await self._is_confirmed(state):
                return await self._activate_with_promise(None)
            return Consent.REJECTED
        event = ClusterPassiveLost(id=state.passive_id)

        async def carry_out() -> None:
            await self._activate(self._recovered, event, in_same_file=False)

        ids = watch_ids(state, self.configuration.watch_ids)
        consent = await ask_for_consent(
            self.node_id,
            state,
            event,
            inhibition=self.inhibition,
            arbiters=self.arbiters,
            ids=ids,
            peer=peer,
            carry_out=carry_out,
        )
        is_undecided = consent is Consent.REJECTED and not self.arbiters.is_heard(ids)
        # Whatever the watch says, knowing nothing or having granted it the role once: a node that has started again
        # cannot take over before this one has coupled it.
        is_powerless = (
            consent in (Consent.REJECTED, Consent.DEPOSED) and promise is not None and not promise.may_fail_over
        )
        if promise is not None and (is_undecided or is_powerless):
            return await self._activate_with_promise(event)
        return consent

    async def _leave_it_to_peer(self, peer: ClusterPeer, timing: ClusterTiming) -> None:
        """The watch has granted the role to the other node: it must not be kept from taking it by its promise."""
        deadline = self._loop.time() + timing.inhibit_activation + timing.active_lost
        while self._loop.time() < deadline:
            with contextlib.suppress(ProblemError, PeerUnreachableError, TimeoutError):
                async with asyncio.timeout(timing.heartbeat_timeout):
                    answer = await peer.node_state()
                if is_active(answer.cluster_state, answer.node_id):
                    return
            await asyncio.sleep(timing.heartbeat)  # the pace of questions

    async def _is_confirmed(self, state: Pair) -> bool:
        """The watch knows the state, so that it will not agree to a fail-over."""
        request = ClusterWatchCheckState(request_id=0, from_=self.node_id, cluster_state=state)
        ids = watch_ids(state, self.configuration.watch_ids)
        try:
            async with asyncio.timeout(state.setting.timing.consent_timeout):
                verdict = await self.arbiters.ask(with_id(request), ids, state.setting.timing)
        except TimeoutError:
            return False
        return verdict.problem is None

    async def _activate_with_promise(self, event: AnyClusterEvent | None) -> Consent:
        """With an event, nothing is committed before the other node has read it."""
        try:
            async with self.inhibition.activation():
                if event is None:
                    await self._activate(self._recovered, ClusterActiveNodeRestarted(), in_same_file=False)
                else:
                    await self._activate(self._recovered, event, in_same_file=True, needs_acknowledgement=True)
        except ProblemError as error:
            if self.is_active:
                raise
            logger.info("%s", error)
            return Consent.REJECTED
        return Consent.GIVEN

    async def _give_way(self, state: ClusterState | None) -> None:
        """The other node is active: what it has never acknowledged is cut off here, then this node follows."""
        if isinstance(state, FailedOver) and state.failed_at.file_event_id == self._recovered.file_event_id:
            position = state.failed_at.position
            if position < self._recovered.valid_bytes:
                rest = await cut(self._host.disk, self._recovered, position)
                if rest is not None:
                    await self._keep(rest)
                    self._host.restart("its tail that was never committed has been cut off")
                    await asyncio.Event().wait()
        await self._be_passive()

    async def _keep(self, rest: bytes) -> None:
        name = f"{self._recovered.file}~TRUNCATED-AFTER-FAILOVER"
        if self.configuration.keeps_truncated_rest:
            file = self._host.disk.create(name)
            file.write(rest)
            await file.sync()
            file.close()
            logger.warning("%d bytes that were never committed have been moved to %s", len(rest), name)
            return
        for line in rest.decode("utf-8", "replace").splitlines():
            logger.info("Never committed, cut off: %s", line[:500])

    async def _catch_up(self, peer: ClusterPeer, event_id: int) -> None:
        """This node has lost the end of its journal (a power failure); the other one still has it."""
        logger.warning("The passive node has events that this node has lost; they are copied from there")
        host = self._host
        replica = await Replica.open(host.disk, self._recovered, host.clock, host.journal_options)
        self._replica = replica
        timing = self._pair.setting.timing
        await Follower(host, replica, peer, lambda: timing, lambda: None, forget=self._forget, until=event_id).run()
        replica.close()
        host.restart("the lost end of its journal has been copied from the passive node")
        await asyncio.Event().wait()

    # --- reset ---

    async def reset(self) -> None:
        """Before this active node forgets everything (2.2): the other one is going to do so, too, also if it is lost.

        Raises `ProblemError`.
        """
        if not isinstance(self._host.cluster_state, Empty):
            await self._active_role().start_reset()
            await self._remember_reset()

    async def _forget(self, reason: str) -> None:
        """Follow the other node's reset; does not return."""
        await self._remember_reset()
        self._host.forget(reason)
        await asyncio.Event().wait()

    async def _remember_reset(self) -> None:
        journal_id = self._host.journal_id or self._recovered.journal_id
        assert journal_id is not None
        state = self._host.cluster_state
        generation = 0 if isinstance(state, Empty) else state.setting.generation
        self._forgotten = _Forgotten(journal_id, generation + 1)
        await self._reset_memory.store(self._forgotten)

    # --- what others ask ---

    async def execute(self, body: bytes) -> bytes:
        """A cluster command. Raises `ProblemError`."""
        command = read_command(body)
        if self.phase is Phase.STOPPED:
            raise ProblemError.of("ClusterModuleShuttingDown")
        match command:
            case ClusterWatchConfirm():
                self.arbiters.confirm(command)
                return b"{}"
            case ClusterInhibitActivation():
                return encode(await self._inhibit(command.duration))
            case ClusterStartBackupNode():
                self._accept_call(command)
            case ClusterConfirmCoupling():
                if self.passive is None or not self.passive.has_token(command.token):
                    raise ProblemError(Problem(message="This token is not one of this node"))
            case ClusterPrepareCoupling():
                await self._active_role().prepare_coupling(command)
            case ClusterCouple():
                await self._active_role().couple(command)
            case ClusterRecouple() | ClusterPassiveDown():
                await self._active_role().recouple(command)
        return ACCEPTED

    def _active_role(self) -> ActiveRole:
        if self.active is None:
            raise ProblemError(self.problem() or Problem.of("ClusterNodeIsNotReady"))
        return self.active

    async def _inhibit(self, seconds: float) -> InhibitActivationResponse:
        if await self.inhibition.inhibit(seconds):
            may_fail_over = self.passive is not None and self.passive.may_fail_over
            return InhibitActivationResponse(event_id=self._newest_event_id(), may_fail_over=may_fail_over)
        state = self._host.cluster_state
        return InhibitActivationResponse(cluster_state=state)

    def _newest_event_id(self) -> int:
        return self._recovered.last_event_id if self._replica is None else self._replica.committed_event_id

    def _accept_call(self, command: ClusterStartBackupNode) -> None:
        if self.phase is not Phase.WAITING:
            raise ProblemError.of("ClusterNodeIsNotBackup")
        if self.configuration.node_id not in (None, command.setting.passive_id):
            raise ProblemError(
                Problem(
                    message=f"This node is {self.node_id}, not {command.setting.passive_id}: check `cluster.node_id`"
                )
            )
        if not self._called.done():
            self._called.set_result(command.setting)

    def node_state(self) -> ClusterNodeState:
        """Raises `ProblemError` while a backup node has not been appointed."""
        if self.phase in (Phase.WAITING, Phase.STARTING, Phase.UNDECIDED) and isinstance(
            self._host.cluster_state, Empty
        ):
            raise ProblemError(self._not_appointed())
        return ClusterNodeState(
            node_id=self.node_id,
            is_backup=self.node_id == BACKUP,
            cluster_state=self._host.cluster_state,
            forgotten_journal_id=None if self._forgotten is None else self._forgotten.journal_id,
        )

    def _not_appointed(self) -> Problem:
        if self._forgotten is None:
            return Problem.of("BackupClusterNodeNotAppointed")
        return Problem.of("BackupClusterNodeNotAppointed", **{FORGOTTEN_JOURNAL_ID: self._forgotten.journal_id})

    async def acknowledgements(self, heartbeat_seconds: float) -> AsyncIterator[list[int]]:
        """EventIds that are durable here, growing; an empty list as heartbeat (journal spec 1.8).

        A passive node that does not get the journal gives no heartbeat: the active one would wait for it for ever where
        only this direction still works.

        Raises `ProblemError` AckFromActiveClusterNode when this node is active, or becomes it.
        """
        replica = self._replica
        sent = -1
        while True:
            if self.inhibition.role is Role.ACTIVE:
                raise ProblemError.of("AckFromActiveClusterNode")
            if replica is None:
                raise ProblemError.of("ClusterNodeIsNotReady")
            newest = replica.committed_event_id
            if newest > sent:
                sent = newest
                yield [newest]
            elif not await replica.wait_after(sent, heartbeat_seconds) and self._is_following():
                yield []

    def _is_following(self) -> bool:
        return self.passive is None or self.passive.follower.is_connected

    # --- commands of people ---

    async def appoint(self, id_to_uri: Mapping[NodeId, str], active_id: NodeId) -> None:
        """ClusterAppointNodes: make a cluster, or change the passive node's address. Raises `ProblemError`."""
        role = self._active_role()
        state = self._host.cluster_state
        setting = self._setting(id_to_uri, active_id)
        if isinstance(state, Empty):
            if active_id != self.node_id:
                raise ProblemError(Problem(message=f"The active node is this one, {self.node_id}, not {active_id}"))
            self._host.persist_event(ClusterNodesAppointed(setting=setting))
            await self._host.durable()
            return
        passive_id = state.passive_id
        same = {**state.setting.id_to_uri, passive_id: id_to_uri.get(passive_id, "")}
        if active_id != state.active_id or same != dict(id_to_uri):
            raise ProblemError.of("ClusterSettingNotUpdatable")
        if id_to_uri[passive_id] != state.setting.id_to_uri[passive_id]:
            await role.change_passive_uri(id_to_uri[passive_id])

    async def switch_over(self, *, is_final: bool = False) -> None:
        """ClusterSwitchOver; `is_final`: this node does not start again. Raises `ProblemError`."""
        await self._active_role().switch_over()
        self._host.restart("switched over", is_final=is_final)
