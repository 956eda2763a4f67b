"""The pipeline of a node: decide, append, wait, start effects; failures of the disk (architecture 4, 6)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from journal_world import ManualClock, SeededRandom

from stellwerk.controller.node import ControllerNode
from stellwerk.effects.disk import DiskFullError
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.requests import FreshOrder
from stellwerk.engine.state import PathControl
from stellwerk.journal import JournalCorruptedError, JournalOptions
from stellwerk.language.positions import WorkflowId
from stellwerk.node.node import EXIT_ERROR, NodeEffects, Termination
from stellwerk.node.persist import Effects
from stellwerk.simulation.disk import SimulatedDisk
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SignatureVerifier

OPTIONS = JournalOptions(low_space_bytes=0, reserve_bytes=0)
WORKFLOW_ID = WorkflowId("W", "1")


class World:
    """A Controller without Agents on a simulated disk."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        self.clock = ManualClock()
        self.node: ControllerNode | None = None

    def make(
        self, options: JournalOptions = OPTIONS, node_type: type[ControllerNode] = ControllerNode
    ) -> ControllerNode:
        self.node = node_type(
            "controller",
            NodeEffects(self.disk, self.clock, SeededRandom(), {}),
            lambda path, uri: pytest.fail("no Agent is known"),
            lambda: SignatureVerifier(()),
            options,
            receivers=("cockpit",),
        )
        return self.node

    def hold_syncs(self) -> Callable[[], None]:
        """Syncs wait until the function returned is called."""
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        self.disk.sync_gate = wait
        return gate.set

    async def start(
        self, options: JournalOptions = OPTIONS, node_type: type[ControllerNode] = ControllerNode
    ) -> ControllerNode:
        node = self.make(options, node_type)
        await node.start()
        return node


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    if world.node is not None:
        await world.node.stop()


def types(node: ControllerNode) -> list[str]:
    events: list[Any] = []
    after = node.journal.torn_event_id
    while lines := node.journal.read_after(after):
        events += map(decode, lines)
        after = events[-1]["eventId"]
    return [event["TYPE"] for event in events]


async def command(node: ControllerNode, command: dict[str, Any], user_id: str = "cockpit") -> Any:
    return decode(await node.execute(encode(command), user_id))


async def test_first_start_and_later_ones(world: World) -> None:
    node = await world.start()
    assert types(node) == ["SnapshotTaken", "ControllerInitialized", "ControllerReady"]
    await node.stop()
    node = await world.start()
    assert types(node)[-2:] == ["SnapshotTaken", "ControllerReady"]
    assert "ControllerShutDown" in types(node)


async def test_a_foreign_journal_is_refused_with_a_remedy(world: World) -> None:
    await (await world.start()).stop()
    other = ControllerNode(
        "other",
        NodeEffects(world.disk, world.clock, SeededRandom(), {}),
        lambda path, uri: pytest.fail("no Agent is known"),
        lambda: SignatureVerifier(()),
        OPTIONS,
    )
    with pytest.raises(ProblemError, match=r"belongs to the Controller 'controller'.*another data directory"):
        await other.start()
    await other.stop()


async def test_an_event_that_nobody_knows_refuses_the_start(world: World) -> None:
    node = await world.start()
    event_id = node.journal.event_ids.next(world.clock.now_ms())
    node.journal.append([b'{"eventId":%d,"TYPE":"FromTheFuture"}' % event_id], event_id)
    await node.durable()
    node.terminate(Termination(is_immediate=True))
    await node.stop()
    with pytest.raises(JournalCorruptedError, match="does not fit the state"):
        await world.make().start()


async def test_a_refused_decision_leaves_nothing(world: World) -> None:
    node = await world.start()
    before = node.journal.appended_event_id

    def decide(transaction: Any) -> None:
        transaction.emit(None, e.OrderStarted())

    with pytest.raises(ProblemError, match="InapplicableOrderEvent"):
        node.persist(decide)
    assert node.journal.appended_event_id == before
    assert not node.state.orders


async def test_effects_start_when_their_event_is_durable_and_not_before(world: World) -> None:
    seen: list[tuple[int, int]] = []

    class Watching(ControllerNode):
        def effects_of_events(self) -> Effects:
            return {e.OrderAdded: lambda event_id, key, event: seen.append((event_id, self.journal.committed_event_id))}

    node = await world.start(node_type=Watching)
    release = world.hold_syncs()
    node.persist(lambda t: t.emit("O", e.OrderAdded(workflow_id=WORKFLOW_ID)), follow_up=False)
    answer = asyncio.ensure_future(node.durable())
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.disk.operations[-1][0] == "write"
    assert not seen
    assert not answer.done()
    release()
    await answer
    [(event_id, committed)] = seen
    assert committed >= event_id


