"""Several Subagents of one Agent: selection, losses, fencing (cluster spec 3, F42 to F48); real nodes, real jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from node_world import TIMING, NodeWorld, shell, workflow
from remote_subagents import IDLE, RemoteSubagent

from stellwerk.agent.director.subagent_peers import LocalSubagentPeer
from stellwerk.agent.subagent.commands import CoupleDirector, HeartbeatTiming, StartOrderProcess
from stellwerk.values.problems import ProblemError


class Jobs:
    """A job that notes its start, and lasts until it is let go; what it has noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    @property
    def script(self) -> str:
        return (
            f'echo "$ORDER $$" >>{self.folder}/started; echo begin\n'
            f'while [ ! -e {self.folder}/go ]; do sleep 0.02; done\necho end; echo "$ORDER" >>{self.folder}/ended'
        )

    def instruction(self, subagent: str | None = None, **members: Any) -> dict[str, Any]:
        if subagent is not None:
            members["subagentBundleIdExpr"] = f"'{subagent}'"
        instruction = shell(self.script, **members)
        instruction["job"]["executable"]["env"] = {"ORDER": "$js7OrderId"}
        return instruction

    def go(self) -> None:
        (self.folder / "go").touch()

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    @property
    def started(self) -> list[str]:
        return [line.split()[0] for line in self._lines("started")]

    @property
    def ended(self) -> list[str]:
        return self._lines("ended")

    def are_running(self) -> bool:
        return any(Path(f"/proc/{line.split()[1]}").exists() for line in self._lines("started"))

    async def until_started(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.started) < count:  # noqa: ASYNC110 - the job tells it in a file
                await asyncio.sleep(0.01)


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


def processed(world: NodeWorld, order_id: str) -> list[dict[str, Any]]:
    """The outcomes of the order's processes."""
    return [e["outcome"] for e in world.events() if e.get("Key") == order_id and e["TYPE"] == "OrderProcessed"]


def lost_code(outcome: dict[str, Any]) -> tuple[str, str]:
    reason = outcome["reason"]
    return reason["TYPE"], reason["problem"]["code"]


def places(world: NodeWorld, *order_ids: str) -> list[str]:
    """Where the orders' processes have been started, in order."""
    return [
        event["subagentId"]
        for event in world.events()
        if event["TYPE"] == "OrderProcessingStarted" and (not order_ids or event["Key"] in order_ids)
    ]


def output(world: NodeWorld, order_id: str) -> str:
    return "".join(e["chunk"] for e in world.events() if e.get("Key") == order_id and e["TYPE"] == "OrderStdoutWritten")


async def running_at(world: NodeWorld, jobs: Jobs, subagent: str = "S", **members: Any) -> RemoteSubagent:
    """Order O runs at a remote Subagent; if it is lost, it may be repeated only there."""
    await world.register()
    machine = await world.add_subagent(subagent)
    await world.deploy(workflow("W", jobs.instruction(subagent, **members)))
    await world.add_order("O", "W")
    await jobs.until_started(1)
    await world.until_event("O", "OrderStdoutWritten")
    return machine


# --- selection ---


async def bundle(world: NodeWorld, **priorities: Any) -> None:
    item = {"TYPE": "SubagentBundle", "id": "BUNDLE", "subagentToPriority": priorities}
    await world.items({"TYPE": "AddOrChangeSimple", "item": item})


