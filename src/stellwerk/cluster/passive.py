"""The passive node: it follows, announces itself, takes over when the active node is lost (cluster spec 1.5, 1.9.2).

It takes over only from the state Coupled, and only when it has seen the coupling in this very run: a node that has
started again does not know what it has missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from stellwerk.cluster.arbiters import Arbiters, with_id
from stellwerk.cluster.consent import Consent, ask_for_consent, watch_ids
from stellwerk.cluster.follower import Follower
from stellwerk.cluster.host import ClusterHost
from stellwerk.cluster.inhibition import Inhibition
from stellwerk.cluster.messages import (
    ClusterCommand,
    ClusterCouple,
    ClusterPassiveDown,
    ClusterPrepareCoupling,
    ClusterRecouple,
    ClusterWatchCheckEvent,
)
from stellwerk.cluster.peer import ClusterPeer
from stellwerk.effects.clock import Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.effects.waiting import set_within
from stellwerk.engine.cluster import ClusterState, Coupled, Empty, Pair, PreparedToBeCoupled, SwitchedOver
from stellwerk.engine.events.cluster import (
    AnyClusterEvent,
    ClusterFailedOver,
    ClusterSwitchedOver,
    ClusterTiming,
    JournalPosition,
    NodeId,
)
from stellwerk.journal import Recovered, Replica
from stellwerk.values.ids import run_id
from stellwerk.values.problems import ProblemError

logger = logging.getLogger(__name__)

#: Between two tries to couple, seconds; the last repeats (`retry-delays`).
RETRY_DELAYS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 5.0)
#: From ClusterResetStarted to the end of this node's copy of the journal (spec 1.6).
RESET_SECONDS = 1.0


class PassiveRole:
    """See the module. `run` ends when the node has become active, or by cancellation."""

    def __init__(
        self,
        node_id: NodeId,
        host: ClusterHost,
        replica: Replica,
        peer: ClusterPeer,
        *,
        activate: Callable[[Recovered, AnyClusterEvent | None], Awaitable[None]],
        forget: Callable[[str], Awaitable[None]],
        inhibition: Inhibition,
        arbiters: Arbiters,
        configured_watches: tuple[str, ...],
        default_timing: ClusterTiming,
        random: Random,
        fails_over: bool = True,
        is_end_doubtful: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_end_doubtful`: the last thing known is that this node, which was active, handed the role over."""
        self._node_id = node_id
        self._host = host
        self._replica = replica
        self._peer = peer
        self._make_active = activate
        self._forget = forget
        self._inhibition = inhibition
        self._arbiters = arbiters
        self._configured_watches = configured_watches
        self._default_timing = default_timing
        self._random = random
        self._fails_over = fails_over
        self._loop = asyncio.get_running_loop()
        self.follower = Follower(host, replica, peer, lambda: self.timing, self._look_at_state, forget=forget)
        self.follower.on_refused = self._raise_alarm
        #: The state that has been reacted to.
        self._seen = host.cluster_state
        self._is_coupled_by_this_run = False
        #: It has said goodbye, and must not couple again in the moment that it still runs.
        self._is_leaving = False
        self._is_end_doubtful = is_end_doubtful
        self._may_take_back = fails_over
        self._changed = asyncio.Event()
        self._tokens: set[str] = set()
        self._following: asyncio.Task[None] | None = None
        #: Fails when the journal cannot be followed any more.
        self._broken: asyncio.Future[None] = self._loop.create_future()
        #: There may be a reason to take over.
        self._alarm = asyncio.Event()
        self._reset_wanted = asyncio.Event()
        self._look_for_reset(self._seen)

    @property
    def timing(self) -> ClusterTiming:
        state = self._host.cluster_state
        return self._default_timing if isinstance(state, Empty) else state.setting.timing

    @property
    def silence_seconds(self) -> float:
        """Since the active node has last been heard."""
        return self._loop.time() - self.follower.heard_at

    @property
    def may_fail_over(self) -> bool:
        """Whether this run may take over when the active node is lost."""
        state = self._host.cluster_state
        return isinstance(state, Coupled) and self._is_able_to_fail_over(state)

    def has_token(self, token: str) -> bool:
        """Whether a coupling command with this token is pending (ClusterConfirmCoupling)."""
        return token in self._tokens

    # --- life ---

    async def run(self) -> None:
        """Follow, and react; returns when this node is active. Raises what stops the node."""
        self._follow()
        tasks = [
            asyncio.create_task(self._watch_over_active(), name="watch over the active node"),
            asyncio.create_task(self._announce_forever(), name="announcement"),
            asyncio.create_task(self._forget_when_reset(), name="reset"),
        ]
        try:
            await asyncio.wait([*tasks, self._broken], return_when=asyncio.FIRST_COMPLETED)
            for ended in (*tasks, self._broken):
                if ended.done():
                    ended.result()
        finally:
            await self._stop_following()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self) -> None:
        self._following = asyncio.create_task(self.follower.run(), name="follower")
        self._following.add_done_callback(self._following_ended)

    def _following_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def say_goodbye(self) -> None:
        """This node stops: the active one need not find out by itself (ClusterPassiveDown)."""
        self._is_coupled_by_this_run = False
        self._is_leaving = True
        state = self._host.cluster_state
        if isinstance(state, Coupled) and state.passive_id == self._node_id:
            command = ClusterPassiveDown(active_id=state.active_id, passive_id=self._node_id)
            with contextlib.suppress(ProblemError, PeerUnreachableError, TimeoutError):
                async with asyncio.timeout(state.setting.timing.heartbeat):
                    await self._peer.command(command)

    # --- replicated events ---

    def _look_at_state(self) -> None:
        state = self._host.cluster_state
        if state is self._seen:
            return
        if isinstance(state, Coupled) and not isinstance(self._seen, Coupled):
            logger.info("Coupled: this node takes over when the active one is lost")
            self._is_coupled_by_this_run = True
        self._seen = state
        self._look_for_reset(state)
        self._changed.set()
        if isinstance(state, SwitchedOver):
            self._raise_alarm()

    def _look_for_reset(self, state: ClusterState) -> None:
        if isinstance(state, Coupled) and state.is_resetting:
            self._reset_wanted.set()

    async def _forget_when_reset(self) -> None:
        """ClusterResetStarted (1.6): the acknowledgement gets out first, for the active node waits for it."""
        await self._reset_wanted.wait()
        await asyncio.sleep(RESET_SECONDS)
        await self._forget("the active node is being reset")

    def _raise_alarm(self) -> None:
        self._alarm.set()

    # --- coupling ---

    async def _announce_forever(self) -> None:
        tries = 0
        announced: object = None
        while True:
            self._changed.clear()
            state = self._host.cluster_state
            if state is not announced:
                announced, tries = state, 0
            command = self._announcement(state)
            if command is None:
                await self._changed.wait()
                continue
            await self._send(command)
            delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS) - 1)] * min(1.0, self.timing.heartbeat)
            tries += 1
            await set_within(self._changed, delay)

    def _announcement(self, state: object) -> Callable[[str], ClusterCommand] | None:
        if self._is_leaving or not isinstance(state, Pair) or state.active_id == self._node_id:
            return None
        active_id = state.active_id
        if isinstance(state, Coupled):
            if self._is_coupled_by_this_run:
                return None
            return lambda token: ClusterRecouple(active_id=active_id, passive_id=self._node_id)
        if isinstance(state, PreparedToBeCoupled):
            return lambda token: ClusterCouple(active_id=active_id, passive_id=self._node_id, token=token)
        return lambda token: ClusterPrepareCoupling(active_id=active_id, passive_id=self._node_id, token=token)

    async def _send(self, command: Callable[[str], ClusterCommand]) -> None:
        if not self.follower.is_connected:
            return
        token = run_id(self._random.token_bytes(16))
        self._tokens.add(token)
        try:
            await self._peer.command(command(token))
        except (ProblemError, PeerUnreachableError) as error:
            logger.debug("Not coupled yet: %s", error)
        finally:
            self._tokens.discard(token)

    # --- taking over ---

    async def _watch_over_active(self) -> None:
        """Ends when this node is active."""
        while True:
            await self._look_out(self.timing.heartbeat / 2)
            state = self._host.cluster_state
            if isinstance(state, SwitchedOver) and state.active_id == self._node_id:
                if await self._take_switched_role(state):
                    return
            elif isinstance(state, SwitchedOver) and self._has_to_take_back(state):
                if await self._take_back(state):
                    return
            elif isinstance(state, Coupled) and self._has_to_fail_over(state) and await self._fail_over(state):
                return

    async def _look_out(self, seconds: float) -> None:
        """Until an alarm, or for so long."""
        due = self._loop.time() + seconds
        if not await set_within(self._alarm, seconds) and self._loop.time() - due > seconds:
            # This node itself did not get to run: what it has not heard meanwhile proves nothing.
            self.follower.heard_at = max(self.follower.heard_at, self._loop.time() - seconds)
        self._alarm.clear()

    def _is_able_to_fail_over(self, state: Coupled) -> bool:
        is_allowed = self._is_coupled_by_this_run and self._fails_over and not state.is_resetting
        return is_allowed and state.active_id != self._node_id

    def _has_to_fail_over(self, state: Coupled) -> bool:
        return self._is_able_to_fail_over(state) and self._is_active_lost(state)

    def _is_active_lost(self, state: Pair) -> bool:
        return self.follower.is_refused or self.silence_seconds >= state.setting.timing.active_lost

    async def _fail_over(self, state: Coupled) -> bool:
        await self._stop_following()  # what is received from now on would not be part of `failed_at`
        file_event_id, position = self._replica.position
        event = ClusterFailedOver(
            failed_active_id=state.active_id,
            activated_id=self._node_id,
            failed_at=JournalPosition(file_event_id=file_event_id, position=position),
        )
        return await self._take_over(state, event) is Consent.GIVEN

    async def _take_over(self, state: Pair, event: AnyClusterEvent) -> Consent:
        """With consent this node is active when it returns; else it goes on following."""
        logger.warning(
            "The active node is lost (%s): may this one take over?",
            "no process there" if self.follower.is_refused else f"silent for {self.silence_seconds:.1f} s",
        )

        async def carry_out() -> None:
            await self._activate(event)

        consent = await ask_for_consent(
            self._node_id,
            state,
            event,
            inhibition=self._inhibition,
            arbiters=self._arbiters,
            ids=watch_ids(state, self._configured_watches),
            peer=self._peer,
            carry_out=carry_out,
        )
        if consent is Consent.GIVEN:
            return consent
        logger.info("This node stays passive: %s", consent.value)
        if consent is Consent.PEER_IS_ACTIVE:
            self.follower.heard_at = self._loop.time()
        self.follower.is_refused = False
        self._follow()
        await asyncio.sleep(self.timing.heartbeat / 4)  # the pace of questions
        return consent

    async def _activate(self, event: AnyClusterEvent | None) -> None:
        await self._make_active(self._replica.close(), event)

    async def _take_switched_role(self, state: SwitchedOver) -> bool:
        """The role is handed over: the watch is told first, then this node is active (1.9.4).

        False: the role has gone back, as this node had not been heard for too long.
        """
        event = ClusterSwitchedOver(activated_id=self._node_id)
        request = ClusterWatchCheckEvent(request_id=0, from_=self._node_id, cluster_state=state, event=event)
        ids = watch_ids(state, self._configured_watches)
        while (verdict := await self._arbiters.ask(with_id(request), ids, state.setting.timing)).problem is not None:
            logger.warning("The cluster watch refuses the switch-over: %s", verdict.problem)
            await asyncio.sleep(state.setting.timing.heartbeat)  # the pace of questions
            if self._host.cluster_state is not state:
                return False
        await self._stop_following()
        await self._inhibition.released()
        async with self._inhibition.activation():
            await self._activate(None)
        return True

    def _has_to_take_back(self, state: SwitchedOver) -> bool:
        return self._may_take_back and self._is_end_doubtful() and self._is_active_lost(state)

    async def _take_back(self, state: SwitchedOver) -> bool:
        """The other node is lost, and by the watch's knowledge it has not taken the role: then it comes back here.

        Nothing is lost: this node was the active one, and has all that there is.
        """
        await self._stop_following()
        consent = await self._take_over(state, ClusterSwitchedOver(activated_id=self._node_id))
        if consent in (Consent.PEER_IS_ACTIVE, Consent.DEPOSED):
            self._may_take_back = False
        return consent is Consent.GIVEN
