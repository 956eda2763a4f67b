"""`stellwerk up --cluster`: two of each, real processes; each part may be killed, and the samples go on."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from up_process import Api, UpProcess, send, shell_job, wait_until, workflow_of

import stellwerk.cli

SAMPLES = Path(stellwerk.cli.__file__).parent / "samples"
#: Those whose orders end without a person.
ENDING = ("nightly-load", "file-transfer", "quality-gate", "month-end-report")
DIRECTORS = ["agent-1", "agent-1-2"]
MACHINES = [*DIRECTORS, "agent-1-3"]
#: With which the first fault is a kill.
KILLING_SEED = "8"
DEADLINE_SECONDS = 120.0


def _stellwerk(up: UpProcess, *arguments: str) -> str:
    command = [sys.executable, "-m", "stellwerk.cli", *arguments, "--data", str(up.data)]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _phases_of_coupled_directors(up: UpProcess) -> list[str]:
    """Waits until both Directors say that they are coupled."""

    def phases() -> list[str] | None:
        answers = [send(urllib.request.Request(up.component(name)["url"] + "/health")).body for name in DIRECTORS]
        clusters = [answer.get("cluster", {}) if isinstance(answer, dict) else {} for answer in answers]
        is_coupled = all(cluster.get("state") == "Coupled" for cluster in clusters)
        return [cluster["phase"] for cluster in clusters] if is_coupled else None

    return wait_until(phases, "the Directors are coupled", DEADLINE_SECONDS)


def _subagents_of(api: Api, order_id: str) -> list[str]:
    events = api.events(order_id)
    return [event["payload"]["subagentId"] for event in events if event["type"] == "OrderProcessingStarted"]


@pytest.mark.long_only
def test_the_samples_run_while_each_machine_of_an_agent_is_killed(data: Path) -> None:
    with UpProcess(data) as up:
        up.start("--cluster", "--supervise")
        assert sorted(_phases_of_coupled_directors(up)) == ["active", "passive"]
        _stellwerk(up, "deploy", str(SAMPLES), "--folder", "/samples")
        api = up.api()
        orders = [api.add(f"/samples/{name}", name) for name in ENDING]
        for name in MACHINES:
            report = _stellwerk(up, "chaos", "--rounds", "1", "--seed", KILLING_SEED, "--only", name)
            assert f"kill {name}" in report
            assert "its order has ended" in report
        for order_id in orders:
            api.wait_for(order_id, "SUCCESSFUL", DEADLINE_SECONDS)
        assert up.stop() == 0


@pytest.mark.long_only
def test_an_installation_becomes_clustered_and_keeps_its_history(data: Path) -> None:
    job = shell_job("agent-1", "true")
    with UpProcess(data) as up:
        up.start()
        before = up.api().add(up.api().deploy("/before", workflow_of({"job": job})), "before")
        up.api().wait_for(before, "SUCCESSFUL")
        assert up.stop() == 0

        up.start("--cluster")
        assert _phases_of_coupled_directors(up) == ["active", "passive"], "the old Agent is the primary Director"
        api = up.api()
        assert api.outcome(before) == "SUCCESSFUL"
        bundle = {**job, "subagentClusterId": "agent-1-all"}
        orders = [api.add(api.deploy("/after", workflow_of({"job": bundle})), f"after-{index}") for index in range(6)]
        for order_id in orders:
            api.wait_for(order_id, "SUCCESSFUL")
        assert {name for order_id in orders for name in _subagents_of(api, order_id)} == set(MACHINES)
        assert up.stop() == 0

        up.start()  # it stays clustered
        assert sorted(_phases_of_coupled_directors(up)) == ["active", "passive"]
        shown = up.api().agents()["agent-1"]
        assert shown["clusterState"] == {"_text": "ClusterCoupled", "severity": 0}
        nodes = [item["clusterNodeState"]["_text"] for item in shown["subagents"] if "clusterNodeState" in item]
        assert sorted(nodes) == ["active", "inactive"]
        [agent] = up.api().post("agents/inventory/cluster", {"controllerId": "controller"})["agents"]
        assert [(item["subagentId"], item["isDirector"]) for item in agent["subagents"]] == [
            ("agent-1", "PRIMARY_DIRECTOR"),
            ("agent-1-2", "SECONDARY_DIRECTOR"),
            ("agent-1-3", "NO_DIRECTOR"),
        ]
        assert json.loads((data / "up.json").read_text())["cluster"]["agents"].keys() == {"agent-1"}
        assert up.stop() == 0
