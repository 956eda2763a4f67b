"""An installation for measurements: `stellwerk up` with one Agent in a fresh folder, seen from outside.

The bench believes its own clock: a point in time is when *it* has got the event from the Controller's stream, or the
row from the Cockpit's history.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from stellwerk.cli.rest import Cockpit, Target, local_token
from stellwerk.wire.client import Credentials, HttpPeer

CONTROLLER_ID = "controller"
AGENT = "agent-1"
#: A measurement that takes longer has failed.
TIMEOUT_SECONDS = 180.0
_FOLDER = "/bench"
_SAMPLE = re.compile(r"^(stellwerk_\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)
_ENDS = {"OrderFinished", "OrderFailed", "OrderBroken", "OrderCancelled"}

#: Metric → value.
Figures = Mapping[str, float]


class Event(msgspec.Struct, frozen=True):
    """An event line, as far as the bench needs it."""

    event_id: int = msgspec.field(name="eventId")
    type: str = msgspec.field(name="TYPE")
    key: Any = msgspec.field(name="Key", default=None)


_event_decoder = msgspec.json.Decoder(Event)


class Installation:
    """A running `up`."""

    def __init__(self, data: Path, process: asyncio.subprocess.Process, ready: dict[str, Any], started: float) -> None:
        self.data = data
        self.pid = process.pid
        self.ready = ready
        #: `time.perf_counter()` when the process was started, and when it said that it was ready.
        self.started = started
        self.became_ready = time.perf_counter()
        self.cockpit: Cockpit
        self.controller: HttpPeer
        #: Order id → when its end was read from the Controller's stream.
        self.ended: dict[str, float] = {}
        self._has_ended = asyncio.Event()
        self.ended_badly: list[str] = []

    @property
    def controller_pid(self) -> int:
        return int(self.ready["components"]["controller"]["pid"])

    @property
    def agent_pid(self) -> int:
        return int(self.ready["components"]["agents"][AGENT]["pid"])

    @property
    def cockpit_pid(self) -> int:
        return int(self.ready["components"]["cockpit"]["pid"])

    @property
    def controller_command(self) -> list[str]:
        return list(self.ready["components"]["controller"]["command"])

    async def coupled(self) -> None:
        """Return when the pair of Controllers is coupled."""

        async def is_coupled() -> bool:
            state = msgspec.json.decode(await self.controller.get("cluster"))
            return bool(state["TYPE"] == "Coupled")

        await wait_until(is_coupled)

    # --- orders ---

    async def deploy(self, workflows: Mapping[str, dict[str, Any]]) -> None:
        """Store and deploy workflows (name → inventory form)."""
        for name, workflow in workflows.items():
            await self.cockpit.post(
                "inventory/store", {"path": f"{_FOLDER}/{name}", "objectType": "WORKFLOW", "configuration": workflow}
            )
        drafts = [{"configuration": {"path": f"{_FOLDER}/{name}", "objectType": "WORKFLOW"}} for name in workflows]
        await self.cockpit.post(
            "inventory/deployment/deploy",
            {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": drafts}},
        )

    async def add(self, workflow: str, count: int = 1, **members: Any) -> list[str]:
        """Add orders with one call; returns their ids."""
        order = {"workflowPath": f"{_FOLDER}/{workflow}", "orderName": workflow, **members}
        answer = await self.cockpit.post("orders/add", {"controllerId": CONTROLLER_ID, "orders": [order] * count})
        return [str(order_id) for order_id in answer["orderIds"]]

    async def all_ended(self, order_ids: list[str]) -> float:
        """Wait for the ends of these orders at the Controller; returns when the last one was read."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not all(order_id in self.ended for order_id in order_ids):
                self._has_ended.clear()
                await self._has_ended.wait()
        if self.ended_badly:
            raise AssertionError(f"orders did not finish: {self.ended_badly[:3]}")
        return max(self.ended[order_id] for order_id in order_ids)

    async def all_in_history(self, order_ids: list[str]) -> float:
        """Wait until the Cockpit's history shows that these orders have succeeded; returns when it did."""
        # Events are projected in order: first wait for the order that ended last, then look at all.
        last = max(order_ids, key=lambda order_id: self.ended[order_id])
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not await self._history(orderId=last):  # noqa: ASYNC110 - REST has to be asked
                await asyncio.sleep(0.002)
            arrived = time.perf_counter()
        missing = set(order_ids) - {row["orderId"] for row in await self._history(limit=len(self.ended) + 10)}
        if missing:
            raise AssertionError(f"{len(missing)} orders are missing in the history")
        return arrived

    async def _history(self, **filters: Any) -> list[dict[str, Any]]:
        request = {"controllerId": CONTROLLER_ID, "historyStates": ["SUCCESSFUL"], **filters}
        rows: list[dict[str, Any]] = (await self.cockpit.post("orders/history", request))["history"]
        return rows

    async def task_count(self, **filters: Any) -> int:
        """Attempts in the history."""
        request = {"controllerId": CONTROLLER_ID, "limit": 10_000, **filters}
        return len((await self.cockpit.post("tasks/history", request))["history"])

    # --- events of the Controller ---

    async def read_events(self) -> None:
        """Note the ends of orders as the Controller's stream tells them; runs until cancelled."""
        after = int(msgspec.json.decode(await self.controller.get("journalInfo"))["lastEventId"])
        async for lines in self.controller.events(after=after, returns="OrderEvent"):
            now = time.perf_counter()
            for line in lines:
                event = _event_decoder.decode(line)
                if event.type in _ENDS and "|" not in event.key:
                    self.ended[event.key] = now
                    if event.type != "OrderFinished":
                        self.ended_badly.append(line.decode())
            self._has_ended.set()

    # --- figures ---

    async def figures(self, component: str) -> Figures:
        """The metrics of `controller` or `agent` with the session that it keeps for commands on its machine."""
        folder = self.data / "controller" if component == "controller" else self.data / "agents" / AGENT
        components = self.ready["components"]
        url = components["controller"]["url"] if component == "controller" else components["agents"][AGENT]["url"]
        token = (folder / "work" / "session-token").read_text().strip()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/metrics", headers={"x-js7-session": token}) as response,
        ):
            response.raise_for_status()
            text = await response.text()
        return {name: float(value) for name, value in _SAMPLE.findall(text)}


