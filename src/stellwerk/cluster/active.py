"""The active node: it couples the other one, waits for its acknowledgements, declares it lost (cluster spec 1.6-1.9).

Order of things: a cluster event is journaled, then reported to the watch; only the loss of the other node is asked for
before. A node that learns that the other one is active halts at once: what it has not yet committed never happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from stellwerk.cluster.arbiters import Arbiters, with_id
from stellwerk.cluster.consent import Consent, ask_for_consent, watch_ids
from stellwerk.cluster.host import ClusterHost
from stellwerk.cluster.inhibition import Inhibition
from stellwerk.cluster.messages import (
    ClusterConfirmCoupling,
    ClusterCouple,
    ClusterPassiveDown,
    ClusterPrepareCoupling,
    ClusterRecouple,
    ClusterStartBackupNode,
    ClusterWatchCheckEvent,
    ClusterWatchCheckState,
)
from stellwerk.cluster.passive import RETRY_DELAYS
from stellwerk.cluster.peer import ClusterPeer, ClusterPeerFactory
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.effects.waiting import set_within
from stellwerk.engine.cluster import (
    DECOUPLED,
    ActiveShutDown,
    Coupled,
    Empty,
    NodesAppointed,
    Pair,
    PreparedToBeCoupled,
    is_same_pair,
    name_of,
)
from stellwerk.engine.events.cluster import (
    AnyClusterEvent,
    ClusterActiveNodeShutDown,
    ClusterCoupled,
    ClusterCouplingPrepared,
    ClusterPassiveLost,
    ClusterResetStarted,
    ClusterSettingUpdated,
    ClusterSwitchedOver,
    ClusterTiming,
    ClusterWatchRegistered,
    NodeId,
)
from stellwerk.values.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

#: For the answer to ClusterConfirmCoupling (spec 1.2).
_COUPLING_RESPONSE_SECONDS = 3.0


class ActiveRole:
    """See the module. Begun with `start` when the node is active, ended with `stop`."""

    def __init__(
        self,
        node_id: NodeId,
        host: ClusterHost,
        peer_factory: ClusterPeerFactory,
        *,
        inhibition: Inhibition,
        arbiters: Arbiters,
        configured_watches: tuple[str, ...],
        file_event_id: Callable[[], int],
    ) -> None:
        self._node_id = node_id
        self._host = host
        self._peer_factory = peer_factory
        self._inhibition = inhibition
        self._arbiters = arbiters
        self._configured_watches = configured_watches
        self._file_event_id = file_event_id
        self._loop = asyncio.get_running_loop()
        self._coupling = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: Loop time of the last sign of the passive node.
        self.heard_at = self._loop.time()
        self._is_passive_refused = False
        self._alarm = asyncio.Event()
        self._is_switching = False
        #: Heartbeats to the watch rest while something else is asked.
        self._resting = 0
        self._nudge = asyncio.Event()

    @property
    def _state(self) -> Pair:
        state = self._host.cluster_state
        if isinstance(state, Empty):
            raise ProblemError.of("ClusterStateEmpty")
        return state

    @property
    def _ids(self) -> tuple[str, ...]:
        return watch_ids(self._state, self._configured_watches)

    @property
    def silence_seconds(self) -> float:
        """Since the passive node has last been heard."""
        return self._loop.time() - self.heard_at

    # --- life ---

    def start(self) -> None:
        """The node is active; also when a cluster has just been appointed."""
        self._arbiters.on_connected = self._watch_has_come
        self._run("heartbeat", self._beat_forever)
        self._run("call", self._call_passive_node)
        if isinstance(self._host.cluster_state, Coupled):
            self.coupled()

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        former = self._tasks.get(name)
        if former is not None and not former.done():
            return
        task = self._tasks[name] = asyncio.create_task(work(), name=f"cluster {name}")
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._host.failed(error)

    @contextlib.asynccontextmanager
    async def _peer(self) -> Any:
        state = self._state
        peer: ClusterPeer = self._peer_factory(state.setting.id_to_uri[state.passive_id])
        try:
            yield peer
        finally:
            await peer.close()

    # --- events ---

    async def _write(self, event: AnyClusterEvent) -> None:
        self._host.persist_event(event)
        await self._host.durable()
        await self._report(event)

    async def _report(self, event: AnyClusterEvent) -> None:
        """Tell the watch, if there is one; wait for its confirmation."""
        state = self._state
        if state.setting.cluster_watch_id is None:
            return
        request = ClusterWatchCheckEvent(request_id=0, from_=self._node_id, cluster_state=state, event=event)
        async with self._no_heartbeat():
            verdict = await self._arbiters.ask(with_id(request), self._ids, state.setting.timing)
        if verdict.problem is not None:
            self._host.halt(f"The cluster watch refuses {type(event).__name__}: {verdict.problem}")

    async def report_shutdown(self) -> None:
        """The node has ended in an orderly way: the watch may know, if it is there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._state.setting.timing.heartbeat):
                await self._report(ClusterActiveNodeShutDown())

    @contextlib.asynccontextmanager
    async def _no_heartbeat(self) -> Any:
        self._resting += 1
        self._nudge.set()
        try:
            yield
        finally:
            self._resting -= 1

    # --- the watch ---

    def _watch_has_come(self) -> None:
        self._nudge.set()

    async def _beat_forever(self) -> None:
        """Heartbeats to the watch (ClusterWatchCheckState); the first confirmation registers it."""
        while True:
            state = self._host.cluster_state
            if isinstance(state, Empty):
                return
            if not self._resting and self._arbiters.connected:
                await self._beat(state)
            self._nudge.clear()
            await set_within(self._nudge, state.setting.timing.heartbeat)

    async def _beat(self, state: Pair) -> None:
        request = ClusterWatchCheckState(request_id=0, from_=self._node_id, cluster_state=state)
        asking = asyncio.ensure_future(self._arbiters.ask(with_id(request), self._ids, state.setting.timing))
        resting = asyncio.ensure_future(self._until_resting())
        try:
            await asyncio.wait([asking, resting], return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return
            verdict = asking.result()
        finally:
            for task in (asking, resting):
                task.cancel()
            await asyncio.gather(asking, resting, return_exceptions=True)
        if verdict.problem is not None:
            if verdict.problem.code != "ClusterWatchNotAsking":
                self._host.halt(f"The cluster watch refuses the heartbeat: {verdict.problem}")
            return
        await self._register(verdict.ids)

    async def _until_resting(self) -> None:
        while not self._resting:
            self._nudge.clear()
            await self._nudge.wait()

    async def _register(self, confirmed_by: tuple[str, ...]) -> None:
        """Who has confirmed is the watch from now on; of three configured ones, all together."""
        wanted = "+".join(self._configured_watches) if len(self._configured_watches) == 3 else confirmed_by[-1]
        if self._state.setting.cluster_watch_id != wanted and not self._is_switching:
            logger.info("The cluster watch is %s", wanted)
            self._host.persist_event(ClusterWatchRegistered(cluster_watch_id=wanted))
            await self._host.durable()

    # --- coupling ---

    async def _call_passive_node(self) -> None:
        """Tell the other node who it is, until it couples: a fresh one does not know (ClusterStartBackupNode)."""
        tries = 0
        while isinstance(self._host.cluster_state, DECOUPLED):
            state = self._state
            command = ClusterStartBackupNode(
                setting=state.setting,
                file_event_id=self._file_event_id(),
                active_node_name=self._node_id,
                passive_node_user_id=self._node_id,
            )
            with contextlib.suppress(ProblemError, PeerUnreachableError, TimeoutError):
                async with self._peer() as peer, asyncio.timeout(state.setting.timing.heartbeat_timeout):
                    await peer.command(command)
            delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS) - 1)] * min(1.0, state.setting.timing.heartbeat)
            tries += 1
            await asyncio.sleep(delay)  # the pace of calls

    def _check_nodes(self, command: Any) -> Pair:
        state = self._host.cluster_state
        if (
            isinstance(state, Empty)
            or command.active_id != state.active_id
            or command.passive_id != state.passive_id
            or self._is_switching
        ):
            raise ProblemError.of(
                "ClusterCommandInapplicable", command=type(command).__name__, clusterState=name_of(state)
            )
        return state

    async def prepare_coupling(self, command: ClusterPrepareCoupling) -> None:
        """Raises `ProblemError`."""
        async with self._coupling:
            state = self._check_nodes(command)
            await self._check_token(command.token)
            state = self._check_nodes(command)
            if isinstance(state, DECOUPLED) and not isinstance(state, ActiveShutDown):
                await self._write(ClusterCouplingPrepared(active_id=self._node_id))

    async def couple(self, command: ClusterCouple) -> None:
        """Raises `ProblemError`, also NoClusterWatch: then it is repeated."""
        async with self._coupling:
            self._check_nodes(command)
            await self._check_token(command.token)
            state = self._check_nodes(command)
            if isinstance(state, PreparedToBeCoupled):
                if state.setting.cluster_watch_id is None or not self._arbiters.is_heard(self._ids):
                    raise ProblemError.of("NoClusterWatch")
                await self._write(ClusterCoupled(active_id=self._node_id))
            elif isinstance(state, NodesAppointed):
                raise ProblemError.of(
                    "ClusterCommandInapplicable", command="ClusterCouple", clusterState=name_of(state)
                )

    async def _check_token(self, token: str) -> None:
        """Is it really the passive node's address from where the command came? Raises `ProblemError`."""
        try:
            async with self._peer() as peer, asyncio.timeout(_COUPLING_RESPONSE_SECONDS):
                await peer.command(ClusterConfirmCoupling(token=token))
        except (PeerUnreachableError, TimeoutError) as error:
            raise ProblemError(Problem(message=f"The passive node's address does not answer: {error}")) from error

    async def recouple(self, command: ClusterRecouple | ClusterPassiveDown) -> None:
        """The passive node itself says that it has started again, or ends."""
        state = self._check_nodes(command)
        if isinstance(state, Coupled):
            await self._lose_passive()
            await self._report(ClusterPassiveLost(id=self._state.passive_id))

    async def change_passive_uri(self, uri: str) -> None:
        """The passive node has another address: it is dropped first, if it is coupled. Raises `ProblemError`."""
        async with self._coupling:
            state = self._state
            if isinstance(state, PreparedToBeCoupled):
                raise ProblemError.of("PassiveClusterNodeUrlChangeableOnlyWhenNotCoupled")
            if isinstance(state, Coupled):
                await self._try_to_lose_passive()
            if isinstance(self._state, Coupled):
                raise ProblemError.of("PassiveClusterNodeUrlChangeableOnlyWhenNotCoupled")
            await self._write(ClusterSettingUpdated(passive_uri=uri))
            self._run("call", self._call_passive_node)

    async def start_reset(self) -> None:
        """Both nodes are going to forget everything: returns when the passive one knows it, or is lost.

        Raises `ProblemError`.
        """
        async with self._coupling:
            state = self._state
            if isinstance(state, Coupled) and not state.is_resetting:
                self._host.persist_event(ClusterResetStarted())
                await self._host.durable()

    # --- coupled ---

    def coupled(self) -> None:
        """ClusterCoupled has been committed: acknowledgements are part of a commit from now on."""
        self._host.acknowledgement.require(0)
        self.heard_at = self._loop.time()
        self._is_passive_refused = False
        logger.info("Coupled with %s", self._state.passive_id)
        self._run("acknowledgements", self._read_acknowledgements)
        self._run("watch over the passive node", self._watch_over_passive)

    def decoupled(self) -> None:
        """Another state has been committed."""
        task = self._tasks.pop("acknowledgements", None)
        if task is not None:
            task.cancel()
        if not self._is_switching:
            self._run("call", self._call_passive_node)

    @contextlib.asynccontextmanager
    async def acknowledged_by_peer(self) -> Any:
        """What is written meanwhile is committed only when the passive node has it: it must know that it is lost."""
        reading = asyncio.create_task(self._read_acknowledgements(), name="acknowledgements of the start")
        reading.add_done_callback(self._ended)
        try:
            yield
        finally:
            reading.cancel()
            self._host.acknowledgement.waive()

    async def _read_acknowledgements(self) -> None:
        async with self._peer() as peer:
            while True:
                timing = self._state.setting.timing
                try:
                    async with asyncio.timeout(timing.stream_idle) as idle:
                        async for ids in peer.acknowledgements(min(timing.heartbeat, 1.0)):
                            self.heard_at = self._loop.time()
                            self._is_passive_refused = False
                            idle.reschedule(self._loop.time() + timing.stream_idle)
                            if ids:
                                self._host.acknowledgement.acknowledged(ids[-1])
                except ProblemError as error:
                    if error.problem.code == "AckFromActiveClusterNode" and not await self._is_foreign(peer):
                        self._host.halt("the other node has become active")
                        return
                    logger.info("The passive node does not acknowledge: %s", error)
                except PeerUnreachableError as error:
                    was_refused, self._is_passive_refused = self._is_passive_refused, error.is_refused
                    if error.is_refused:
                        self._alarm.set()
                    elif not was_refused:
                        continue
                except TimeoutError:
                    continue
                await asyncio.sleep(min(1.0, timing.heartbeat / 2))  # the pace of tries

    async def _is_foreign(self, peer: ClusterPeer) -> bool:
        """Whether a node of another installation listens at the passive node's address. In doubt it does not."""
        state = self._state
        try:
            async with asyncio.timeout(state.setting.timing.heartbeat_timeout):
                answer = await peer.node_state()
        except (ProblemError, PeerUnreachableError, TimeoutError):
            return False
        if is_same_pair(answer.cluster_state, state):
            return False
        uri = state.setting.id_to_uri[state.passive_id]
        logger.warning("The node at %s is not the passive node of this pair, but one of another installation", uri)
        return True

    async def _watch_over_passive(self) -> None:
        while isinstance(self._host.cluster_state, Coupled):
            timing = self._state.setting.timing
            due = self._loop.time() + timing.heartbeat / 2
            is_alarmed = await set_within(self._alarm, timing.heartbeat / 2)
            if not is_alarmed and self._loop.time() - due > timing.heartbeat / 2:
                # This node itself did not get to run: what it has not heard meanwhile proves nothing.
                self.heard_at = max(self.heard_at, self._loop.time() - timing.heartbeat / 2)
            self._alarm.clear()
            if self._is_passive_refused or self.silence_seconds >= timing.passive_lost:
                await self._try_to_lose_passive()

    async def _try_to_lose_passive(self) -> None:
        state = self._state
        if not isinstance(state, Coupled) or self._is_switching:
            return
        logger.warning("The passive node is lost: may this one go on alone?")
        event = ClusterPassiveLost(id=state.passive_id)
        async with self._no_heartbeat(), self._peer() as peer:
            consent = await ask_for_consent(
                self._node_id,
                state,
                event,
                inhibition=self._inhibition,
                arbiters=self._arbiters,
                ids=self._ids,
                peer=peer,
                carry_out=self._lose_passive,
            )
        if consent is Consent.GIVEN:
            await self._report(event)
        elif consent in (Consent.PEER_IS_ACTIVE, Consent.DEPOSED):
            self._host.halt(f"this node is not active any more ({consent.value})")
        else:
            await asyncio.sleep(state.setting.timing.heartbeat / 4)  # the pace of questions

    async def _lose_passive(self) -> None:
        """Go on alone: the event first, then all that waits for the passive node's acknowledgement."""
        if isinstance(self._state, Coupled):
            self._host.persist_event(ClusterPassiveLost(id=self._state.passive_id))
        self._host.acknowledgement.waive()
        await self._host.durable()

    # --- switch-over (1.9.4) ---

    async def switch_over(self) -> None:
        """Hand the role over. Raises `ProblemError`; when it has returned, the node has to end.

        The watch hears of it from the other node only, before that one is active: until then the role can go back.
        """
        state = self._host.cluster_state
        if not isinstance(state, Coupled):
            raise ProblemError.of("ClusterSwitchOverButNotCoupled", clusterState=name_of(state))
        if self._is_switching:
            raise ProblemError(Problem(message="Already switching over"))
        if self._is_passive_refused or self.silence_seconds > state.setting.timing.heartbeat * 2:
            raise ProblemError(Problem(message="The passive node does not answer at present: nothing is switched over"))
        if not self._arbiters.is_heard(self._ids):
            raise ProblemError.of("NoClusterWatch")
        self._is_switching = True
        event = ClusterSwitchedOver(activated_id=state.passive_id)
        # Until it is certain, the watch must not see the new state, in which this node is not the active one.
        async with self._no_heartbeat():
            self._host.persist_event(event)
            self._host.seal()
            await self._durable_at_passive(state.setting.timing)

    async def _durable_at_passive(self, timing: ClusterTiming) -> None:
        """The other node has read of its role. Raises `ProblemError` when it is lost before it says so."""
        begun = self._loop.time()
        durable = asyncio.ensure_future(self._host.durable())
        try:
            while not durable.done():
                await asyncio.wait([durable], timeout=timing.heartbeat / 2)
                is_lost = self._is_passive_refused or self.silence_seconds >= timing.passive_lost
                # One that answers, but does not read on: it has started again, and cannot be coupled anew meanwhile.
                is_late = self._loop.time() >= begun + 2 * timing.passive_lost
                if (is_lost or is_late) and not durable.done():
                    reason = "the passive node was lost while the role was handed over to it"
                    # Nothing can be written any more: the next run follows the other node, or takes the role back.
                    self._host.halt(reason)
                    raise ProblemError(Problem(message=f"Not switched over: {reason}"))
            durable.result()
        finally:
            durable.cancel()
