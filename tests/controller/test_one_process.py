"""Controller and Agents in one process with real job processes: orders spec 5, 9; journal spec 1.5 to 1.9."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from node_world import NodeWorld, shell, workflow

from stellwerk.values.problems import ProblemError


async def test_one_job_on_one_agent_from_add_order_to_deletion(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("load", shell("echo hello")))
        await world.add_order("O", "load", deleteWhenTerminated=True)
        await world.until_event("O", "OrderDeleted")
        assert world.of("O") == [
            "OrderAdded",
            "OrderAttachable",
            "OrderAttached",
            "OrderStarted",
            "OrderProcessingStarted",
            "OrderStdoutWritten",
            "OrderProcessed",
            "OrderMoved",
            "OrderDetachable",
            "OrderDetached",
            "OrderFinished",
            "OrderDeleted",
        ]
        assert not world.running_controller.state.orders
        assert not world.agents["A"].state.orders


async def test_events_of_an_agent_keep_body_and_time(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("load", shell("echo hello; exit 3")))
        await world.add_order("O", "load")
        await world.until_event("O", "OrderFailed")
        agent = [event for event in world.events(world.agents["A"]) if event.get("Key") == "O"]
        own = ("OrderAdded", "OrderAttachable", "OrderFailed")
        taken_over = [event for event in world.events() if event.get("Key") == "O" and event["TYPE"] not in own]

        def essence(events: list[dict[str, object]]) -> list[object]:
            return [
                {name: value for name, value in event.items() if name not in ("eventId", "timestamp")}
                for event in events
            ]

        def time_of(event: dict[str, Any]) -> int:
            return int(event.get("timestamp", event["eventId"] // 1000))

        assert essence(agent)[1:] == essence(taken_over)[1:]
        for mine, theirs in zip(taken_over, agent, strict=True):
            assert time_of(mine) == time_of(theirs)


async def test_a_fork_over_two_agents_joins(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path, ("A", "B")) as world:
        await world.register()
        fork = {
            "TYPE": "Fork",
            "branches": [
                {"id": "x", "workflow": {"instructions": [shell("true", "A")], "result": {"r": "$returnCode"}}},
                {"id": "y", "workflow": {"instructions": [shell("true", "B")], "result": {"r2": "'ok'"}}},
            ],
        }
        await world.deploy(workflow("F", fork, shell("true", "B")))
        await world.add_order("F1", "F")
        await world.until_done("F1")
        joined = [event for event in world.events() if event["TYPE"] == "OrderJoined"]
        assert [event["outcome"] for event in joined] == [{"TYPE": "Succeeded", "namedValues": {"r": 0, "r2": "ok"}}]
        assert world.of("F1|x")[0] == "OrderAttachable"


async def test_cancelling_with_kill_ends_the_process(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("long", shell("echo READY; exec sleep 1000")))
        await world.add_order("K", "long")
        await world.until_event("K", "OrderStdoutWritten")
        mode = {"TYPE": "FreshOrStarted", "kill": {}}
        await world.command({"TYPE": "CancelOrders", "orderIds": ["K"], "mode": mode})
        await world.until_event("K", "OrderCancelled")
        assert world.of("K")[-7:] == [
            "OrderCancellationMarked",
            "OrderCancellationMarkedOnAgent",
            "OrderProcessed",
            "OrderProcessingKilled",
            "OrderDetachable",
            "OrderDetached",
            "OrderCancelled",
        ]


async def test_suspended_and_resumed_order_finishes(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        gate = tmp_path / "gate"
        await world.deploy(
            workflow("two", shell(f"echo READY; until test -e {gate}; do sleep 0.01; done"), shell("true"))
        )
        await world.add_order("S", "two")
        await world.until_event("S", "OrderStdoutWritten")
        await world.command({"TYPE": "SuspendOrders", "orderIds": ["S"]})
        await world.until_event("S", "OrderSuspensionMarkedOnAgent")
        gate.touch()
        await world.until_event("S", "OrderSuspended")
        await world.command({"TYPE": "ResumeOrder", "orderId": "S"})
        await world.until_done("S")


async def test_an_agent_works_on_without_its_controller(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        gate = tmp_path / "gate"
        await world.deploy(
            workflow("two", shell(f"echo READY; until test -e {gate}; do sleep 0.01; done"), shell("true"))
        )
        await world.add_order("O", "two")
        await world.until_event("O", "OrderStdoutWritten")
        await world.stop_controller(orderly=False)
        gate.touch()
        agent = world.agents["A"]
        await world.until(lambda: "OrderDetachable" in world.of("O", agent), "OrderDetachable at the Agent", agent)
        await world.start_controller()
        await world.until_done("O")
        assert world.of("O").count("OrderProcessingStarted") == 2
        assert world.of("O").count("OrderAttached") == 1


async def test_a_lost_process_is_repeated_after_the_agents_restart(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        witness = tmp_path / "witness"
        script = f"echo $STELLWERK_ATTEMPT >>{witness}; echo READY; test $(wc -l <{witness}) = 2 || exec sleep 1000"
        await world.deploy(workflow("long", shell(script)))
        await world.add_order("O", "long")
        await world.until_event("O", "OrderStdoutWritten")
        # The Agent deletes what the Controller has confirmed, so its first file may be gone at the end.
        first = _starts(world)
        await world.stop_agent("A", orderly=False)
        await world.start_agent("A")
        await world.until_done("O")
        processed = [event["outcome"] for event in world.events() if event["TYPE"] == "OrderProcessed"]
        assert processed[0]["reason"]["problem"]["code"] == "ProcessLostDueToRestart"
        assert processed[1]["TYPE"] == "Succeeded"
        assert len(first) == 1
        assert witness.read_text().split() == [*first, _starts(world)[-1]]


def _starts(world: NodeWorld) -> list[str]:
    events = world.events(world.agents["A"])
    return [str(event["eventId"]) for event in events if event["TYPE"] == "OrderProcessingStarted"]


async def test_a_restarted_controller_has_the_same_state(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register(processLimit=7)
        await world.deploy(workflow("W", shell("true")), workflow("gone", shell("true")))
        await world.deploy(workflow("W", shell("false"), {"TYPE": "Prompt", "question": "'ok?'"}))
        await world.items(
            {"TYPE": "AddVersion", "versionId": "x"}, {"TYPE": "RemoveVersioned", "path": "Workflow:gone"}
        )
        await world.command({"TYPE": "ControlWorkflowPath", "workflowPath": "W", "skip": {"label": True}})
        await world.add_order("failed", "W")
        await world.add_order("later", "W", scheduledFor=4_000_000_000_000)
        await world.until_event("failed", "OrderFailed")
        await world.until_event("later", "OrderAttached")
        await world.stop_agent("A")
        await world.until_event("A", "AgentCouplingFailed")
        before = world.snapshot(world.running_controller)
        await world.stop_controller(orderly=False)
        after = world.snapshot(await world.start_controller())  # events
        assert after == before
        await world.stop_controller()
        assert world.snapshot(await world.start_controller()) == before  # snapshot


async def test_an_answered_command_survives_a_crash(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", {"TYPE": "Prompt", "question": "'ok?'"}))
        orders = [{"id": f"O{number}", "workflowPath": "W", "planId": []} for number in range(2500)]
        answer = await world.command({"TYPE": "AddOrders", "orders": orders})
        assert answer["TYPE"] == "AddOrders.Response"
        await world.stop_controller(orderly=False)
        controller = await world.start_controller()
        assert len(controller.state.orders) == 2500
        await world.until(
            lambda: all(type(order.state).__name__ == "Prompting" for order in controller.state.orders.values()),
            "all orders prompting",
        )


async def test_reset_agent_fails_its_orders_and_empties_it(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("long", shell("echo READY; test -e stop || exec sleep 1000")))
        await world.add_order("O", "long")
        await world.until_event("O", "OrderStdoutWritten")
        agent = world.agents["A"]
        await world.command({"TYPE": "ResetAgent", "agentPath": "A"})
        await agent.terminated
        await world.stop_agent("A")
        await world.until_event("A", "AgentReset")
        assert world.of("O")[-4:] == ["OrderProcessed", "OrderDetached", "OrderOutcomeAdded", "OrderFailed"]
        await world.start_agent("A")
        await world.until_event("A", "AgentDedicated", 2)
        assert not world.agents["A"].state.orders
        await world.deploy(workflow("quick", shell("true")))
        await world.add_order("again", "quick")
        await world.until_done("again")


async def test_an_order_that_the_agent_refuses_fails_with_its_problem(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell("true"), timeZone="Nowhere/Atlantis"))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderFailed")
        [outcome] = [event["outcome"] for event in world.events() if event["TYPE"] == "OrderOutcomeAdded"]
        assert "Nowhere/Atlantis" in outcome["reason"]["problem"]["message"]


async def test_an_old_version_leaves_agent_and_controller_when_its_last_order_has_ended(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell("true"), {"TYPE": "Prompt", "question": "'ok?'"}))
        await world.add_order("O", "W", deleteWhenTerminated=True)
        await world.until_event("O", "OrderPrompted")
        await world.deploy(workflow("W", shell("true")))
        versions = {str(workflow_id) for workflow_id in world.running_controller.state.workflows}
        assert versions == {"W~v1", "W~v2"}
        await world.command({"TYPE": "AnswerOrderPrompt", "orderId": "O"})
        state = world.running_controller.state
        await world.until(lambda: len(state.workflows) == 1, "the old version is deleted")
        assert not world.agents["A"].state.workflows
        types = [event["TYPE"] for event in world.events() if event.get("key") == "Workflow:W~v1"]
        assert types == ["ItemAttached", "ItemDetachable", "ItemDetached", "ItemDeleted"]


async def test_what_is_released_is_deleted_after_a_snapshot(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell("true")))
        await world.add_order("O", "W")
        await world.until_done("O")
        controller, agent = world.running_controller, world.agents["A"]
        with pytest.raises(ProblemError, match="UserIsNotEnabledToReleaseEvents"):
            await world.command({"TYPE": "ReleaseEvents", "untilEventId": 1}, "somebody")
        until = controller.journal.committed_event_id
        await world.command({"TYPE": "TakeSnapshot"})
        assert len(controller.journal.files()) > 1
        await world.command({"TYPE": "ReleaseEvents", "untilEventId": until})
        assert len(controller.journal.files()) == 1
        with pytest.raises(ProblemError, match="ReverseReleaseEvents"):
            await world.command({"TYPE": "ReleaseEvents", "untilEventId": until - 1})
        await world.until(
            lambda: agent.state.released["controller"] >= controller.state.agents["A"].event_id - 1,
            "the Agent's events are released",
            agent,
        )


async def test_orders_wait_for_their_time_at_the_agent_and_at_the_controller(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", {"TYPE": "Sleep", "duration": "0.05"}, shell("true")))
        due = world.clock.now_ms() + 100
        await world.add_order("O", "W", scheduledFor=due)
        await world.until_done("O")
        events = [event for event in world.events() if event.get("Key") == "O"]
        types = [event["TYPE"] for event in events]
        assert events[types.index("OrderStarted")]["eventId"] // 1000 >= due
        slept = types.index("OrderSleeping")
        moved = events[types.index("OrderMoved", slept)]
        assert moved["eventId"] // 1000 >= events[slept]["until"]
