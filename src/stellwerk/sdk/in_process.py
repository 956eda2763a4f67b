"""An installation in this process: a Controller and Agents as real nodes, with real disk, jobs and clock, no network.

    async with InProcessInstallation(folder, ("A",)) as installation:
        version = await installation.deploy([workflow])
        await installation.command({"TYPE": "AddOrder", "order": {"id": "O", "workflowPath": "W"}})
        async for lines in installation.events():
            ...

For `stellwerk run`, conformance vectors and tests of workflows. What happens in it is what happens in a real
installation: only HTTP and the Cockpit are left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.metering import SystemMeter
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.controller.node import ControllerNode
from stellwerk.effects.clock import SystemClock, SystemRandom, system_environment
from stellwerk.effects.system_directories import SystemDirectories
from stellwerk.effects.system_disk import SystemDisk
from stellwerk.journal import JournalOptions
from stellwerk.node.direct_peer import DirectPeer
from stellwerk.node.node import NodeEffects
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode
from stellwerk.wire.signatures import SignatureVerifier, SigningKey, sign

CONTROLLER_ID = "controller"
#: The user in whose name commands are given; the only receiver of events, which are never released.
USER_ID = "in-process"
#: Little room is needed, and nobody waits for more.
_JOURNAL = JournalOptions(low_space_bytes=1 << 20, reserve_bytes=1 << 16)
_SIGNED_TYPES = ("Workflow", "JobResource")


class InProcessInstallation:
    """See the module. `agents` are AgentPaths; Agent `A` has the Director's Subagent `A-1`."""

    def __init__(
        self,
        folder: Path,
        agents: Iterable[str],
        *,
        environment: Mapping[str, str] | None = None,
        output_delay_seconds: float = 0.05,
        process_limit: int | None = None,
    ) -> None:
        """`environment` is what jobs inherit; default: this process' own."""
        self.folder = folder
        self.agent_paths = tuple(agents)
        self.controller: ControllerNode
        self.agents: dict[str, AgentNode] = {}
        #: Version ids of the deployments so far.
        self.versions: list[str] = []
        self._clock = SystemClock()
        self._meter = SystemMeter()
        self._environment = system_environment() if environment is None else environment
        self._output_delay_seconds = output_delay_seconds
        self._process_limit = process_limit
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        self._key = SigningKey.generate("in-process", now - timedelta(days=1))
        self._trusted = SignatureVerifier([self._key.certificate])
        self._processes: list[SystemProcesses] = []
        self._disks: list[SystemDisk] = []

    async def __aenter__(self) -> InProcessInstallation:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    # --- life ---

    async def start(self) -> None:
        """Start all nodes and register the Agents."""
        for path in self.agent_paths:
            await self._start_agent(path)
        self.controller = ControllerNode(
            CONTROLLER_ID,
            self._effects(CONTROLLER_ID),
            lambda path, uri: DirectPeer(lambda: self.agents.get(path), CONTROLLER_ID),
            lambda: self._trusted,
            _JOURNAL,
            (USER_ID,),
        )
        await self.controller.start()
        await self.update_items([item for path in self.agent_paths for item in self._agent_items(path)])

    async def stop(self) -> None:
        """Kill what still runs and end all nodes. Idempotent."""
        if hasattr(self, "controller"):
            await self.controller.stop()
        for agent in self.agents.values():
            await agent.stop()
            await agent.subagent.close()
        self.agents.clear()
        while self._processes:
            await self._processes.pop().close()
        while self._disks:
            self._disks.pop().close()

    async def _start_agent(self, path: str) -> None:
        work = self.folder / path / "work"
        work.mkdir(parents=True)
        processes = SystemProcesses(self.folder / path / "processes")
        self._processes.append(processes)
        launch = LaunchSettings(
            environment=self._environment,
            executables_directory=self.folder / path / "executables",
            script_injection_allowed=True,
        )
        options = JobRunnerOptions(launch=launch, output_delay_seconds=self._output_delay_seconds)
        effects = self._effects(path)
        subagent = Subagent(
            JobRunner(processes, self._clock, work, options),
            self._clock,
            effects.random,
            self._environment,
            lambda: self._trusted,
            measure=self._meter.measure,
        )
        agent = AgentNode(
            effects,
            subagent,
            lambda: self._trusted,
            _JOURNAL,
            directories=SystemDirectories(),
        )
        self.agents[path] = agent
        await agent.start()

    def _effects(self, name: str) -> NodeEffects:
        directory = self.folder / name / "state"
        directory.mkdir(parents=True)
        disk = SystemDisk(directory)
        self._disks.append(disk)
        return NodeEffects(disk, self._clock, SystemRandom(), self._environment)

    def _agent_items(self, path: str) -> list[dict[str, Any]]:
        agent: dict[str, Any] = {"TYPE": "AgentRef", "path": path, "directors": [f"{path}-1"]}
        if self._process_limit is not None:
            agent["processLimit"] = self._process_limit
        return [agent, {"TYPE": "SubagentItem", "id": f"{path}-1", "agentPath": path, "uri": "http://in-process"}]

    # --- commands ---

    async def command(self, command: Mapping[str, Any]) -> Any:
        """Execute one command of the Controller; returns its answer. Raises `ProblemError`."""
        return decode(await self.controller.execute(encode(command), USER_ID))

    async def deploy(self, items: Sequence[Mapping[str, Any]], version: str | None = None) -> str:
        """All items in one update: workflows with a new version, which is returned. Raises `ProblemError`."""
        version = version or f"v{len(self.versions) + 1}"
        await self.update_items(items, version)
        self.versions.append(version)
        return version

    async def update_items(self, items: Sequence[Mapping[str, Any]], version: str | None = None) -> None:
        """Items in the engine's spelling, signed as needed. Raises `ProblemError`; then nothing has changed."""
        await self.controller.update_items(item_operations(items, version, self._key))

    # --- events ---

    async def events(self, after: int = 0) -> AsyncIterator[list[bytes]]:
        """The Controller's durable events as lines, in batches as they come, from the first on; without an end."""
        journal = self.controller.journal
        after = after or journal.torn_event_id
        while True:
            lines = journal.read_after(after)
            if lines:
                after = decode_envelope(lines[-1]).event_id
                yield lines
            else:
                await journal.wait_after(after)


def item_operations(items: Sequence[Mapping[str, Any]], version: str | None, key: SigningKey) -> bytes:
    """One update of a Controller's items, a line each: those in the engine's spelling, signed as needed."""
    operations: list[Any] = []
    if any(item["TYPE"] == "Workflow" for item in items):
        operations.append({"TYPE": "AddVersion", "versionId": version})
    for item in items:
        if item["TYPE"] in _SIGNED_TYPES:
            text = encode({**item, "versionId": version} if item["TYPE"] == "Workflow" else item).decode()
            signed = {"string": text, "signature": sign(text, key)}
            operations.append({"TYPE": "AddOrChangeSigned", "signedString": signed})
        else:
            operations.append({"TYPE": "AddOrChangeSimple", "item": item})
    return b"\n".join(encode(operation) for operation in operations)
