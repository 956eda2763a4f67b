"""A pair of Controllers whose only watch is a witness in an Agent's process (cluster spec 7, embedded quorum)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from process_events import health, until_cluster
from tests.conformance.processes import ProcessInstallation

from stellwerk.cli.installation import free_port
from stellwerk.values.json import decode

NODES = ["controller-1", "controller-2"]


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[ProcessInstallation]:
    """The two Controllers and the Agent `W`, whose processes are started by the test."""
    installation = ProcessInstallation(tmp_path, [])
    ports = {name: free_port() for name in NODES}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    witness = f'[witness]\nid = "w"\n[witness.pairs.controller]\nnodes = {list(urls.values())}\n'
    await installation.start("agent", "W", witness)
    try:
        for name in NODES:
            other = next(url for node, url in urls.items() if node != name)
            is_backup = "true" if name == NODES[1] else "false"
            cluster = f'[cluster]\nurl = "{urls[name]}"\npeer = "{other}"\nis_backup = {is_backup}\nwatches = ["w"]\n'
            await installation.start("controller", name, f'id = "controller"\n{cluster}', port=ports[name])
        yield installation
    finally:
        await installation.stop()


def are_coupled(states: list[dict[str, Any]]) -> bool:
    return [state.get("state") for state in states] == ["Coupled", "Coupled"]


async def known(nodes: ProcessInstallation) -> Any:
    return (await health(nodes, "W")).get("witness", {}).get("controller", {}).get("clusterState")


async def test_an_agent_is_the_witness_of_controllers_and_remembers(nodes: ProcessInstallation) -> None:
    await until_cluster(nodes, NODES, are_coupled)
    assert await known(nodes) == "Coupled"

    # Nothing but its memory tells the new process of the pair: the active Controller ends while it is away.
    await nodes.kill("W")
    await nodes.kill(NODES[0])
    await nodes.start_again("agent", "W")
    [state] = await until_cluster(nodes, NODES[1:], lambda states: states[0].get("state") == "FailedOver")
    assert (state["phase"], state["term"]) == ("active", 1)

    await nodes.start_again("controller", NODES[0])
    await until_cluster(nodes, NODES, are_coupled)
    remembered = decode((nodes.folder / "W" / "witness" / "watch-controller.json").read_bytes())
    assert remembered["state"]["term"] == 1
