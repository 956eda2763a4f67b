"""Consent before a node is declared lost: of the peer, if it can be asked, and of the watch, always (spec 1.8).

Both are asked at the same time; then the watch has to confirm once more (commit). Everything happens with the
activation lock held, so that this node gives no promise meanwhile. What has been consented to is carried out at once,
still within the lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum

from stellwerk.cluster.arbiters import Arbiters, Verdict, with_id
from stellwerk.cluster.inhibition import Inhibition
from stellwerk.cluster.messages import (
    ClusterInhibitActivation,
    ClusterWatchAskNodeLoss,
    ClusterWatchCommitNodeLoss,
    inhibit_response_decoder,
)
from stellwerk.cluster.peer import ClusterPeer
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine import cluster
from stellwerk.engine.cluster import Pair
from stellwerk.engine.events.cluster import AnyClusterEvent, NodeId
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.request import decode_json

logger = logging.getLogger(__name__)

#: The watch tells the active node with these that the other one has taken over.
DEPOSED = frozenset({"ClusterWatchInactiveNode", "ClusterWatchActiveStillAlive"})


class Consent(Enum):
    GIVEN = "given"
    REJECTED = "rejected"
    #: The peer is the active one.
    PEER_IS_ACTIVE = "the peer is active"
    #: The watch says that this node is not the active one (any more).
    DEPOSED = "deposed"


def watch_ids(state: Pair, configured: tuple[str, ...]) -> tuple[str, ...]:
    """Who has to be asked: the registered watches, else the configured ones; none: whoever answers."""
    registered = state.setting.cluster_watch_id
    return tuple(registered.split("+")) if registered else configured


async def ask_for_consent(
    node_id: NodeId,
    state: Pair,
    event: AnyClusterEvent,
    *,
    inhibition: Inhibition,
    arbiters: Arbiters,
    ids: tuple[str, ...],
    peer: ClusterPeer,
    carry_out: Callable[[], Awaitable[None]],
) -> Consent:
    """Ask; if all agree, `carry_out` writes the event. Takes at most about the consent timeout if nobody answers."""
    after = cluster.apply(state, event)
    timing = state.setting.timing
    try:
        async with inhibition.activation():
            try:
                async with asyncio.timeout(timing.consent_timeout):
                    consent = await _ask_both(node_id, after, event, arbiters, ids, peer, timing.consent_timeout)
                    if consent is Consent.GIVEN:
                        commit = ClusterWatchCommitNodeLoss(
                            request_id=0, from_=node_id, cluster_state=after, event=event
                        )
                        verdict = await arbiters.ask(with_id(commit), ids, timing)
                        consent = _consent_of(verdict)
            except TimeoutError:
                logger.warning("No cluster watch has answered: nobody is declared lost")
                return Consent.REJECTED
            if consent is Consent.GIVEN:
                await carry_out()
            return consent
    except ProblemError as error:  # this node has promised not to become active
        logger.info("%s", error)
        return Consent.REJECTED


async def _ask_both(
    node_id: NodeId,
    after: cluster.ClusterState,
    event: AnyClusterEvent,
    arbiters: Arbiters,
    ids: tuple[str, ...],
    peer: ClusterPeer,
    hold_seconds: float,
) -> Consent:
    assert not isinstance(after, cluster.Empty)
    timing = after.setting.timing
    ask = ClusterWatchAskNodeLoss(request_id=0, from_=node_id, cluster_state=after, event=event, hold=hold_seconds)
    peer_task = asyncio.ensure_future(_ask_peer(peer, after, hold_seconds / 2))
    watch_task = asyncio.ensure_future(arbiters.ask(with_id(ask), ids, timing))
    tasks: tuple[asyncio.Future[bool | Verdict], ...] = (peer_task, watch_task)  # type: ignore[assignment]
    try:
        for answered in asyncio.as_completed(tasks):
            answer = await answered
            if answer is False:
                return Consent.PEER_IS_ACTIVE
            if isinstance(answer, Verdict) and (consent := _consent_of(answer)) is not Consent.GIVEN:
                return consent
        return Consent.GIVEN
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask_peer(peer: ClusterPeer, pair: Pair, timeout_seconds: float) -> bool:
    """False: the peer is active. A peer that cannot be asked cannot object, nor can a node of another installation."""
    try:
        async with asyncio.timeout(timeout_seconds):
            answer = await peer.command(ClusterInhibitActivation(duration=pair.setting.timing.inhibit_activation))
    except (PeerUnreachableError, TimeoutError):
        return True
    except ProblemError as error:
        logger.info("The peer does not promise to stay passive: %s", error)
        return True
    state = decode_json(inhibit_response_decoder, answer).cluster_state
    return state is None or not cluster.is_same_pair(state, pair)


def _consent_of(verdict: Verdict) -> Consent:
    problem: Problem | None = verdict.problem
    if problem is None:
        if verdict.manual_confirmer is not None:
            logger.warning("The loss of the other node has been confirmed by %s", verdict.manual_confirmer)
        return Consent.GIVEN
    logger.info("The cluster watch refuses: %s", problem)
    return Consent.DEPOSED if problem.code in DEPOSED else Consent.REJECTED
