"""InternalExecutable: Python functions in warm worker processes (workflow spec 4.2)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stellwerk.agent.subagent.job_runner import JobOutcome, JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import JobLaunch, LaunchSettings
from stellwerk.agent.subagent.worker_pool import WorkerSettings
from stellwerk.effects.clock import SystemClock
from stellwerk.language.expressions import EMPTY_SCOPE, ChildScope, parse_expression
from stellwerk.language.jobs import InternalExecutable, WorkflowJob
from stellwerk.language.outcomes import Disrupted, Failed, Killed, Succeeded, TimedOut

if TYPE_CHECKING:
    from tests.agent.subagent.conftest import World

MODULE = """
import os, sys, time, subprocess

calls = 0

def count(start=0):
    global calls
    calls += 1
    return {"pid": os.getpid(), "calls": start + calls}

def echo(text, times=1, **more):
    print(text * times, end="")
    print("error", file=sys.stderr)
    return {"text": text, **more}

def fail():
    raise ValueError("no such luck")

def crash():
    os._exit(7)

def sleep(file):
    try:
        print("READY", flush=True)
        time.sleep(1000)
    finally:
        open(file, "w").close()

def stubborn():
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("READY", flush=True)
    time.sleep(1000)

def big(size):
    sys.stdout.write("x" * size)

def environment(name):
    return {"value": os.environ.get(name)}

def wrong():
    return {"file": open(os.devnull)}

def child():
    subprocess.Popen(["sleep", "1000"])
