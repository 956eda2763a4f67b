"""Records this release for the museum:  .venv/bin/python -m tests.museum.record

Run it once for each release, before its version number is raised, and commit what it has made:

    tests/museum/<version>/certificate.pem          who has signed its workflows
    tests/museum/<version>/early/controller/state   the Controller's journal before it has met its Agent
    tests/museum/<version>/late/{controller,A}/state   both journals, cut off by a kill, with snapshot and events
    tests/museum/<version>/late/{controller,A}.snapshot.jsonl   the state that each of them held, sorted
    tests/museum/<version>/conversation.jsonl       see `conversation`
    tests/museum/<version>/outcomes.json            order id → type of its last event

What it plays is `play`; more may be added to it, what has been recorded stays.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

MUSEUM = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(MUSEUM.parent / "support"))

from node_world import CONTROLLER, NodeWorld, shell, workflow  # noqa: E402
from tests.museum.conversation import RecordingPeer  # noqa: E402

from stellwerk import __version__  # noqa: E402
from stellwerk.effects.peer import Peer  # noqa: E402
from stellwerk.node.node import Node  # noqa: E402

#: Orders that wait for somebody, and how the last event of each looks.
WAITING = {"asked": "OrderPrompted", "expecting": "OrderNoticesExpected", "failed": "OrderFailed"}
ENDED = ("forked", "locked", "caught")


class RecordedWorld(NodeWorld):
    """The Controller's conversations with the Agent are noted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.conversation: list[dict[str, Any]] = []

    def peer(self, path: str) -> Peer:
        return RecordingPeer(super().peer(path), self.conversation)


def _workflows() -> list[dict[str, Any]]:
    branches = [
        {"id": name, "workflow": {"instructions": [shell(f"echo {name}; echo result={name} >>$JS7_RETURN_VALUES")]}}
        for name in ("left", "right")
    ]
    return [
        workflow("forked", {"TYPE": "Fork", "branches": branches}, shell("echo joined >&2")),
        workflow(
            "locked",
            {
                "TYPE": "Lock",
                "demands": [{"lockPath": "lock"}],
                "lockedWorkflow": {"instructions": [shell("echo locked")]},
            },
        ),
        workflow(
            "caught",
            {
                "TYPE": "Try",
                "try": {"instructions": [shell("exit 3")]},
                "catch": {"instructions": [shell("echo caught")]},
            },
        ),
        workflow("failed", shell("echo no; exit 1")),
        workflow("asked", shell("true"), {"TYPE": "Prompt", "question": "'well?'"}, shell("echo yes")),
        workflow("expecting", shell("true"), {"TYPE": "ExpectNotices", "boardPaths": "'board'"}, shell("true")),
    ]


def _items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [
        {"TYPE": "Lock", "path": "lock", "limit": 1},
        {
            "TYPE": "GlobalBoard",
            "path": "board",
            "postOrderToNoticeKey": "'1'",
            "expectOrderToNoticeKey": "'1'",
        },
    ]
    return [{"TYPE": "AddOrChangeSimple", "item": item} for item in items]


async def play(world: NodeWorld, folder: Path) -> None:
    """All that is recorded. The Agent starts when the Controller's `early` journal has been kept."""
    await world.start_controller()
    await world.items(*world.agent_items("A"), *_items())
    await world.deploy(*_workflows())
    for name in (*ENDED, *WAITING):
        await world.add_order(name, name)
    await world.running_controller.durable()
    _keep_journal(world.folder / CONTROLLER, folder / "early" / CONTROLLER)
    await world.start_agent("A")
    await world.until_done(*ENDED)
    await world.command({"TYPE": "TakeSnapshot"})
    await world.agents["A"].take_snapshot()
    for name, event in WAITING.items():
        await world.until_event(name, event)


def _keep_journal(component: Path, to: Path) -> None:
    """Without the room behind its end that is allocated beforehand."""
    (to / "state").mkdir(parents=True)
    for file in (component / "state").glob("*.journal"):
        (to / "state" / file.name).write_bytes(file.read_bytes().rstrip(b"\0"))


def _keep_state(node: Node[Any, Any], file: Path) -> None:
    file.write_bytes(b"\n".join(sorted(node.state.snapshot_objects())) + b"\n")


async def record(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        world = RecordedWorld(Path(temporary))
        try:
            await play(world, folder)
            controller, agent = world.running_controller, world.agents["A"]
            for node in (controller, agent):
                await node.durable()
            late = folder / "late"
            for name, node in (("controller", controller), ("A", agent)):
                _keep_journal(world.folder / name, late / name)
                _keep_state(node, late / f"{name}.snapshot.jsonl")
            outcomes = {name: world.of(name)[-1] for name in (*ENDED, *WAITING)}
            (folder / "outcomes.json").write_text(json.dumps(outcomes, indent=2) + "\n")
            lines = [json.dumps(entry) for entry in world.conversation]
            (folder / "conversation.jsonl").write_text("\n".join(lines) + "\n")
            (folder / "certificate.pem").write_bytes(world.key.certificate_pem())
        finally:
            await world.__aexit__()


def main() -> None:
    folder = MUSEUM / __version__
    if folder.exists():
        sys.exit(f"{folder} exists: what has been recorded stays. Raise the version first")
    try:
        asyncio.run(record(folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