@asynccontextmanager
async def installation(environment: Mapping[str, str] | None = None, *options: str) -> AsyncIterator[Installation]:
    """Start `up` on a fresh folder below the working directory (a real disk), stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIRECTORY", ".")) as folder:
        async with running(Path.cwd() / folder, environment, *options) as up:
            yield up


@asynccontextmanager
async def running(
    data: Path, environment: Mapping[str, str] | None = None, *options: str
) -> AsyncIterator[Installation]:
    """`up` on this folder, with its Cockpit and its Controller's event stream."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stellwerk.cli", "up", "--json", "--port", "0", "--agents", AGENT, "--data", str(data)),
        *options,
        stdout=asyncio.subprocess.PIPE,
        env={**_environment(), **(environment or {})},
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise AssertionError(f"up did not start; see its messages above and the logs in {data}")
        up = Installation(data, process, msgspec.json.decode(line), started)
        up.controller = _controller_peer(up)
        async with Cockpit(Target(up.ready["url"], token=local_token(data), controller_id=CONTROLLER_ID)) as cockpit:
            up.cockpit = cockpit
            reader = asyncio.create_task(up.read_events())
            try:
                yield up
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                await up.controller.close()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _environment() -> dict[str, str]:
    """Ours, but byte code is kept between starts, as with every installed package."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _controller_peer(up: Installation) -> HttpPeer:
    secrets = tomllib.loads((up.data / "cockpit/private/controllers" / f"{CONTROLLER_ID}.toml").read_text())
    credentials = Credentials(secrets["user"], secrets["password"])
    return HttpPeer(up.ready["components"]["controller"]["url"], "controller", credentials)


async def wait_until(condition: Callable[[], Awaitable[bool]], pause_seconds: float = 0.005) -> float:
    """Ask again and again; returns when it was true. Raises `TimeoutError`."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is asked does not tell by itself
            await asyncio.sleep(pause_seconds)
    return time.perf_counter()


def sequence(
    jobs: int, *, job_count: int | None = None, script: str = "true", parallelism: int = 1000
) -> dict[str, Any]:
    """A workflow of `jobs` executions in sequence, of as many jobs unless `job_count` says fewer."""
    job_count = jobs if job_count is None else job_count
    names = [f"job-{number}" for number in range(job_count)]
    return workflow([_execute(names[number % job_count]) for number in range(jobs)], names, script, parallelism)


def fork(branches: int) -> dict[str, Any]:
    """One fork, a job in each branch."""
    return workflow(
        [
            {
                "TYPE": "Fork",
                "branches": [
                    {"id": f"branch-{number}", "workflow": {"instructions": [_execute("job")]}}
                    for number in range(branches)
                ],
            }
        ],
        ["job"],
    )


def workflow(
    instructions: list[dict[str, Any]], jobs: list[str], script: str = "true", parallelism: int = 1000
) -> dict[str, Any]:
    job = {
        "agentName": AGENT,
        "parallelism": parallelism,
        "executable": {"TYPE": "ShellScriptExecutable", "script": script},
    }
    return {"version": "1.7.0", "instructions": instructions, "jobs": dict.fromkeys(jobs, job)}


def _execute(job: str) -> dict[str, Any]:
    return {"TYPE": "Execute.Named", "jobName": job}
