"""The network between two components is cut, real processes (cluster spec 5): both work on, and nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from process_events import types, until
from proxy import Proxy
from tests.conformance.processes import ProcessInstallation
from up_process import wait_until


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[ProcessInstallation]:
    async with ProcessInstallation(tmp_path / "nodes", ["A"], subagents=["S"]) as made:
        yield made


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    made: list[Proxy] = []
    yield made
    for proxy in made:
        proxy.refuse()


async def proxy_before(installation: ProcessInstallation, name: str, subagent_id: str, proxies: list[Proxy]) -> Proxy:
    """From now on the component is reached through it."""
    host, port = installation.uri(name).removeprefix("http://").split(":")
    proxy = Proxy((host, int(port)))
    proxy.start()
    proxies.append(proxy)
    item = {"TYPE": "SubagentItem", "id": subagent_id, "agentPath": "A", "uri": proxy.url}
    await installation.update_items([item])
    return proxy


async def begin(installation: ProcessInstallation, marks: Path, subagent_id: str) -> None:
    """The order `O` has two jobs there, each marks its start, and its end as soon as `marks/go` is there."""
    script = f"echo start >>{marks}/done; until [ -e {marks}/go ]; do sleep 0.05; done; echo end >>{marks}/done; echo x"
    job = {
        "agentPath": "A",
        "subagentBundleIdExpr": f"'{subagent_id}'",
        "executable": {"TYPE": "ShellScriptExecutable", "script": script},
    }
    steps = [{"TYPE": "Execute.Anonymous", "job": job}] * 2
    await installation.deploy([{"TYPE": "Workflow", "path": "W", "instructions": steps}])
    await installation.command({"TYPE": "AddOrder", "order": {"id": "O", "workflowPath": "W"}})
    await until(installation, "O", "OrderProcessingStarted")
    await marked(marks, "start")


async def marked(marks: Path, *lines: str) -> None:
    file = marks / "done"
    await asyncio.to_thread(
        wait_until, lambda: file.exists() and file.read_text().split() == list(lines), f"{lines} in {file}"
    )


async def test_an_agent_works_on_while_its_controller_cannot_reach_it(
    installation: ProcessInstallation, proxies: list[Proxy], marks: Path
) -> None:
    proxy = await proxy_before(installation, "A", "A-1", proxies)
    await begin(installation, marks, "A-1")
    proxy.refuse()
    await until(installation, "A", "AgentCouplingFailed")
    (marks / "go").touch()
    await marked(marks, "start", "end", "start", "end")
    assert "OrderProcessed" not in types(installation, "O")
    proxy.start()
    await until(installation, "O", "OrderFinished")
    assert types(installation, "O").count("OrderProcessingStarted") == 2
    assert types(installation, "O").count("OrderStdoutWritten") == 2


async def test_a_job_goes_on_while_its_director_cannot_reach_the_subagent(
    installation: ProcessInstallation, proxies: list[Proxy], marks: Path
) -> None:
    await installation.add_subagent("S", "A")
    proxy = await proxy_before(installation, "S", "S", proxies)
    await until(installation, "S", "SubagentCoupled")
    await begin(installation, marks, "S")
    proxy.refuse()
    await until(installation, "S", "SubagentCouplingFailed")
    (marks / "go").touch()
    await marked(marks, "start", "end")
    assert "OrderProcessed" not in types(installation, "O")
    proxy.start()
    await until(installation, "O", "OrderFinished")
    await marked(marks, "start", "end", "start", "end")
    assert types(installation, "O").count("OrderProcessingStarted") == 2
    assert types(installation, "O").count("OrderStdoutWritten") == 2