"""


class Output:
    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.is_ready = asyncio.Event()

    async def stdout(self, chunk: str) -> None:
        self.out += chunk
        if "READY" in self.out:
            self.is_ready.set()

    async def stderr(self, chunk: str) -> None:
        self.err += chunk


class Workers:
    def __init__(self, world: World, directory: Path, allows_installed: bool = False) -> None:
        modules = directory / "python"
        modules.mkdir()
        (modules / "jobs.py").write_text(MODULE)
        environment = {"PATH": os.environ["PATH"], "INHERITED": "yes"}
        options = JobRunnerOptions(
            launch=LaunchSettings(environment=environment, executables_directory=directory),
            workers=WorkerSettings(python_directory=modules, allows_installed_modules=allows_installed),
            output_delay_seconds=0.001,
            kill_grace_seconds=0,
            abandon_seconds=0,
        )
        self.runner = JobRunner(world.processes, SystemClock(), directory / "work", options)
        self.attempt = 0
        self.output = Output()

    def launch(self, name: str, variables: dict[str, Any] | None = None, /, **arguments: Any) -> JobLaunch:
        self.attempt += 1
        self.output = Output()
        of_job = {key: arguments.pop(key) for key in list(arguments) if key in WorkflowJob.__struct_fields__}
        executable = InternalExecutable(
            class_name=name if ":" in name or "." in name else f"jobs:{name}",
            arguments={key: parse_expression(text) for key, text in arguments.items()},
        )
        job = WorkflowJob(agent_path="A", executable=executable, **of_job)
        return JobLaunch(
            order_id=f"O{self.attempt}",
            attempt=str(self.attempt),
            job=job,
            variables=variables or {},
            environment=[("OWN", parse_expression("'mine'"), EMPTY_SCOPE)],
            scope=ChildScope(EMPTY_SCOPE, {"x": 3}),
        )

    async def run(self, name: str, variables: dict[str, Any] | None = None, /, **arguments: Any) -> JobOutcome:
        return await self.runner.run(self.launch(name, variables, **arguments), self.output)


@pytest.fixture
async def workers(world: World, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(world, tmp_path)
    yield workers
    await workers.runner.close_workers()
    workers.runner.close()


def values(outcome: JobOutcome) -> dict[str, Any]:
    assert isinstance(outcome, Succeeded), outcome
    return outcome.named_values


async def test_arguments_result_and_output(workers: Workers) -> None:
    outcome = await workers.run("echo", {"text": "from the order", "unused": 1}, times="$x - 1", extra="[1, {a: true}]")
    assert values(outcome) == {"text": "from the order", "extra": [1, {"a": True}], "returnCode": 0}
    assert (workers.output.out, workers.output.err) == ("from the order" * 2, "error\n")


async def test_a_worker_is_warm(workers: Workers) -> None:
    first = values(await workers.run("count"))
    second = values(await workers.run("count", start="10"))
    assert first["pid"] == second["pid"]
    assert (first["calls"], second["calls"]) == (1, 12)


async def test_several_at_once_have_workers_of_their_own(workers: Workers) -> None:
    launches = [(workers.launch("count"), Output()) for _ in range(3)]
    outcomes = await asyncio.gather(*(workers.runner.run(launch, output) for launch, output in launches))
    assert len({values(outcome)["pid"] for outcome in outcomes}) == 3


async def test_an_exception_fails_the_order_with_its_text(workers: Workers) -> None:
    outcome = await workers.run("fail")
    assert outcome == Failed(message="ValueError: no such luck", named_values={"returnCode": 1})
    assert "Traceback" in workers.output.err


async def test_a_crash_fails_its_order_only(workers: Workers) -> None:
    first = values(await workers.run("count"))
    crashed = await workers.run("crash")
    assert crashed == Failed(named_values={"returnCode": 7})
    after = values(await workers.run("count"))
    assert after["pid"] != first["pid"]


async def test_kill_lets_the_function_clean_up(workers: Workers, tmp_path: Path) -> None:
    file = tmp_path / "cleaned"
    launch = workers.launch("sleep", file=f"'{file}'")
    running = asyncio.ensure_future(workers.runner.run(launch, workers.output))
    await workers.output.is_ready.wait()
    workers.runner.kill(launch.order_id)
    outcome = await running
    assert outcome == Killed(outcome=Failed(named_values={"returnCode": 143}))
    assert file.exists()
    assert values(await workers.run("count"))["calls"] == 1


async def test_who_ignores_sigterm_is_killed(workers: Workers) -> None:
    launch = workers.launch("stubborn", sigkill_delay_ms=1)
    running = asyncio.ensure_future(workers.runner.run(launch, workers.output))
    await workers.output.is_ready.wait()
    workers.runner.kill(launch.order_id)
    assert await running == Killed(outcome=Failed(named_values={"returnCode": 137}))


async def test_timeout(workers: Workers, tmp_path: Path) -> None:
    outcome = await workers.run("sleep", file=f"'{tmp_path / 'cleaned'}'", timeout_ms=1)
    assert isinstance(outcome, TimedOut)


async def test_much_output_arrives_completely_and_only_once(workers: Workers) -> None:
    assert values(await workers.run("big", size="1000000")) == {"returnCode": 0}
    assert workers.output.out == "x" * 1_000_000
    assert values(await workers.run("echo", text="'next'")) == {"text": "next", "returnCode": 0}
    assert workers.output.out == "next"


async def test_the_environment_is_that_of_the_job(workers: Workers) -> None:
    assert values(await workers.run("environment", name="'OWN'"))["value"] == "mine"
    assert values(await workers.run("environment", name="'INHERITED'"))["value"] == "yes"
    assert values(await workers.run("environment", name="'HOME'"))["value"] is None


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("nothing", {}, "cannot be found"),
        ("missing.module:f", {}, "not in the Agent's directory"),
        ("os:system", {"command": "'true'"}, "not in the Agent's directory"),
        ("jobs:calls", {}, "not callable"),
        ("echo", {}, "needs text"),
        ("count", {"nonsense": "1"}, "no parameter nonsense"),
        ("wrong", {}, "no JSON"),
        ("com.example.Job", {}, "needs a Java machine"),
    ],
)
async def test_what_cannot_be_called_says_why(
    workers: Workers, name: str, arguments: dict[str, str], expected: str
) -> None:
    outcome = await workers.run(name, **arguments)
    assert isinstance(outcome, Failed) and expected in str(outcome.message), outcome


async def test_an_argument_that_cannot_be_evaluated(workers: Workers) -> None:
    assert isinstance(await workers.run("echo", text="$nope"), Disrupted)


async def test_installed_modules_must_be_allowed(world: World, tmp_path: Path) -> None:
    workers = Workers(world, tmp_path, allows_installed=True)
    outcome = await workers.run("json:dumps", obj="[1]")
    assert isinstance(outcome, Failed) and "must return None or a dict" in str(outcome.message)
    await workers.runner.close_workers()
    workers.runner.close()


async def test_a_child_that_holds_the_output_does_not_hold_the_job(workers: Workers) -> None:
    assert values(await workers.run("child")) == {"returnCode": 0}
    assert values(await workers.run("count"))["calls"] == 1