async def test_reads_wait_until_what_they_saw_is_durable(world: World) -> None:
    node = await world.start()
    release = world.hold_syncs()
    node.persist(lambda t: t.emit(None, i.UnsignedSimpleItemAdded(item=PathControl(path="W"))))
    reading = asyncio.ensure_future(node.snapshot())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not reading.done()
    release()
    lines = [decode(line) for line in await reading]
    assert lines[0] == {"TYPE": "SnapshotEventId", "eventId": node.journal.committed_event_id}
    assert lines[-1] == {"TYPE": "WorkflowPathControl", "path": "W"}


async def test_commands_of_a_batch_have_their_own_answers(world: World) -> None:
    node = await world.start()
    answer = await command(
        node,
        {
            "TYPE": "Batch",
            "commands": [
                {"TYPE": "NoOperation"},
                {"TYPE": "AnswerOrderPrompt", "orderId": "X"},
                {"TYPE": "Nonsense"},
                {"TYPE": "Batch", "commands": [{"TYPE": "EmitTestEvent", "correlId": "c"}]},
            ],
        },
    )
    assert answer["TYPE"] == "BatchResponse"
    first, second, third, fourth = answer["responses"]
    assert first == {"TYPE": "Accepted"}
    assert (second["TYPE"], second["code"]) == ("Problem", "UnknownKey")
    assert third["message"].startswith("JSON ")
    assert fourth == {"TYPE": "BatchResponse", "responses": [{"TYPE": "Accepted"}]}
    assert types(node)[-1] == "ControllerTestEvent"


async def test_a_node_that_is_not_ready_refuses_a_batch_as_a_whole(world: World) -> None:
    # Else each command would be refused by itself, and the sender could not tell that from a refusal for good.
    node = world.make()
    with pytest.raises(ProblemError, match="ControllerIsNotReady"):
        await command(node, {"TYPE": "Batch", "commands": [{"TYPE": "NoOperation"}]})


@pytest.mark.parametrize("body", [b"{", b'{"TYPE":"Nonsense"}', b"[]", b'{"TYPE":"GoOrder"}', b"\xff"])
async def test_malformed_commands_are_refused(world: World, body: bytes) -> None:
    node = await world.start()
    with pytest.raises(ProblemError, match=r"^JSON "):
        await node.execute(body, "cockpit")


async def test_commands_before_and_after_the_run_are_refused(world: World) -> None:
    node = world.make()
    with pytest.raises(ProblemError) as caught:
        await command(node, {"TYPE": "NoOperation"})
    assert caught.value.problem.code == "ControllerIsNotReady"
    await node.start()
    await node.stop()
    with pytest.raises(ProblemError) as caught:
        await command(node, {"TYPE": "NoOperation"})
    assert caught.value.problem.code == "ControllerIsShuttingDown"


async def test_a_failed_sync_stops_the_node(world: World) -> None:
    node = await world.start()
    world.disk.errors[len(world.disk.operations) + 1] = OSError(errno.EIO, "broken")
    with pytest.raises(ProblemError) as caught:
        await command(node, {"TYPE": "EmitTestEvent"})
    assert caught.value.problem.http_status == 503
    termination = await node.terminated
    assert (termination.exit_code, termination.is_restart) == (EXIT_ERROR, False)


async def test_a_full_disk_fails_the_command_and_the_node_goes_on_in_a_new_run(world: World) -> None:
    node = await world.start()
    await command(node, {"TYPE": "EmitTestEvent"})
    world.disk.errors[len(world.disk.operations)] = DiskFullError(errno.ENOSPC, "full")
    with pytest.raises(ProblemError) as caught:
        await command(node, {"TYPE": "EmitTestEvent"})
    assert caught.value.problem.code == "DiskSpaceIsLow"
    termination = await node.terminated
    assert termination.is_restart
    assert termination.waits_for_room
    await node.stop()
    node = await world.start()
    assert types(node).count("ControllerTestEvent") == 1
    await command(node, {"TYPE": "EmitTestEvent"})


async def test_low_space_refuses_new_work_only(world: World) -> None:
    options = JournalOptions(low_space_bytes=1 << 50, reserve_bytes=0)
    node = await world.start(options)
    with pytest.raises(ProblemError) as caught:
        node.add_order(FreshOrder(id="O", workflow_path="W"))
    assert caught.value.problem.code == "DiskSpaceIsLow"
    assert caught.value.problem.http_status == 503
    with pytest.raises(ProblemError, match="DiskSpaceIsLow"):
        await node.update_items(b"")
    await command(node, {"TYPE": "EmitTestEvent"})


async def test_an_internal_error_stops_the_node_instead_of_going_on_half_way(world: World) -> None:
    node = await world.start()

    def decide(transaction: Any) -> None:
        raise RuntimeError("a bug")

    node.persister.persist_internally(decide)
    termination = await node.terminated
    assert termination.exit_code == EXIT_ERROR
    assert "a bug" in termination.reason


async def test_an_order_that_cannot_even_be_looked_at_breaks_once(world: World) -> None:
    node = await world.start()
    node.persist(lambda t: t.emit("O", e.OrderAdded(workflow_id=WORKFLOW_ID)))
    await node.durable()
    assert types(node)[-3:] == ["OrderAdded", "OrderOutcomeAdded", "OrderBroken"]
