"""A pair of Directors, real processes, under one Controller, which is their watch (cluster spec 2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from process_events import events, types, until, until_cluster
from tests.conformance.processes import ProcessInstallation

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
