"""A pair of Directors, real processes, under one Controller, which is their watch (cluster spec 2)."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from process_events import events, types, until, until_cluster
from tests.conformance.processes import ProcessInstallation

from stellwerk.values.problems import ProblemError

NODES = ["A", "A-2"]


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[ProcessInstallation]:
    """The Agent `A` with the Directors `A-1` (the process `A`) and `A-2`, coupled, and a Subagent `S`."""
    async with ProcessInstallation(folder, ["A"], subagents=["S"]) as installation:
        await installation.add_director("A")
        await installation.add_subagent("S", "A")
        await until(installation, "S", "SubagentCoupled")
        await coupled(installation)
        yield installation


async def coupled(installation: ProcessInstallation) -> tuple[str, str]:
    """Waits for it; gives the active and the passive one."""

    def is_coupled(states: list[dict[str, Any]]) -> bool:
        is_known = all(state.get("state") == "Coupled" for state in states)
        return is_known and {state["phase"] for state in states} == {"active", "passive"}

    states = await until_cluster(installation, NODES, is_coupled)
    active = NODES[[state["phase"] for state in states].index("active")]
    return active, NODES[1 - NODES.index(active)]


async def require_confirmation(installation: ProcessInstallation, is_required: bool) -> None:
    reference = {"TYPE": "AgentRef", "path": "A", "directors": ["A-1", "A-2"]}
    await installation.update_items([{**reference, "requireFailoverConfirmation": is_required}])


@pytest.mark.long_only
async def test_that_a_person_confirms_fail_overs_may_be_changed_while_all_runs(tmp_path: Path) -> None:
    """F38. The Controller's watch obeys at once, though it is told nothing else."""
    async with pair(tmp_path) as installation:
        await require_confirmation(installation, True)
        await installation.kill("A")
        await until(installation, "A", "AgentClusterWatchConfirmationRequired")
        assert "ClusterFailedOver" not in types(installation, "A")
        lost = {"agentPath": "A", "lostNodeId": "Primary", "confirmer": "me"}
        await installation.command({"TYPE": "ConfirmClusterNodeLoss", **lost})
        await until(installation, "A", "ClusterFailedOver")

        await installation.start_again("agent", "A")
        assert await coupled(installation) == ("A-2", "A")
        await require_confirmation(installation, False)
        await installation.kill("A-2")
        await until(installation, "A", "ClusterFailedOver", 2)
        assert len([event for event in events(installation, "A") if "Confirm" in event["TYPE"]]) == 2


@pytest.mark.long_only
async def test_an_address_of_the_passive_director_may_be_changed_while_all_runs(tmp_path: Path) -> None:
    """F59. Everybody uses it: the other Director, the Controller as their watch, and who asks for the active one."""
    async with pair(tmp_path) as installation:
        assert await coupled(installation) == ("A", "A-2")
        await installation.move("A-2")
        uri = installation.uri("A-2")
        await installation.update_items([{"TYPE": "SubagentItem", "id": "A-2", "agentPath": "A", "uri": uri}])
        await until(installation, "A", "ClusterSettingUpdated")
        assert await coupled(installation) == ("A", "A-2")
        await installation.kill("A")
        await until(installation, "A", "ClusterFailedOver")


def job_at(subagent_id: str, script: str) -> dict[str, Any]:
    executable = {"TYPE": "ShellScriptExecutable", "script": script}
    job = {"agentPath": "A", "subagentBundleIdExpr": f"'{subagent_id}'", "executable": executable}
    return {"TYPE": "Execute.Anonymous", "job": job}


async def run_everywhere(installation: ProcessInstallation, workflow: str) -> None:
    """An order passes each machine of the Agent."""
    steps = [job_at(subagent_id, "true") for subagent_id in ("A-1", "A-2", "S")]
    await installation.deploy([{"TYPE": "Workflow", "path": workflow, "instructions": steps}])
    await installation.command({"TYPE": "AddOrder", "order": {"id": workflow, "workflowPath": workflow}})
    await until(installation, workflow, "OrderFinished")


async def order_at_work(installation: ProcessInstallation, subagent_id: str) -> None:
    """The order `OLD` has a job that does not end at that Subagent."""
    steps = [job_at(subagent_id, "echo begun; sleep 600")]
    await installation.deploy([{"TYPE": "Workflow", "path": "LONG", "instructions": steps}])
    await installation.command({"TYPE": "AddOrder", "order": {"id": "OLD", "workflowPath": "LONG"}})
    await until(installation, "OLD", "OrderStdoutWritten")


