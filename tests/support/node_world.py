"""A Controller and Agents in one process: real nodes, real journals on a real disk, real job processes, no network.

async with NodeWorld(tmp_path) as world:
    await world.deploy(workflow)
    await world.add_order("A", "W")
    await world.until("A", "OrderFinished")
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from remote_subagents import ENVIRONMENT, BreakablePeer, RemoteSubagent, make_subagent

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.director.subagent_driver import DriverTiming
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.controller.node import ControllerNode
from stellwerk.effects.clock import SystemClock, SystemRandom
from stellwerk.effects.peer import Peer
from stellwerk.effects.system_directories import SystemDirectories
from stellwerk.effects.system_disk import SystemDisk
from stellwerk.journal import JournalOptions, delete_at_next_start
from stellwerk.node.direct_peer import DirectPeer
from stellwerk.node.node import Node, NodeEffects, Termination
from stellwerk.values.json import decode, encode
from stellwerk.wire.signatures import SignatureVerifier, SigningKey, sign

#: A test that waits for something that never comes fails after this time, with the history.
TIMEOUT_SECONDS = 20.0
CONTROLLER = "controller"
COCKPIT = "cockpit"
#: Short, so that tests of losses need not wait long.
TIMING = DriverTiming(
    heartbeat_timeout_seconds=3.0,
    reset_timeout_seconds=1.0,
    command_retry_seconds=0.05,
    reconnect_delays_seconds=(0.05,),
)
OPTIONS = JournalOptions(low_space_bytes=1 << 20, reserve_bytes=1 << 16)


class NodeWorld:
    """Nodes can be stopped, crashed and started again on their data."""

    def __init__(self, folder: Path, agents: Iterable[str] = ("A",), options: JournalOptions = OPTIONS) -> None:
        self.folder = folder
        self.agent_paths = tuple(agents)
        self.options = options
        self.clock = SystemClock()
        self.key = SigningKey.generate("test", datetime(2026, 1, 1, tzinfo=UTC))
        self.trusted = SignatureVerifier([self.key.certificate])
        self.controller: ControllerNode | None = None
        self.agents: dict[str, AgentNode] = {}
        #: The Subagents of the Agents' own processes.
        self.local_subagents: dict[str, Subagent] = {}
        #: URI → machine with a remote Subagent.
        self.machines: dict[str, RemoteSubagent] = {}
        self.version = 0
        self._disks: list[SystemDisk] = []

    async def __aenter__(self) -> Self:
        for path in self.agent_paths:
            await self.start_agent(path)
        await self.start_controller()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop_controller()
        for path in list(self.agents):
            await self.stop_agent(path)
        for machine in self.machines.values():
            await machine.kill()
        for disk in self._disks:
            disk.close()

    # --- life ---

    def _effects(self, name: str) -> NodeEffects:
        directory = self.folder / name / "state"
        directory.mkdir(parents=True, exist_ok=True)
        disk = SystemDisk(directory)
        self._disks.append(disk)
        return NodeEffects(disk, self.clock, SystemRandom(), ENVIRONMENT)

    async def start_controller(self, receivers: tuple[str, ...] = (COCKPIT,)) -> ControllerNode:
        self.controller = ControllerNode(
            CONTROLLER,
            self._effects("controller"),
            lambda path, uris: self.peer(path),
            lambda: self.trusted,
            self.options,
            receivers,
        )
        await self.controller.start()
        return self.controller

    def peer(self, path: str) -> Peer:
        """The Controller's way to an Agent."""
        return DirectPeer(lambda: self.agents.get(path), CONTROLLER)

    async def stop_controller(self, *, orderly: bool = True) -> None:
        """Not orderly: no last events, no snapshot, as after `kill -9`."""
        node, self.controller = self.controller, None
        if node is not None:
            if not orderly:
                node.terminate(Termination(is_immediate=True))
            await node.stop()

    async def start_agent(self, path: str, **options: Any) -> AgentNode:
        """A new process, unless the former one's Subagent is still there. `options` are the node's."""
        if path not in self.local_subagents:
            self.local_subagents[path] = make_subagent(self.folder / path, self.trusted)
        node = AgentNode(
            self._effects(path),
            self.local_subagents[path],
            lambda: self.trusted,
            self.options,
            directories=SystemDirectories(),
            remote_peers=lambda own_id, item: BreakablePeer(self, item.uri),
            **{"driver_timing": TIMING, **options},
        )
        await node.start()
        self.agents[path] = node
        return node

    async def stop_agent(self, path: str, *, orderly: bool = True, only_director: bool = False) -> None:
        """Not orderly: as after `kill -9`. `only_director`: its process, and so the local Subagent, goes on."""
        node = self.agents.pop(path, None)
        if node is not None:
            if not orderly:
                node.terminate(Termination(is_immediate=True))
            await node.stop()
            if not only_director:
                subagent = self.local_subagents.pop(path)
                await subagent.close()
                await subagent.runner.processes.close()
            if node.terminated.result().deletes_journal:
                await delete_at_next_start(node.effects.disk, "agent")

    async def add_machine(self, uri: str, **options: Any) -> RemoteSubagent:
        """A machine with a Subagent that is running."""
        machine = self.machines[uri] = RemoteSubagent(self, uri, **options)
        await machine.start()
        return machine

    async def add_subagent(self, subagent_id: str, agent: str = "A", **members: Any) -> RemoteSubagent:
        """A machine with a Subagent, made known to the Controller, and coupled."""
        uri = f"http://{subagent_id}"
        machine = await self.add_machine(uri, **members.pop("options", {}))
        await self.put_subagent(subagent_id, agent, uri, **members)
        await self.until_event(subagent_id, "SubagentCoupled")
        return machine

    async def put_subagent(self, subagent_id: str, agent: str, uri: str, **members: Any) -> None:
        item = {"TYPE": "SubagentItem", "id": subagent_id, "agentPath": agent, "uri": uri, **members}
        await self.items({"TYPE": "AddOrChangeSimple", "item": item})

    @property
    def running_controller(self) -> ControllerNode:
        assert self.controller is not None
        return self.controller

    # --- commands ---

    async def command(self, command: dict[str, Any], user_id: str = COCKPIT) -> Any:
        """One command to the Controller; raises `ProblemError`."""
        return decode(await self.running_controller.execute(encode(command), user_id))

    async def items(self, *operations: dict[str, Any]) -> None:
        await self.running_controller.update_items(b"\n".join(encode(operation) for operation in operations))

    def agent_items(self, path: str, **members: Any) -> list[dict[str, Any]]:
        """Operations that make an Agent known."""
        subagent = f"{path}-1"
        items: list[dict[str, Any]] = [
            {"TYPE": "AgentRef", "path": path, "directors": [subagent], **members},
            {"TYPE": "SubagentItem", "id": subagent, "agentPath": path, "uri": f"http://{path}"},
        ]
        return [{"TYPE": "AddOrChangeSimple", "item": item} for item in items]

    def signed(self, item: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(item)
        return {
            "TYPE": "AddOrChangeSigned",
            "signedString": {"string": text, "signature": decode(encode(sign(text, self.key)))},
        }

    async def register(self, **members: Any) -> None:
        """Make all Agents known and wait until they are coupled."""
        await self.items(*(item for path in self.agent_paths for item in self.agent_items(path, **members)))
        for path in self.agent_paths:
            await self.until_event(path, "AgentCoupled")

    async def deploy(self, *workflows: dict[str, Any]) -> None:
        self.version += 1
        version = f"v{self.version}"
        await self.items(
            {"TYPE": "AddVersion", "versionId": version},
            *(self.signed({"TYPE": "Workflow", "versionId": version, **workflow}) for workflow in workflows),
        )

    async def add_order(self, order_id: str, workflow: str, **members: Any) -> None:
        order = {"id": order_id, "workflowPath": workflow, "planId": [], **members}
        await self.command({"TYPE": "AddOrder", "order": order})

    # --- looking ---

    def events(self, node: Node[Any, Any] | None = None) -> list[dict[str, Any]]:
        """All kept committed events of a node."""
        journal = (node or self.running_controller).journal
        after, lines = journal.torn_event_id, []
        while more := journal.read_after(after):
            lines += more
            after = decode(more[-1])["eventId"]
        return [decode(line) for line in lines]

    def of(self, key: str, node: Node[Any, Any] | None = None) -> list[str]:
        """The types of the events of one key."""
        return [event["TYPE"] for event in self.events(node) if event.get("Key") == key]

    async def until_event(self, key: str, type_: str, count: int = 1) -> None:
        """Wait until the Controller has that many such events."""
        await self.until(lambda: self.of(key).count(type_) >= count, f"{count} x {type_} of {key}")

    async def until_event_of_item(self, key: str, type_: str, count: int = 1) -> None:
        """The same for an event about an item: `key` is the event's Key, or what the event names as its key."""

        def has_come() -> bool:
            events = [event for event in self.events() if event["TYPE"] == type_]
            return sum(key in (event.get("Key"), event.get("key")) for event in events) >= count

        await self.until(has_come, f"{count} x {type_} of {key}")

    async def until_done(self, *order_ids: str) -> None:
        for order_id in order_ids:
            await self.until_event(order_id, "OrderFinished")

    async def until(self, condition: Any, what: str, node: Node[Any, Any] | None = None) -> None:
        """Wait for events until the condition holds."""
        node = node or self.running_controller
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not condition():
                    await node.journal.wait_after(node.journal.committed_event_id, TIMEOUT_SECONDS)
        except TimeoutError:
            raise AssertionError(f"never came: {what}\n{self.history(node)}") from None

    def snapshot(self, node: Node[Any, Any]) -> list[Any]:
        """The state in a form that can be compared: sorted, because the order of a dictionary is no state."""
        return sorted((decode(line) for line in node.state.snapshot_objects()), key=encode)

    def history(self, node: Node[Any, Any] | None = None) -> str:
        return "\n".join(str(event) for event in self.events(node))


def shell(script: str, agent: str = "A", **members: Any) -> dict[str, Any]:
    """An Execute instruction."""
    executable = {"TYPE": "ShellScriptExecutable", "script": script}
    job = {"agentPath": agent, "executable": executable, "processLimit": 100, **members}
    return {"TYPE": "Execute.Anonymous", "job": job}


def workflow(path: str, *instructions: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"path": path, "instructions": list(instructions), **members}
