"""What the Controller makes of an Agent's event lines (journal spec 1.7), against an Agent that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from node_world import NodeWorld, shell, workflow

from stellwerk.controller.node import ControllerNode
from stellwerk.values.json import decode, encode

RUN_ID = "ABEiM0RVZneImaq7zN3u_w"


class PlayedAgent:
    """A `Peer` that accepts every command and says what the test lets it say."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.asked_after: list[int] = []
        self.lines: asyncio.Queue[list[bytes]] = asyncio.Queue()
        self.answers: dict[str, dict[str, Any]] = {}
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the Controller has said enough."""
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def login(self) -> None:
        pass

    async def command(self, body: bytes) -> bytes:
        return encode(self._answer(decode(body)))

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        kind = command["TYPE"]
        if kind == "Batch":
            return {"TYPE": "Batch.Response", "responses": [self._answer(item) for item in command["commands"]]}
        self.commands.append(command)
        self._changed.set()
        if kind == "DedicateAgentDirector":
            return {"TYPE": "DedicateAgentDirector.Response", "agentRunId": RUN_ID, "agentEventId": 1}
        if kind == "CoupleController":
            return {"TYPE": "CoupleController.Response", "orderIds": []}
        return self.answers.get(kind, {"TYPE": "Accepted"})

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        self.asked_after.append(after)
        self._changed.set()
        yield []
        while True:
            yield await self.lines.get()

    async def close(self) -> None:
        pass

    def say(self, *lines: bytes) -> None:
        self.lines.put_nowait(list(lines))


class PlayedWorld(NodeWorld):
    """One order on its way to a played Agent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ())
        self.agent = PlayedAgent()

    async def start_controller(self, receivers: tuple[str, ...] = ("cockpit",)) -> ControllerNode:
        self.controller = ControllerNode(
            "controller",
            self._effects("controller"),
            lambda path, uri: self.agent,
            lambda: self.trusted,
            self.options,
            receivers,
        )
        await self.controller.start()
        return self.controller

    async def attach(self) -> None:
        await self.items(*self.agent_items("A"))
        await self.deploy(workflow("W", shell("true")))
        await self.add_order("O", "W")
        self.agent.say(
            b'{"eventId":1000,"Key":"O","TYPE":"OrderAttachedToAgent","workflowPosition":{"workflowId":'
            b'{"path":"W","versionId":"v1"},"position":[0]},"state":{"TYPE":"Fresh"},"agentPath":"A"}'
        )
        await self.until_event("O", "OrderAttached")

    def lines_of(self, key: str) -> list[bytes]:
        journal = self.running_controller.journal
        lines = journal.read_after(journal.torn_event_id)
        return [line for line in lines if decode(line).get("Key") == key]


async def test_lines_written_in_another_order_are_understood(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        await world.attach()
        world.agent.say(b'{"TYPE":"OrderStarted","Key":"O","timestamp":7,"eventId":2000}')
        world.agent.say(
            b'{"eventId":3000,"timestamp":8,"Key":"O","TYPE":"OrderProcessingStarted","stick":false,"subagentId":"A-1"}'
        )
        await world.until_event("O", "OrderProcessingStarted")
        started, processing = world.lines_of("O")[-2:]
        assert started.endswith(b',"timestamp":7,"Key":"O","TYPE":"OrderStarted"}')
        # The very bytes of the body go on, with a default that we would not have written.
        assert processing.endswith(b'"TYPE":"OrderProcessingStarted","stick":false,"subagentId":"A-1"}')


async def test_repeated_and_unknown_events_are_dropped(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        await world.attach()
        started = b'{"eventId":2000,"Key":"O","TYPE":"OrderStarted"}'
        world.agent.say(started, b'{"eventId":2001,"Key":"O","TYPE":"OrderDreamt","of":"sheep"}')
        world.agent.say(started, b'{"eventId":3000,"Key":"O","TYPE":"OrderStdoutWritten","chunk":"x"}')
        await world.until_event("O", "OrderStdoutWritten")
        assert world.of("O")[-3:] == ["OrderAttached", "OrderStarted", "OrderStdoutWritten"]
        assert world.running_controller.state.agents["A"].event_id == 3000


async def test_events_are_released_only_when_they_are_durable_here(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        await world.attach()
        world.agent.say(b'{"eventId":2000,"Key":"O","TYPE":"OrderStarted"}')
        await world.until_event("O", "OrderStarted")

        def released() -> list[int]:
            return [command["untilEventId"] for command in world.agent.commands if command["TYPE"] == "ReleaseEvents"]

        await world.agent.until(lambda: released()[-1:] == [2000])
        journaled = [event["untilEventId"] for event in world.events() if event["TYPE"] == "AgentEventsObserved"]
        assert set(released()) <= set(journaled)


async def test_an_event_that_does_not_fit_decouples_and_is_not_skipped(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        await world.attach()
        wrong = b'{"eventId":2000,"Key":"O","TYPE":"OrderAwoke"}'
        world.agent.say(wrong, b'{"eventId":3000,"Key":"O","TYPE":"OrderStarted"}')
        await world.until_event("A", "AgentCouplingFailed")
        state = world.running_controller.state
        problem = state.agents["A"].problem
        assert problem is not None
        assert "OrderAwoke is not applicable" in problem.message
        assert state.agents["A"].event_id == 1000
        assert "OrderStarted" not in world.of("O")
        # Asked again after the same position, nothing else is written as long as it does not fit.
        world.agent.say(wrong)
        await world.agent.until(lambda: len(world.agent.asked_after) == 3)
        assert world.of("A").count("AgentCouplingFailed") == 1
        world.agent.say(b'{"eventId":2000,"Key":"O","TYPE":"OrderStarted"}')
        await world.until_event("O", "OrderStarted")
        await world.until_event("A", "AgentCoupled", 2)
        assert world.agent.asked_after[:3] == [1, 1000, 1000]


async def test_a_refused_attach_fails_the_order(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        world.agent.answers["AttachOrder"] = {"TYPE": "Problem", "message": "not here"}
        await world.items(*world.agent_items("A"))
        await world.deploy(workflow("W", shell("true")))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderFailed")
        assert world.of("O")[1:] == ["OrderAttachable", "OrderDetached", "OrderOutcomeAdded", "OrderFailed"]


async def test_needed_items_are_sent_before_the_order_and_once(tmp_path: Path) -> None:
    async with PlayedWorld(tmp_path) as world:
        await world.items(*world.agent_items("A"), world.signed({"TYPE": "JobResource", "path": "R"}))
        await world.deploy(workflow("W", shell("true"), jobResourcePaths=["R"]))
        orders = [{"id": f"O{number}", "workflowPath": "W", "planId": []} for number in range(250)]
        await world.command({"TYPE": "AddOrders", "orders": orders})
        sent = world.agent.commands
        await world.agent.until(lambda: sum(command["TYPE"] == "AttachOrder" for command in sent) == 250)
        kinds = [command["TYPE"] for command in sent if command["TYPE"].startswith("Attach")]
        assert kinds == ["AttachItem"] * 2 + ["AttachSignedItem"] * 2 + ["AttachOrder"] * 250