def reset(*, force: bool) -> dict[str, Any]:
    return {"TYPE": "ResetAgent", "agentPath": "A", "force": force}


def run_ids(installation: ProcessInstallation) -> list[str]:
    return [event["agentRunId"] for event in events(installation, "A") if event["TYPE"] == "AgentDedicated"]


async def is_new(installation: ProcessInstallation, run_id: str) -> None:
    """After a reset: another run, both Directors coupled anew, all machines work; the old order has failed once."""
    await until(installation, "A", "AgentReset")
    await until(installation, "A", "AgentDedicated", 2)
    await until(installation, "A", "ClusterCoupled", 2)
    await coupled(installation)
    assert run_ids(installation)[0] == run_id != run_ids(installation)[1]
    await run_everywhere(installation, "AFTER")
    assert types(installation, "OLD").count("OrderFailed") == 1
    assert types(installation, "OLD")[-1] == "OrderFailed"


@pytest.mark.parametrize("force", [False, pytest.param(True, marks=pytest.mark.long_only)])
async def test_a_coupled_pair_forgets_everything_when_it_is_reset(tmp_path: Path, force: bool) -> None:
    """F61."""
    async with pair(tmp_path) as installation:
        [run_id] = run_ids(installation)
        await order_at_work(installation, "A-2")
        await installation.command(reset(force=force))
        await is_new(installation, run_id)


@pytest.mark.long_only
async def test_a_pair_is_reset_while_the_backup_director_is_the_active_one(tmp_path: Path) -> None:
    async with pair(tmp_path) as installation:
        [run_id] = run_ids(installation)
        await installation.command({"TYPE": "ClusterSwitchOver", "agentPath": "A"})
        await until(installation, "A", "ClusterCoupled", 2)
        assert await coupled(installation) == ("A-2", "A")
        await order_at_work(installation, "S")
        await installation.command(reset(force=False))
        await until(installation, "A", "ClusterCoupled", 3)
        await is_new(installation, run_id)
        assert await coupled(installation) == ("A", "A-2"), "a fresh pair begins with its primary Director"


@pytest.mark.long_only
@pytest.mark.parametrize("lost", NODES)
async def test_a_director_that_was_away_during_a_reset_forgets_everything_when_it_returns(
    tmp_path: Path, lost: str
) -> None:
    """The one that is left is the passive one that has taken over, if the primary one is lost."""
    async with pair(tmp_path) as installation:
        [run_id] = run_ids(installation)
        assert await coupled(installation) == ("A", "A-2")
        await order_at_work(installation, "S")
        await installation.kill(lost)
        await until(installation, "A", "ClusterPassiveLost" if lost == "A-2" else "ClusterFailedOver")
        await installation.command(reset(force=True))
        await until(installation, "A", "AgentReset")
        await installation.start_again("agent", lost)
        await is_new(installation, run_id)


@pytest.mark.long_only
async def test_a_director_that_stood_still_during_a_reset_forgets_everything(tmp_path: Path) -> None:
    """Its process goes on, and with it its Subagent, which belongs to the old run."""
    async with pair(tmp_path) as installation:
        [run_id] = run_ids(installation)
        await order_at_work(installation, "A-2")
        os.kill(installation.pid("A-2"), signal.SIGSTOP)
        await until(installation, "A", "ClusterPassiveLost")
        await installation.command(reset(force=False))
        await until(installation, "A", "AgentReset")
        os.kill(installation.pid("A-2"), signal.SIGCONT)
        await is_new(installation, run_id)


async def test_what_cannot_be_reset_says_why(tmp_path: Path) -> None:
    async with pair(tmp_path) as installation:
        with pytest.raises(ProblemError, match="is a Director's own and cannot be reset; reset the Agent"):
            await installation.command({"TYPE": "ResetSubagent", "subagentId": "A-2", "force": True})
        for name in NODES:
            await installation.kill(name)
        await until(installation, "A", "AgentCouplingFailed")
        await installation.command(reset(force=False))  # is done when a Director answers
        with pytest.raises(ProblemError, match="is already being reset"):
            await installation.command(reset(force=False))
        for name in NODES:
            await installation.start_again("agent", name)
        await until(installation, "A", "AgentReset")
        await until(installation, "A", "ClusterCoupled", 2)
        await run_everywhere(installation, "AFTER")
