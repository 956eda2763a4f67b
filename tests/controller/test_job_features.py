"""Job features that need Controller and Agent together (workflow spec 4.1, 4.6, 8.3, 8.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import structs
from node_world import NodeWorld, shell, workflow
from remote_subagents import IDLE


def period(begin: datetime, seconds: float) -> dict[str, Any]:
    """Admission on one date, from `begin` on."""
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = (begin - midnight).total_seconds()
    day = {"TYPE": "SpecificDatePeriod", "secondsSinceLocalEpoch": int(midnight.timestamp() + offset)}
    return {"periods": [{**day, "duration": seconds}]}


def named(script: str, **members: Any) -> dict[str, Any]:
    executable = {"TYPE": "ShellScriptExecutable", "script": script, **members.pop("executable", {})}
    return {"j": {"agentPath": "A", "processLimit": 9, "executable": executable, **members}}


RUN = {"TYPE": "Execute.Named", "jobName": "j"}


async def test_a_process_ends_with_its_admission_period(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        begin = datetime.now(UTC) - timedelta(minutes=1)
        jobs = named(
            "sleep 100",
            admissionTimeScheme=period(begin.replace(microsecond=0), 62),
            killAtEndOfAdmissionPeriod=True,
        )
        await world.deploy(workflow("W", RUN, jobs=jobs))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderFailed")
        [started] = [event for event in world.events() if event["TYPE"] == "OrderProcessingStarted"]
        assert started["endOfAdmissionPeriod"] == int(begin.timestamp()) * 1000 + 62_000
        [processed] = [event for event in world.events() if event["TYPE"] == "OrderProcessed"]
        assert processed["outcome"]["TYPE"] in ("TimedOut", "Killed")


async def test_a_job_waits_for_its_admission_and_force_admission_does_not(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        begin = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
        await world.deploy(workflow("W", RUN, jobs=named("true", admissionTimeScheme=period(begin, 3600))))
        await world.add_order("waiting", "W")
        await world.add_order("forced", "W", forceAdmission=True)
        await world.until_done("forced")
        assert world.of("waiting") == ["OrderAdded", "OrderAttachable", "OrderAttached"]
        await world.command({"TYPE": "CancelOrders", "orderIds": ["waiting"]})
        await world.until_event("waiting", "OrderCancelled")


async def test_a_job_resource_changes_while_orders_wait(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        resource = {"TYPE": "JobResource", "path": "R", "variables": {"v": "1"}, "env": {"COLOUR": "'red'", "V": "$v"}}
        weaker = {"TYPE": "JobResource", "path": "S", "env": {"COLOUR": "'green'", "OTHER": "'other'"}}
        await world.items(world.signed(resource), world.signed(weaker))
        script = 'echo "$COLOUR $V $OTHER $OWN"'
        jobs = named(script, jobResourcePaths=["R", "S"], executable={"env": {"OWN": "JobResource:R:v"}})
        prompt = {"TYPE": "Prompt", "question": "'?'"}
        await world.deploy(workflow("W", RUN, prompt, RUN, jobs=jobs))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderPrompted")
        await world.items(world.signed({**resource, "env": {"COLOUR": "'blue'", "V": "$v"}, "variables": {"v": "2"}}))
        await world.command({"TYPE": "AnswerOrderPrompt", "orderId": "O"})
        await world.until_done("O")
        output = [event["chunk"] for event in world.events() if event["TYPE"] == "OrderStdoutWritten"]
        assert output == ["red 1 other 1\n", "blue 2 other 2\n"]


async def test_bundles_with_constant_and_computed_id(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        bundle = {"TYPE": "SubagentBundle", "id": "BUNDLE", "subagentToPriority": {"A-1": 1}}
        await world.items({"TYPE": "AddOrChangeSimple", "item": bundle})
        await world.deploy(
            workflow("constant", shell("true", subagentBundleIdExpr="'BUNDLE'")),
            workflow("computed", shell("true", subagentBundleIdExpr="$which ++ 'LE'")),
            workflow("subagent", shell("true", subagentBundleIdExpr="$which")),
        )
        await world.add_order("C", "constant")
        await world.add_order("D", "computed", arguments={"which": "BUND"})
        await world.add_order("S", "subagent", arguments={"which": "A-1"})
        await world.until_done("C", "D", "S")
        started = {event["Key"]: event for event in world.events() if event["TYPE"] == "OrderProcessingStarted"}
        assert [started[name].get("subagentBundleId") for name in "CDS"] == ["BUNDLE", "BUNDLE", None]
        assert {event["subagentId"] for event in started.values()} == {"A-1"}
        await world.add_order("U", "subagent", arguments={"which": "NOWHERE"})
        await world.until_event("U", "OrderFailed")


async def test_a_priority_by_metrics_follows_what_the_machine_measures(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        busy = structs.replace(IDLE, cpu_load=0.95)
        world.local_subagents["A"].measure = lambda: busy
        await world.register()
        priority = "if $js7CpuLoad < 0.8 then 1 else missing"
        bundle = {"TYPE": "SubagentBundle", "id": "BUNDLE", "subagentToPriority": {"A-1": priority}}
        await world.items({"TYPE": "AddOrChangeSimple", "item": bundle})
        await world.deploy(workflow("W", shell("true", subagentBundleIdExpr="'BUNDLE'")))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderStarted")
        assert "OrderProcessingStarted" not in world.of("O")
        world.local_subagents["A"].measure = lambda: IDLE
        await world.until_done("O")


async def test_a_disabled_subagent_takes_no_processes(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell("true")))
        await world.until_event_of_item("Subagent:A-1", "ItemAttached")
        subagent = {"TYPE": "SubagentItem", "id": "A-1", "agentPath": "A", "uri": "http://A"}
        await world.items({"TYPE": "AddOrChangeSimple", "item": {**subagent, "disabled": True}})
        await world.until_event_of_item("Subagent:A-1", "ItemAttached", 2)
        await world.add_order("O", "W")
        await world.until_event("O", "OrderAttached")
        await world.items({"TYPE": "AddOrChangeSimple", "item": subagent})
        await world.until_done("O")
        about = [event for event in world.events() if event.get("key") == "Subagent:A-1" or event.get("Key") == "O"]
        kinds = [event["TYPE"] for event in about]
        assert kinds[: kinds.index("OrderProcessingStarted")].count("ItemAttached") == 3


async def test_the_processes_of_an_agent_and_of_a_job_are_limited(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register(processLimit=2)
        gate = tmp_path / "gate"
        await world.deploy(workflow("W", RUN, jobs=named(f"while [ ! -e {gate} ]; do sleep 0.02; done")))
        names = [f"O{number}" for number in range(6)]
        for name in names:
            await world.add_order(name, "W")
        for name in names:
            await world.until_event(name, "OrderAttached")
        running, most = 0, 0
        gate.touch()
        await world.until_done(*names)
        for event in world.events():
            running += (event["TYPE"] == "OrderProcessingStarted") - (event["TYPE"] == "OrderProcessed")
            most = max(most, running)
        assert most == 2
