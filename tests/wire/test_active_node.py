"""Of a pair the active node is spoken to, whatever happens to it (cluster.md 1.12)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from cluster_nodes import NodeCluster
from wire_node import eventually

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.active_node import ActiveNodePeer, ClusterNodeState

COMMAND = json.dumps({"TYPE": "NoOperation"}).encode()


@pytest.fixture(params=["controller", "agent"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[NodeCluster]:
    made = NodeCluster(prefix=request.param)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def peer(pair: NodeCluster) -> AsyncIterator[ActiveNodePeer]:
    nodes = [node.peer() for node in pair.nodes.values()]
    made = ActiveNodePeer(nodes, patience_seconds=5.0, pauses=(0.01,), check_seconds=0.05)
    yield made
    await made.close()


def counts(pair: NodeCluster) -> tuple[int, int]:
    return len(pair.primary.commands), len(pair.backup.commands)


@pytest.mark.parametrize(
    "type_, active_id, expected",
    [
        ("Empty", None, {"Primary": True, "Backup": False}),
        ("NodesAppointed", "Primary", {"Primary": True, "Backup": False}),
        ("FailedOver", "Backup", {"Primary": False, "Backup": True}),
        ("Coupled", "Backup", {"Primary": False, "Backup": True}),
    ],
)
def test_who_is_active_by_its_state(type_: str, active_id: str | None, expected: dict[str, bool]) -> None:
    setting = {} if active_id is None else {"setting": {"activeId": active_id}}
    for node_id, is_active in expected.items():
        state = ClusterNodeState(node_id, node_id == "Backup", {"TYPE": type_, **setting})
        assert state.is_active is is_active


async def test_commands_go_to_the_active_node_which_is_looked_for_only_once(
    pair: NodeCluster, peer: ActiveNodePeer
) -> None:
    for _ in range(3):
        await peer.command(COMMAND)
    assert counts(pair) == (3, 0)
    assert pair.primary.state_requests == 1


async def test_after_a_switch_over_the_command_is_sent_to_the_other_node(
    pair: NodeCluster, peer: ActiveNodePeer
) -> None:
    await peer.command(COMMAND)
    pair.active_id = "Backup"
    await peer.command(COMMAND)
    assert counts(pair) == (1, 1)


async def test_a_node_that_is_changing_just_now_is_asked_again(pair: NodeCluster, peer: ActiveNodePeer) -> None:
    pair.changing.add("Primary")
    asking = asyncio.create_task(peer.command(COMMAND))
    await eventually(lambda: pair.primary.state_requests >= 3)
    pair.changing.clear()
    await asking
    assert counts(pair) == (1, 0)


async def test_a_lost_answer_is_not_repeated_and_the_next_command_finds_the_new_active_node(
    pair: NodeCluster, peer: ActiveNodePeer
) -> None:
    pair.primary.lost_answers = 1
    with pytest.raises(PeerUnreachableError):
        await peer.command(COMMAND)
    assert counts(pair) == (1, 0)
    await pair.primary.stop()
    asking = asyncio.create_task(peer.command(COMMAND))
    await eventually(lambda: pair.backup.state_requests >= 2)
    assert not asking.done()  # the backup is passive still
    pair.active_id = "Backup"
    await asking
    assert counts(pair) == (1, 1)


async def test_without_an_active_node_the_reasons_are_told_when_patience_is_over(pair: NodeCluster) -> None:
    await pair.primary.stop()
    nodes = [node.peer() for node in pair.nodes.values()]
    peer = ActiveNodePeer(nodes, patience_seconds=0.05, pauses=(0.01,))
    try:
        with pytest.raises(PeerUnreachableError, match=r"NoActiveClusterNode.*Backup is passive") as caught:
            await peer.command(COMMAND)
        assert "cannot be reached" in str(caught.value)
    finally:
        await peer.close()


async def test_another_problem_is_the_callers(pair: NodeCluster, peer: ActiveNodePeer) -> None:
    with pytest.raises(ProblemError, match="404"):
        await peer.get("nothing")
    await peer.command(COMMAND)
    assert pair.primary.state_requests == 1  # the active node is not doubted


async def test_events_go_on_at_the_new_active_node_behind_the_last_one(pair: NodeCluster, peer: ActiveNodePeer) -> None:
    seen: list[int] = []

    async def follow(until: int) -> None:
        async with aclosing(_events(peer, seen[-1] if seen else 0)) as batches:
            async for batch in batches:
                seen.extend(json.loads(line)["eventId"] for line in batch)
                if seen and seen[-1] >= until:
                    return

    await follow(await pair.add_orders("a", "b"))
    await pair.primary.stop()
    pair.active_id = "Backup"
    last = await pair.add_orders("c")
    with pytest.raises(PeerUnreachableError):
        await follow(last)
    await follow(last)
    assert seen == [event_id for event_id, _ in pair.events.lines]


async def test_a_stream_ends_when_its_node_is_passive_now(pair: NodeCluster, peer: ActiveNodePeer) -> None:
    await pair.add_orders("a")
    heartbeats = 0
    async for batch in _events(peer, 0):
        heartbeats += not batch
        pair.active_id = "Backup"
    assert heartbeats >= 1
    await peer.command(COMMAND)
    assert counts(pair) == (0, 1)


def _events(peer: ActiveNodePeer, after: int) -> Any:
    return peer.events(after=after, heartbeat_seconds=0.1)
