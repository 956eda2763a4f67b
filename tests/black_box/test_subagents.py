"""Real processes: a Subagent on "another machine", over HTTP with passwords, killed by `kill -9` while its job runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from process_events import events, until
from tests.conformance.processes import ProcessInstallation
from up_process import is_alive


@asynccontextmanager
async def _order_at_subagent(tmp_path: Path) -> AsyncIterator[tuple[ProcessInstallation, Path]]:
    """Order O's job runs at Subagent S; the folder where it marks its start and end, and waits for `go`."""
    marks = tmp_path / "marks"
    marks.mkdir()
    script = f"""
        echo $$ >>{marks}/started; echo begin
        while [ ! -e {marks}/go ]; do sleep 0.05; done
        echo $$ >>{marks}/ended; echo end"""
    job = {
        "agentPath": "A",
        "subagentBundleIdExpr": "'S'",
        "executable": {"TYPE": "ShellScriptExecutable", "script": script},
    }
    workflow = {"TYPE": "Workflow", "path": "W", "instructions": [{"TYPE": "Execute.Anonymous", "job": job}]}
    async with ProcessInstallation(tmp_path / "nodes", ["A"], subagents=["S"]) as installation:
        await installation.add_subagent("S", "A")
        await until(installation, "S", "SubagentCoupled")
        await installation.deploy([workflow])
        await installation.command({"TYPE": "AddOrder", "order": {"id": "O", "workflowPath": "W"}})
        await until(installation, "O", "OrderStdoutWritten")
        yield installation, marks


async def test_a_killed_subagents_job_is_gone_before_it_is_repeated(tmp_path: Path) -> None:
    """F42: the order waits; nothing runs twice at a time; output and outcomes arrive once."""
    async with _order_at_subagent(tmp_path) as (installation, marks):
        (first,) = (marks / "started").read_text().split()

        await installation.kill("S")
        await until(installation, "S", "SubagentCouplingFailed")
        assert "OrderProcessed" not in [event["TYPE"] for event in events(installation, "O")]

        await installation.start_again("subagent", "S")
        assert not is_alive(int(first)), "when it answers again its former jobs are gone"
        await until(installation, "O", "OrderProcessingStarted", 2)
        (marks / "go").touch()
        await until(installation, "O", "OrderFinished")

        assert len((marks / "started").read_text().split()) == 2
        assert (marks / "ended").read_text().split() == (marks / "started").read_text().split()[1:]
        outcomes = [event["outcome"] for event in events(installation, "O") if event["TYPE"] == "OrderProcessed"]
        assert outcomes[0]["reason"]["problem"]["code"] == "ProcessLostDueToRestart"
        assert outcomes[1]["TYPE"] == "Succeeded"
        chunks = [event["chunk"] for event in events(installation, "O") if event["TYPE"] == "OrderStdoutWritten"]
        assert "".join(chunks) == "begin\nbegin\nend\n"


async def test_a_subagents_job_goes_on_while_its_director_is_killed(tmp_path: Path) -> None:
    async with _order_at_subagent(tmp_path) as (installation, marks):
        await installation.kill("A")
        (marks / "go").touch()
        await installation.start_again("agent", "A")
        await until(installation, "O", "OrderFinished")
        assert len((marks / "started").read_text().split()) == 1
        chunks = [event["chunk"] for event in events(installation, "O") if event["TYPE"] == "OrderStdoutWritten"]
        assert "".join(chunks) == "begin\nend\n"
