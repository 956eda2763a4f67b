"""What each release has left behind is read, and goes on, with the present code (reliability P12, 3.7).

`tests/museum/record.py` adds a release.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from node_world import CONTROLLER, NodeWorld, shell, workflow
from tests.museum.conversation import RecordedAgent
from tests.museum.record import ENDED, WAITING

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.director.state import AgentState
from stellwerk.controller.node import ControllerNode
from stellwerk.controller.state import ControllerState
from stellwerk.effects.peer import Peer
from stellwerk.effects.system_disk import SystemDisk
from stellwerk.engine.order import Detaching
from stellwerk.journal import recover
from stellwerk.values.events import decode_envelope
from stellwerk.wire.signatures import SignatureVerifier

MUSEUM = Path(__file__).parent
RELEASES = sorted(path.name for path in MUSEUM.iterdir() if (path / "outcomes.json").exists())


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Path:
    return MUSEUM / str(request.param)


def outcomes_of(release: Path) -> dict[str, str]:
    outcomes: dict[str, str] = json.loads((release / "outcomes.json").read_text())
    return outcomes


class OldWorld(NodeWorld):
    """An installation whose data folder was left by another release; its workflows' signatures are trusted."""

    def __init__(self, folder: Path, release: Path, left: str) -> None:
        shutil.copytree(release / left, folder)
        super().__init__(folder)
        self.version = 100  # those before are taken
        old = x509.load_pem_x509_certificate((release / "certificate.pem").read_bytes())
        self.trusted = SignatureVerifier([old, self.key.certificate])


class WorldOfRecordedAgent(OldWorld):
    """Its Controller's Agent is the recorded one."""

    def __init__(self, folder: Path, release: Path, left: str) -> None:
        super().__init__(folder, release, left)
        self.agent = RecordedAgent(release / "conversation.jsonl")

    def peer(self, path: str) -> Peer:
        return self.agent


def test_there_is_something_in_the_museum() -> None:
    assert RELEASES


@pytest.mark.parametrize(("name", "node"), [(CONTROLLER, ControllerNode), ("A", AgentNode)])
def test_a_journal_gives_the_state_that_its_node_had(
    release: Path, name: str, node: type[ControllerNode] | type[AgentNode], tmp_path: Path
) -> None:
    shutil.copytree(release / "late" / name, tmp_path / name)
    disk = SystemDisk(tmp_path / name / "state")
    recovered = recover(disk, node.NAME, node.TYPE_NAME)
    state: Any = ControllerState() if node is ControllerNode else AgentState()
    for line in recovered.snapshot:
        state.take_over(node.SNAPSHOT_OBJECTS.decode(line))
    for line in recovered.events:
        state.apply(decode_envelope(line).key, node.EVENTS.decode(line))
    disk.close()
    recorded = (release / "late" / f"{name}.snapshot.jsonl").read_bytes().splitlines()
    assert _objects(node, state.snapshot_objects()) == _objects(node, recorded)


def _objects(node: Any, lines: Any) -> list[str]:
    """Equal for equal objects, whether or not a member that has its default value is written."""
    return sorted(repr(node.SNAPSHOT_OBJECTS.decode(line)) for line in lines)


async def test_an_installation_of_another_release_goes_on(release: Path, tmp_path: Path) -> None:
    async with OldWorld(tmp_path / "data", release, "late") as world:
        await world.until_event("A", "AgentReady")
        await world.command({"TYPE": "AnswerOrderPrompt", "orderId": "asked"})
        await world.deploy(workflow("new", {"TYPE": "PostNotices", "boardPaths": ["board"]}, shell("true")))
        await world.add_order("new", "new")
        await world.command({"TYPE": "CancelOrders", "orderIds": ["failed"]})
        await world.until_done("asked", "expecting", "new")
        await world.until_event("failed", "OrderCancelled")


async def test_the_controller_of_today_couples_with_the_agent_of_another_release(release: Path, tmp_path: Path) -> None:
    """It says the same as the Controller did then, understands all events, and comes to the same end."""
    world = WorldOfRecordedAgent(tmp_path / "data", release, "early")
    await world.start_controller()
    try:
        await world.until_done(*ENDED)
        for name, event in WAITING.items():
            await world.until_event(name, event)
        assert {name: world.of(name)[-1] for name in (*ENDED, *WAITING)} == outcomes_of(release)
    finally:
        await world.__aexit__()


async def test_the_agent_of_today_obeys_the_controller_of_another_release(release: Path, tmp_path: Path) -> None:
    """It gets the commands as they were, save for what the Agent itself has said at its dedication."""
    recorded = RecordedAgent(release / "conversation.jsonl")
    async with OldWorld(tmp_path / "data", release, "early") as world:
        await world.stop_controller()
        await world.stop_agent("A")
        shutil.rmtree(tmp_path / "data" / "A")
        agent = await world.start_agent("A")
        replaced: list[tuple[str, str]] = []
        for entry in recorded.entries:
            for command in _elements(entry.get("command")):
                if command["TYPE"] == "DetachOrder":
                    await _until_detachable(world, agent, command["orderId"])
                text = json.dumps(command)
                for old, new in replaced:
                    text = text.replace(old, new)
                answer = json.loads(await agent.execute(text.encode(), CONTROLLER))
                if command["TYPE"] == "DedicateAgentDirector":
                    members = ("agentRunId", "agentEventId")
                    replaced = [(str(entry["answer"][name]), str(answer[name])) for name in members]
                if "commands" not in entry["command"]:
                    assert answer["TYPE"] == entry["answer"]["TYPE"]
        assert not agent.state.orders, "all have been sent back"
        then = [event for line in recorded.lines if (event := json.loads(line))["TYPE"] == "OrderProcessed"]
        now = [event for event in world.events(agent) if event["TYPE"] == "OrderProcessed"]
        assert {event["Key"]: event["outcome"] for event in now} == {event["Key"]: event["outcome"] for event in then}


def _elements(command: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Each command by itself; a release names events of that time."""
    commands = [] if command is None else command.get("commands", [command])
    return [element for element in commands if element["TYPE"] != "ReleaseEvents"]


async def _until_detachable(world: NodeWorld, agent: AgentNode, order_id: str) -> None:
    def is_detachable() -> bool:
        order = agent.state.orders.get(order_id)
        return order is None or isinstance(order.attached_state, Detaching)

    await world.until(is_detachable, f"{order_id} is detachable", agent)