async def test_equal_priorities_take_turns_and_the_job_runs_there(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        for name in ("S", "T"):
            await world.add_subagent(name)
        await bundle(world, S=1, T=1)
        await world.deploy(workflow("W", shell("echo hello; pwd", subagentBundleIdExpr="'BUNDLE'")))
        for number in range(4):
            await world.add_order(f"O{number}", "W")
            await world.until_done(f"O{number}")
        assert places(world) == ["S", "T", "S", "T"]
        assert output(world, "O0").startswith("hello\n")


async def test_without_bundle_all_subagents_take_turns(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        await world.deploy(workflow("W", shell("true"), shell("true"), shell("true"), shell("true")))
        await world.add_order("O", "W")
        await world.until_done("O")
        assert sorted(places(world)) == ["A-1", "A-1", "S", "S"]


async def test_the_highest_priority_that_is_available_is_taken(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        first = await world.add_subagent("S")
        await world.add_subagent("T")
        await bundle(world, S=2, T=1)
        await world.deploy(workflow("W", shell("true", subagentBundleIdExpr="'BUNDLE'")))
        await world.add_order("O1", "W")
        await world.until_done("O1")
        first.cut()
        await world.until_event("S", "SubagentCouplingFailed")
        await world.add_order("O2", "W")
        await world.until_done("O2")
        coupled = world.of("S").count("SubagentCoupled")
        first.heal()
        await world.until_event("S", "SubagentCoupled", coupled + 1)
        await world.add_order("O3", "W")
        await world.until_done("O3")
        assert places(world) == ["S", "T", "S"]


async def test_the_machine_with_less_load_is_preferred(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machines = [await world.add_machine(f"http://{name}") for name in ("S", "T")]
        machines[0].measured = structs.replace(IDLE, cpu_load=0.9)
        machines[1].measured = structs.replace(IDLE, cpu_load=0.2)
        for name in ("S", "T"):
            await world.put_subagent(name, "A", f"http://{name}")
            await world.until_event(name, "SubagentCoupled")
        await bundle(world, S="1 - $js7CpuLoad", T="1 - $js7CpuLoad")
        await world.deploy(workflow("W", shell("true", subagentBundleIdExpr="'BUNDLE'")))
        for number in range(2):
            await world.add_order(f"O{number}", "W")
            await world.until_done(f"O{number}")
        assert places(world) == ["T", "T"]


async def test_at_most_so_many_processes_by_an_expression(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        await bundle(world, S="if $js7SubagentProcessCount < 2 then 1 else missing")
        await world.deploy(workflow("W", jobs.instruction("BUNDLE")))
        for number in range(5):
            await world.add_order(f"O{number}", "W")
        await jobs.until_started(2)
        await world.until_event("O4", "OrderStarted")
        assert len(places(world)) == 2
        jobs.go()
        await world.until_done(*(f"O{number}" for number in range(5)))
        started = [event["Key"] for event in world.events() if event["TYPE"] == "OrderProcessingStarted"]
        assert started == sorted(started), "who has waited longer comes first"


async def test_an_empty_bundle_id_is_the_directors_own_subagent(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        instruction = shell("true", subagentBundleIdExpr='""')
        await world.deploy(workflow("W", instruction, instruction, instruction))
        await world.add_order("O", "W")
        await world.until_done("O")
        assert places(world) == ["A-1"] * 3


async def test_a_sticky_subagent_keeps_the_first_choice(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        await world.add_subagent("T")
        block = {
            "TYPE": "StickySubagent",
            "agentPath": "A",
            "subworkflow": {"instructions": [shell("true"), shell("true"), shell("true")]},
        }
        await world.deploy(workflow("W", block))
        for number in range(2):
            await world.add_order(f"O{number}", "W")
            await world.until_done(f"O{number}")
            assert len(set(places(world, f"O{number}"))) == 1
        assert len(set(places(world))) == 2


async def test_a_disabled_subagent_ends_its_jobs_and_gets_no_new_ones(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await running_at(world, jobs)
        await world.put_subagent("S", "A", "http://S", disabled=True)
        await world.until_event_of_item("Subagent:S", "ItemAttached", 2)
        await world.add_order("P", "W")
        await world.until_event("P", "OrderStarted")
        jobs.go()
        await world.until_done("O")
        assert places(world, "P") == []
        await world.put_subagent("S", "A", "http://S")
        await world.until_done("P")


async def test_job_resources_and_their_changes_reach_a_remote_subagent(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        resource = {"TYPE": "JobResource", "path": "R", "env": {"GREETING": "'one'"}}
        await world.items(world.signed(resource))
        await world.deploy(workflow("W", shell("echo $GREETING", subagentBundleIdExpr="'S'", jobResourcePaths=["R"])))
        await world.add_order("O1", "W")
        await world.until_done("O1")
        await world.items(world.signed({**resource, "env": {"GREETING": "'two'"}}))
        await world.add_order("O2", "W")
        await world.until_done("O2")
        assert (output(world, "O1"), output(world, "O2")) == ("one\n", "two\n")


# --- losses ---


async def test_a_cut_network_only_delays_what_a_job_has_done(tmp_path: Path, jobs: Jobs) -> None:
    """F44: the outcome and all output are taken over exactly once; nothing is started again."""
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        coupled = world.of("S").count("SubagentCoupled")
        machine.cut()
        await world.until_event("S", "SubagentCouplingFailed")
        assert machine.subagent is not None
        jobs.go()
        journal = machine.subagent.journal
        async with asyncio.timeout(20):
            while machine.subagent.running_count:
                await journal.wait_after(journal.committed_event_id, 0.1)
        assert "OrderProcessed" not in world.of("O")
        machine.heal()
        await world.until_done("O")
        assert output(world, "O") == "begin\nend\n"
        assert world.of("O").count("OrderProcessed") == 1
        assert world.of("S").count("SubagentCoupled") == coupled + 1
        assert "SubagentRestarted" not in world.of("S")
        assert jobs.started == ["O"]


async def test_the_next_job_of_an_order_starts_once_when_the_former_one_ended_during_a_cut(
    tmp_path: Path, jobs: Jobs
) -> None:
    """The start of the former job is repeated at the coupling, while its end arrives and the next job begins."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.deploy(workflow("W", *(jobs.instruction("S") for _ in range(3))))
        orders = [f"O{number}" for number in range(10)]
        for order_id in orders:
            await world.add_order(order_id, "W")
        await jobs.until_started(10)
        machine.cut()
        await world.until_event("S", "SubagentCouplingFailed")
        jobs.go()
        assert machine.subagent is not None
        async with asyncio.timeout(20):
            while machine.subagent.running_count:
                await machine.subagent.journal.wait_after(machine.subagent.journal.committed_event_id, 0.1)
        machine.heal()
        await world.until_done(*orders)
        assert len(jobs.started) == 30
        assert all(outcome["TYPE"] == "Succeeded" for order_id in orders for outcome in processed(world, order_id))


async def test_a_silent_subagent_is_noticed_by_its_missing_heartbeat(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.add_subagent("T")
        await bundle(world, S=2, T=1)
        await world.deploy(workflow("W", shell("true", subagentBundleIdExpr="'BUNDLE'")))
        machine.is_silent = True
        await world.until_event("S", "SubagentCouplingFailed")
        (failed,) = [event for event in world.events() if event["TYPE"] == "SubagentCouplingFailed"][:1]
        assert failed["problem"]["message"] == "Missing heartbeat from S"
        await world.add_order("O", "W")
        await world.until_done("O")
        assert places(world) == ["T"]
        coupled = world.of("S").count("SubagentCoupled")
        machine.is_silent = False
        await world.until_event("S", "SubagentCoupled", coupled + 1)


async def test_an_order_at_a_killed_subagent_waits_and_is_repeated_when_that_has_restarted(
    tmp_path: Path, jobs: Jobs
) -> None:
    """F42."""
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        await machine.kill()
        await world.until_event("S", "SubagentCouplingFailed")
        assert "OrderProcessed" not in world.of("O")
        jobs.go()
        await machine.start()
        await world.until_done("O")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToRestart")
        assert processed(world, "O")[1]["TYPE"] == "Succeeded"
        assert world.of("O").count("OrderProcessingStarted") == 2
        subagent = world.of("S")
        restarted = subagent.index("SubagentRestarted")
        assert subagent[restarted : restarted + 3] == ["SubagentRestarted", "SubagentDedicated", "SubagentCoupled"]


async def test_a_lost_job_that_is_not_restartable_fails_its_order(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs, isNotRestartable=True)
        await machine.kill()
        await machine.start()
        await world.until_event("O", "OrderFailed")
        assert [lost_code(outcome) for outcome in processed(world, "O")] == [("Other", "ProcessLostDueToRestart")]
        assert jobs.started == ["O"]


async def test_a_reset_gives_up_a_subagent_that_does_not_return(tmp_path: Path, jobs: Jobs) -> None:
    """F43: the order is repeated elsewhere."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.add_subagent("T")
        await bundle(world, S=2, T=1)
        await world.deploy(workflow("W", jobs.instruction("BUNDLE")))
        await world.add_order("O", "W")
        await jobs.until_started(1)
        await machine.kill()
        await world.until_event("S", "SubagentCouplingFailed")
        await world.command({"TYPE": "ResetSubagent", "subagentId": "S"})
        await world.until_event("S", "SubagentReset")
        jobs.go()
        await world.until_done("O")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToReset")
        assert places(world, "O") == ["S", "T"]
        subagent = world.of("S")
        started = subagent.index("SubagentResetStartedByController")
        assert "SubagentResetStarted" in subagent[started:]
        assert world.running_controller.state.subagents["S"].is_resetting_forcibly is None


async def test_a_subagent_that_returns_after_a_reset_is_fenced_by_its_run_id(tmp_path: Path, jobs: Jobs) -> None:
    """Cut off, given up, and back with its job still running: that one is killed and never counted."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.add_subagent("T")
        await bundle(world, S=2, T=1)
        await world.deploy(workflow("W", jobs.instruction("BUNDLE")))
        await world.add_order("O", "W")
        await jobs.until_started(1)
        machine.cut()
        await world.until_event("S", "SubagentCouplingFailed")
        await world.command({"TYPE": "ResetSubagent", "subagentId": "S"})
        await jobs.until_started(2)
        assert machine.subagent is not None
        former = machine.subagent.run_id
        coupled = world.of("S").count("SubagentCoupled")
        machine.heal()
        await world.until_event("S", "SubagentCoupled", coupled + 1)
        assert machine.subagent.run_id != former
        assert machine.subagent.running_count == 0
        jobs.go()
        await world.until_done("O")
        assert jobs.ended == ["O"]
        assert [outcome["TYPE"] for outcome in processed(world, "O")] == ["Disrupted", "Succeeded"]


async def test_a_reset_kills_what_runs_at_a_subagent_that_answers(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await running_at(world, jobs)
        await world.command({"TYPE": "ResetSubagent", "subagentId": "S"})
        await world.until_event("S", "SubagentReset")
        jobs.go()
        await world.until_done("O")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToReset")
        assert jobs.ended == ["O"]


async def test_a_directors_own_subagent_cannot_be_reset(tmp_path: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        with pytest.raises(ProblemError, match="Director"):
            await world.command({"TYPE": "ResetSubagent", "subagentId": "A-1"})


async def test_force_takes_a_subagent_from_another_agent(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path, agents=("A", "B")) as world:
        await running_at(world, jobs)
        await world.put_subagent("THIEF", "B", "http://S")
        await world.until_event("THIEF", "SubagentCouplingFailed")
        await world.command({"TYPE": "ResetSubagent", "subagentId": "THIEF"})
        await world.until_event("THIEF", "SubagentReset")
        await world.until_event("THIEF", "SubagentCouplingFailed", 2)
        assert jobs.are_running(), "without force another Agent's jobs are not touched"
        await world.stop_agent("A", only_director=True)  # else both would want it, and either could be the first
        await world.command({"TYPE": "ResetSubagent", "subagentId": "THIEF", "force": True})
        await world.until_event("THIEF", "SubagentCoupled")
        assert not jobs.are_running()


@pytest.mark.parametrize("signal", [None, "SIGTERM"])
async def test_an_orderly_shutdown_of_a_subagent(tmp_path: Path, jobs: Jobs, signal: str | None) -> None:
    """Without a signal running jobs end first; with one they are lost. New ones wait for the next run."""
    from stellwerk.agent.subagent.commands import ShutDown

    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        subagent = machine.subagent
        assert subagent is not None
        await subagent.execute(ShutDown(process_signal=signal, restart=True), "operator")  # type: ignore[arg-type]
        await world.until_event("S", "SubagentShutdownStarted")
        await world.add_order("P", "W")
        await world.until_event("P", "OrderStarted")
        if signal is None:
            assert places(world, "P") == []
        jobs.go()
        await world.until_event("S", "SubagentShutdown2")
        await world.until_done("O", "P")
        first = processed(world, "O")[0]
        if signal is None:
            assert first["TYPE"] == "Succeeded"
            assert jobs.started == ["O", "P"]
        else:
            assert lost_code(first) == ("ProcessLost", "ProcessKilledDueToSubagentShutdown")
            assert "143" in first["reason"]["problem"]["arguments"]["outcome"] or first["reason"]["problem"]["message"]
            assert sorted(jobs.ended) == ["O", "P"]


async def test_what_could_not_be_started_before_a_shutdown_is_repeated(tmp_path: Path) -> None:
    from stellwerk.agent.subagent.commands import ShutDown

    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.deploy(workflow("W", shell("true", subagentBundleIdExpr="'S'")))
        subagent = machine.subagent
        assert subagent is not None
        # The Director does not know yet that the Subagent takes no more processes.
        subagent._shutdown = ShutDown()
        await world.add_order("O", "W")
        await world.until_event("O", "OrderProcessed")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "SubagentShutDownBeforeProcessStart")
        await machine.kill()
        await machine.start()
        await world.until_done("O")


async def test_a_deleted_subagent_loses_its_jobs_for_good(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        await world.deploy(workflow("W", jobs.instruction()))
        await world.add_order("O1", "W")
        await world.add_order("O2", "W")
        await jobs.until_started(2)
        await world.until_event("O1", "OrderProcessingStarted")
        await world.until_event("O2", "OrderProcessingStarted")
        order = next(e["Key"] for e in world.events() if e.get("subagentId") == "S")
        await world.items({"TYPE": "DeleteSimple", "path": "Subagent:S"})
        await world.until_event_of_item("Subagent:S", "ItemDeleted")
        await world.until_event(order, "OrderFailed")
        assert lost_code(processed(world, order)[0]) == ("Other", "ProcessLostDueSubagentDeleted")
        jobs.go()
        await world.until_done(*({"O1", "O2"} - {order}))
        assert len(jobs.ended) == 1, "the deleted Subagent's process was killed"
        assert "S" not in world.agents["A"].state.known_subagents


# --- another address (F47) ---


async def test_a_new_address_of_the_same_subagent_loses_nothing(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        world.machines["http://elsewhere"] = machine
        coupled = world.of("S").count("SubagentCoupled")
        await world.put_subagent("S", "A", "http://elsewhere")
        await world.until_event("S", "SubagentCoupled", coupled + 1)
        jobs.go()
        await world.until_done("O")
        assert jobs.started == ["O"]
        assert "SubagentRestarted" not in world.of("S")


async def test_a_job_at_the_former_address_is_killed_before_it_is_repeated(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        await world.add_machine("http://elsewhere")
        await world.put_subagent("S", "A", "http://elsewhere")
        await world.until_event("O", "OrderProcessed")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueSubagentUriChange")
        assert machine.subagent is not None
        assert machine.subagent.running_count == 0
        jobs.go()
        await world.until_done("O")
        assert jobs.ended == ["O"]


async def test_a_job_at_a_former_address_that_cannot_be_reached_is_waited_for(tmp_path: Path, jobs: Jobs) -> None:
    """Also over a restart of the Director, which remembers the former address."""
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        machine.cut()
        await world.add_machine("http://elsewhere")
        await world.put_subagent("S", "A", "http://elsewhere")

        def says_so() -> bool:
            failures = [e for e in world.events() if e["TYPE"] == "SubagentCouplingFailed" and e["Key"] == "S"]
            return any("may still run jobs at http://S" in event["problem"]["message"] for event in failures)

        await world.until(says_so, "a problem that names the former address")
        await world.stop_agent("A")
        await world.start_agent("A")
        assert world.agents["A"].state.subagents["S"].former_uri == "http://S"
        await world.until_event("A", "AgentReady")
        assert "OrderProcessed" not in world.of("O")
        machine.heal()
        await world.until_event("O", "OrderProcessed")
        jobs.go()
        await world.until_done("O")
        assert jobs.ended == ["O"]


# --- commands and back-pressure ---


async def test_a_lost_answer_starts_no_second_process(tmp_path: Path, jobs: Jobs) -> None:
    """F46."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.deploy(workflow("known", shell("true", subagentBundleIdExpr="'S'"), jobs.instruction("S")))
        machine.lost_answers[StartOrderProcess] = 2
        await world.add_order("O", "known")
        async with asyncio.timeout(20):
            while sum(isinstance(command, StartOrderProcess) for command in machine.commands) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await jobs.until_started(1)
        jobs.go()
        await world.until_done("O")
        assert jobs.started == ["O"]


async def test_a_chatty_job_blocks_while_its_director_is_away_and_loses_nothing(tmp_path: Path) -> None:
    """F45: with room for 20 events only."""
    lines = 60_000
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S", options={"journal_limit": 20})
        script = f"echo begin; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; seq 1 {lines}; touch {tmp_path}/ended"
        await world.deploy(workflow("W", shell(script, subagentBundleIdExpr="'S'")))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderStdoutWritten")
        machine.cut()
        (tmp_path / "go").touch()
        assert machine.subagent is not None
        journal = machine.subagent.journal
        async with asyncio.timeout(20):
            while len(journal) < 20:
                await journal.wait_after(journal.committed_event_id, 0.1)
        assert len(journal) == 20
        assert not (tmp_path / "ended").exists(), "the job waits in write(2)"
        machine.heal()
        await world.until_done("O")
        assert output(world, "O") == "begin\n" + "".join(f"{n}\n" for n in range(1, lines + 1))


async def test_a_kill_reaches_a_job_at_a_remote_subagent(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await running_at(world, jobs)
        mode = {"TYPE": "FreshOrStarted", "kill": {}}
        await world.command({"TYPE": "CancelOrders", "orderIds": ["O"], "mode": mode})
        await world.until_event("O", "OrderCancelled")
        assert processed(world, "O")[0]["TYPE"] == "Killed"


async def test_a_kill_that_was_wanted_while_the_network_was_cut_comes_after(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        machine.cut()
        await world.until_event("S", "SubagentCouplingFailed")
        mode = {"TYPE": "FreshOrStarted", "kill": {"immediately": True}}
        await world.command({"TYPE": "CancelOrders", "orderIds": ["O"], "mode": mode})
        await world.until_event("O", "OrderCancellationMarkedOnAgent")
        machine.heal()
        await world.until_event("O", "OrderCancelled")


# --- the Director's own life ---


@pytest.mark.parametrize("orderly", [True, False])
async def test_remote_jobs_go_on_while_the_director_is_away(tmp_path: Path, jobs: Jobs, orderly: bool) -> None:
    async with NodeWorld(tmp_path) as world:
        await running_at(world, jobs)
        await world.stop_agent("A", orderly=orderly)
        jobs.go()
        await world.start_agent("A")
        await world.until_done("O")
        assert output(world, "O") == "begin\nend\n"
        assert jobs.started == ["O"]


async def test_a_restart_of_the_director_alone_leaves_its_own_jobs_running(tmp_path: Path, jobs: Jobs) -> None:
    """As after a switch-over: the local Subagent belongs to the process."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", jobs.instruction()))
        await world.add_order("O", "W")
        await jobs.until_started(1)
        await world.until_event("O", "OrderStdoutWritten")
        await world.stop_agent("A", only_director=True)
        assert jobs.are_running()
        jobs.go()
        await world.start_agent("A")
        await world.until_done("O")
        assert output(world, "O") == "begin\nend\n"
        assert jobs.started == ["O"]
        assert "SubagentRestarted" not in world.of("A-1")


async def test_the_jobs_of_an_agents_process_are_lost_with_it(tmp_path: Path, jobs: Jobs) -> None:
    """F48, in small: the black-box tests kill with `kill -9`."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", jobs.instruction()))
        await world.add_order("O", "W")
        await jobs.until_started(1)
        await world.stop_agent("A", orderly=False)
        assert not jobs.are_running()
        jobs.go()
        await world.start_agent("A")
        await world.until_done("O")
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToRestart")
        assert world.of("O").count("OrderProcessingStarted") == 2


async def test_a_reset_agent_ends_its_jobs_everywhere(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        await world.command({"TYPE": "ResetAgent", "agentPath": "A"})
        agent = world.agents["A"]
        await agent.terminated
        await world.stop_agent("A", only_director=True)
        assert not jobs.are_running()
        assert machine.subagent is not None
        assert machine.subagent.dedication is None
        await world.start_agent("A")
        await world.until_event("S", "SubagentCoupled", 2)


async def test_an_agents_shutdown_waits_for_its_own_jobs_only(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        other = Jobs(tmp_path / "other")
        await world.deploy(
            workflow("W", jobs.instruction(subagentBundleIdExpr='""')), workflow("R", other.instruction("S"))
        )
        await world.add_order("O", "W")
        await world.add_order("R", "R")
        await jobs.until_started(1)
        await other.until_started(1)
        agent = world.agents["A"]
        await agent.execute(b'{"TYPE":"ShutDown"}', "controller")
        await world.until_event("A-1", "SubagentShutdownStarted")
        assert not agent.terminated.done()
        jobs.go()
        async with asyncio.timeout(20):
            await agent.terminated
        await world.stop_agent("A")
        assert other.are_running()
        other.go()
        await world.start_agent("A")
        await world.until_done("O", "R")
        assert (jobs.started, other.started) == (["O"], ["R"])


# --- fail-over: what the activation of the other Director of a pair asks for (cluster spec 2.4) ---


async def fail_over_from(world: NodeWorld, jobs: Jobs, *, lease_seconds: float, break_it: Callable[[], Any]) -> None:
    """Order O's job runs at S, whose Director has failed as `break_it` does; Subagent T could do it, too."""
    await world.add_subagent("T")
    await bundle(world, S=3, T=2)
    await world.deploy(workflow("W", jobs.instruction("BUNDLE")))
    await world.add_order("O", "W")
    await jobs.until_started(1)
    if (waiting := break_it()) is not None:
        await waiting
    await world.stop_agent("A", orderly=False)
    timing = structs.replace(TIMING, job_lease_seconds=lease_seconds)
    await world.start_agent("A", failed_director_subagent_id=lambda state: "S", term=lambda: 1, driver_timing=timing)


async def test_jobs_of_a_failed_director_are_lost_when_no_process_is_there(tmp_path: Path, jobs: Jobs) -> None:
    """Row 1 of the table: its process has gone, and its jobs with it; nobody waits for it to come back."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await fail_over_from(world, jobs, lease_seconds=1e6, break_it=machine.kill)
        await jobs.until_started(2)
        await world.until_event("O", "OrderProcessingStarted", 2)
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToRestart")
        assert places(world) == ["S", "T"]
        jobs.go()
        await world.until_done("O")


async def test_jobs_of_a_silent_directors_machine_are_lost_when_their_lease_is_over(tmp_path: Path, jobs: Jobs) -> None:
    """F40: what runs there has ended by then; when the machine comes back, it is fenced."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await fail_over_from(world, jobs, lease_seconds=0.5, break_it=machine.cut)
        await world.until_event("S", "SubagentCouplingFailed")
        assert world.of("O").count("OrderProcessed") == 0, "it waits"
        await jobs.until_started(2)
        await world.until_event("O", "OrderProcessingStarted", 2)
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToRestart")
        coupled = world.of("S").count("SubagentCoupled")
        machine.heal()
        await world.until_event("S", "SubagentCoupled", coupled + 1)
        assert machine.subagent is not None
        assert machine.subagent.running_count == 0
        jobs.go()
        await world.until_done("O")
        assert jobs.ended == ["O"]


async def test_jobs_of_a_silent_directors_machine_go_on_when_it_comes_back_in_time(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await fail_over_from(world, jobs, lease_seconds=1e6, break_it=machine.cut)
        await world.until_event("S", "SubagentCouplingFailed")
        machine.heal()
        jobs.go()
        await world.until_done("O")
        assert jobs.started == jobs.ended == ["O"]
        assert "SubagentRestarted" not in world.of("S")


async def test_a_job_whose_lease_has_run_out_is_lost_and_repeated(tmp_path: Path, jobs: Jobs) -> None:
    """The machine was alone for a while, and its Director has stayed the active one."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        machine = await world.add_subagent("S")
        await world.deploy(workflow("W", jobs.instruction("S")))
        await world.add_order("O", "W")
        await jobs.until_started(1)
        assert machine.subagent is not None
        machine.subagent.lease(1, asyncio.get_running_loop().time())
        machine.subagent.lease(1, None)
        await jobs.until_started(2)
        await world.until_event("O", "OrderProcessingStarted", 2)
        assert lost_code(processed(world, "O")[0]) == ("ProcessLost", "ProcessLostDueToIsolation")
        jobs.go()
        await world.until_done("O")


async def test_jobs_of_other_subagents_go_on_after_a_fail_over(tmp_path: Path, jobs: Jobs) -> None:
    """Rows 2 and 3: the activated Director's own Subagent, and others."""
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.add_subagent("S")
        await world.deploy(workflow("W", jobs.instruction()))
        await world.add_order("O", "W")
        await world.add_order("P", "W")
        await jobs.until_started(2)
        await world.until_event("P", "OrderProcessingStarted")
        assert sorted(places(world)) == ["A-1", "S"]
        await world.stop_agent("A", orderly=False, only_director=True)
        await world.start_agent("A", failed_director_subagent_id=lambda state: "OTHER", term=lambda: 1)
        jobs.go()
        await world.until_done("O", "P")
        assert sorted(jobs.started) == ["O", "P"]


async def test_an_order_at_a_subagent_that_is_not_known_any_more_is_disrupted(tmp_path: Path) -> None:
    """Row 4, as a function: no command can bring it about."""
    from stellwerk.agent.director.losses import settle_processes
    from stellwerk.engine.context import Context
    from stellwerk.engine.events.order import OrderProcessed
    from stellwerk.engine.transaction import Transaction

    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell("sleep 1000")))
        await world.add_order("O", "W")
        await world.until_event("O", "OrderProcessingStarted")
        state = world.agents["A"].state
        del state.subagents["A-1"]
        with Transaction(state, Context(0)) as transaction:
            settle_processes(transaction, state, local_run_id="any")
            (processed_event,) = (keyed.event for keyed in transaction.events)
        assert isinstance(processed_event, OrderProcessed)
        assert "A-1 is missed" in str(processed_event.outcome)


async def test_a_director_of_an_older_term_gets_nothing_done(tmp_path: Path, jobs: Jobs) -> None:
    async with NodeWorld(tmp_path) as world:
        machine = await running_at(world, jobs)
        assert machine.subagent is not None
        other = LocalSubagentPeer(machine.subagent)
        command = CoupleDirector(
            subagent_id="S",
            subagent_run_id=machine.subagent.run_id,
            event_id=world.agents["A"].state.subagents["S"].event_id,
            heartbeat_timing=HeartbeatTiming(3.0, 10.0),
            term=7,
        )
        await other.command(command)
        await world.add_order("P", "W")

        def is_stale() -> bool:
            events = [e for e in world.events() if e["TYPE"] == "SubagentCouplingFailed"]
            return any(event["problem"].get("code") == "TermIsStale" for event in events)

        await world.until(is_stale, "TermIsStale")
        assert jobs.started == ["O"]
