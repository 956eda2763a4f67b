"""One simulated installation: real Controller, Agents and a Subagent on machines of one loop, a client, a receiver.

    report = simulate(Plan(seed=1))

The client registers the Agents, deploys one workflow and adds orders, repeating what was not answered, as a careful
script does. The receiver takes the Controller's events, as a Cockpit does: release follows receipt. Faults come from
the plan; then the machines are left in peace, all orders must end, and `checks` looks at everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.subagent.events import ServerMeteringEvent
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.controller.node import ControllerNode
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.journal import JournalOptions
from stellwerk.simulation.disk import CrashForm, Keep, SimulatedDisk
from stellwerk.simulation.loop import SimulatedLoop, run
from stellwerk.simulation.machine import AnyNode, Machine
from stellwerk.simulation.network import Link, SimulatedPeer, Weather
from stellwerk.simulation.subagents import SimulatedSubagentPeer, SubagentMachine
from stellwerk.simulation.world import JobWitness, SeededRandom, SimulatedClock, SimulatedProcesses
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier

CONTROLLER = "controller"
AGENTS = ("A", "B")
#: A Subagent of Agent A on a machine of its own.
SUBAGENT = "A-2"
#: The receiver of the Controller's events, and the client's user.
COCKPIT = "cockpit"
WORKFLOW = "nightly"
#: Faults end here; from then on everything must come to rest.
QUIET_AFTER_SECONDS = 40.0
#: Simulated time within which all orders must have ended.
DEADLINE_SECONDS = 900.0
_REPEAT_SECONDS = 0.7
_ENDED = frozenset({"OrderFinished", "OrderFailed", "OrderCancelled"})


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run depends on: the same plan gives the same run."""

    seed: int
    orders: int = 3
    weather: Weather = Weather()
    #: Kills, power failures and cuts at random moments.
    faults: int = 0
    #: The power of this machine fails at its n-th operation of the disk, in this form.
    crash: tuple[str, int, CrashForm] | None = None
    #: A deliberately broken variant, by name (`broken.VARIANTS`).
    variant: str | None = None


class Parts(msgspec.Struct, frozen=True):
    """What a broken variant exchanges."""

    disk: Callable[[random.Random], SimulatedDisk] = SimulatedDisk
    controller: Callable[..., ControllerNode] = ControllerNode
    agent: Callable[..., AgentNode] = AgentNode
    #: Cuts of the network bring it to light, not crashes at a write.
    needs_cuts: bool = False


class SimulatedSignatures(SignatureVerifier):
    """Signatures whose text is the same in each run: ECDSA's are not."""

    def __init__(self) -> None:
        super().__init__(())

    def verify(self, text: str, signature: Signature) -> None:
        if signature.signature_string != hashlib.sha256(text.encode()).hexdigest():
            raise ProblemError.of("TamperedWithSignedMessage")


def _signed(item: Mapping[str, Any]) -> dict[str, Any]:
    text = encode(item).decode()
    signature = {"TYPE": "X509", "signatureString": hashlib.sha256(text.encode()).hexdigest()}
    return {"TYPE": "AddOrChangeSigned", "signedString": {"string": text, "signature": signature}}


def _job(agent: str, step: str, **script: Any) -> dict[str, Any]:
    """An instruction whose script is read by `SimulatedProcess`."""
    return {
        "TYPE": "Execute.Anonymous",
        "job": {
            "agentPath": agent,
            "processLimit": 100,
            "executable": {
                "TYPE": "ShellScriptExecutable",
                "script": "#!simulated\n" + encode(script).decode(),
                "env": {"ORDER": "$js7OrderId", "STEP": f"'{step}'"},
            },
        },
    }


def workflow() -> dict[str, Any]:
    """A fork over both Agents with its join, a flaky step that is retried, a branch on a result, a sleep."""
    flaky = {
        "TYPE": "Try",
        "try": {"instructions": [_job("B", "flaky", seconds=0.3, failures=2)]},
        "catch": {"instructions": [{"TYPE": "Retry"}]},
        "maxTries": 60,
        "retryDelays": [0.4],
    }
    fork = {
        "TYPE": "Fork",
        "branches": [
            {
                "id": "left",
                "workflow": {"instructions": [_job("A", "left", seconds=1.0), _job("B", "over", seconds=0.3)]},
            },
            {"id": "right", "workflow": {"instructions": [_job("B", "right", seconds=0.5, is_stubborn=True)]}},
        ],
    }
    return {
        "TYPE": "Workflow",
        "path": WORKFLOW,
        "instructions": [
            _job("A", "extract", seconds=0.4),
            fork,
            flaky,
            {
                "TYPE": "If",
                "ifThens": [{"predicate": "$returnCode == 0", "then": {"instructions": [_job("A", "report")]}}],
                "else": {"instructions": [{"TYPE": "Fail"}]},
            },
        ],
    }


class Report(msgspec.Struct, frozen=True):
    """What came out of a run."""

    plan: Plan
    violations: tuple[str, ...]
    #: Of all committed events of all nodes.
    hash: str
    simulated_seconds: float
    faults: Mapping[str, int]
    #: Operations of the disks, by machine: the points at which a crash can be planned.
    operations: Mapping[str, int]
    events: int
    starts: int
    trace: tuple[str, ...]


class SimulatedInstallation:
    """See the module."""

    def __init__(self, plan: Plan, parts: Parts, loop: SimulatedLoop, folder: Path) -> None:
        self.plan = plan
        self.loop = loop
        self.random = random.Random(plan.seed)
        self.witness = JobWitness()
        self.machines: dict[str, Machine] = {}
        self.links: dict[str, Link] = {}
        self.faults: dict[str, int] = {}
        #: Readable history: (seconds, text).
        self.trace: list[tuple[float, str]] = []
        #: Orders whose addition has been acknowledged.
        self.acknowledged: list[str] = []
        #: The Controller's events as the receiver has them.
        self.received: list[bytes] = []
        self._parts = parts
        self._folder = folder
        self._verifier = SimulatedSignatures()
        self._is_deployed = False
        for name in (CONTROLLER, *AGENTS):
            self._add_machine(name)
        self.subagent_machine = self._add_subagent_machine(SUBAGENT)
        if plan.crash is not None:
            name, number, form = plan.crash
            self.machines[name].disk.crash_at = (number, form)
            # Drawn for each point by itself: the run's own generator would draw the same for all.
            self.machines[name].crash_keep = random.Random(f"{plan.seed} {plan.crash}").choice(list(Keep))

    def _child_random(self) -> random.Random:
        return random.Random(self.random.getrandbits(64))

    def _add_machine(self, name: str) -> None:
        disk = self._parts.disk(self._child_random())
        speed = self._child_random()

        async def sync_gate() -> None:
            await asyncio.sleep(0.004 * speed.random())

        disk.sync_gate = sync_gate
        seeded = SeededRandom(self.random.getrandbits(64))
        processes = SimulatedProcesses(name, self.loop, self._child_random(), self.witness)
        make = self._make_controller if name == CONTROLLER else self._make_agent
        machine = Machine(name, self.loop, seeded, disk, processes, self._folder / name, make)
        machine.on_end.append(lambda: self.note(name, "is down"))
        self.machines[name] = machine
        self.links[name] = Link(self.loop, machine, self._child_random(), self.plan.weather)

    def _add_subagent_machine(self, name: str) -> SubagentMachine:
        clock, seeded = SimulatedClock(self.loop), SeededRandom(self.random.getrandbits(64))
        processes = SimulatedProcesses("A", self.loop, self._child_random(), self.witness)
        machine = SubagentMachine(
            name,
            self.loop,
            processes,
            lambda: self._make_subagent(processes, clock, seeded, self._folder / name),
        )
        machine.on_end.append(lambda: self.note(name, "is down"))
        self.links[name] = Link(self.loop, machine, self._child_random(), self.plan.weather)
        return machine

    def _make_subagent(self, processes: SimulatedProcesses, clock: Clock, seeded: Random, folder: Path) -> Subagent:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        launch = LaunchSettings(environment={}, executables_directory=folder, script_injection_allowed=True)
        runner = JobRunner(processes, clock, folder, JobRunnerOptions(launch=launch))
        return Subagent(runner, clock, seeded, {}, lambda: self._verifier, measure=lambda: _IDLE_MACHINE)

    def _make_controller(self, machine: Machine) -> AnyNode:
        def peer(agent_path: str, uri: str) -> SimulatedPeer:
            return SimulatedPeer(self.links[agent_path], CONTROLLER)

        node: AnyNode = self._parts.controller(
            CONTROLLER, machine.effects, peer, lambda: self._verifier, _JOURNAL, (COCKPIT,)
        )
        return node

    def _make_agent(self, machine: Machine) -> AnyNode:
        effects = machine.effects
        subagent = self._make_subagent(machine.processes, effects.clock, effects.random, machine.work_directory)
        node: AnyNode = self._parts.agent(
            effects,
            subagent,
            lambda: self._verifier,
            _JOURNAL,
            directories=machine.directories,
            remote_peers=lambda own_id, item: SimulatedSubagentPeer(self.links[item.id]),
        )
        return node

    def note(self, who: str, text: str) -> None:
        self.trace.append((self.loop.now_seconds, f"{who} {text}"))

    # --- one run ---

    async def run(self) -> None:
        for machine in self.machines.values():
            machine.start()
        self.subagent_machine.start()
        receiver = asyncio.create_task(self._receive())
        client = asyncio.create_task(self._be_client())
        faults = asyncio.create_task(self._break_things())
        try:
            # `checks` says what has not ended by then.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until_rest(client, faults), DEADLINE_SECONDS)
        finally:
            for task in (receiver, client, faults):
                task.cancel()
            await asyncio.gather(receiver, client, faults, return_exceptions=True)

    async def _until_rest(self, client: asyncio.Task[None], faults: asyncio.Task[None]) -> None:
        await asyncio.gather(client, faults)
        # At the end all machines run and can be reached.
        for name, machine in self.machines.items():
            self.links[name].heal()
            machine.start()
        self.links[SUBAGENT].heal()
        self.subagent_machine.start()
        while not self._is_at_rest():  # noqa: ASYNC110 - simulated time: nobody waits
            await asyncio.sleep(0.5)

    def _is_at_rest(self) -> bool:
        record = self.machines[CONTROLLER].record
        ended = {envelope.key for envelope in record.envelopes if envelope.type in _ENDED}
        if not ended.issuperset(self.order_ids) or any(machine.node is None for machine in self.machines.values()):
            return False
        last = max(envelope.event_id for envelope in record.envelopes if envelope.type != "JournalEventsReleased")
        return len(self.received) > 0 and decode_envelope(self.received[-1]).event_id >= last

    @property
    def order_ids(self) -> list[str]:
        return [f"O-{number}" for number in range(1, self.plan.orders + 1)]

    async def _break_things(self) -> None:
        chance = self._child_random()
        for moment in sorted(chance.uniform(0.5, QUIET_AFTER_SECONDS) for _ in range(self.plan.faults)):
            await asyncio.sleep(max(0.0, moment - self.loop.now_seconds))
            name = chance.choice([CONTROLLER, *AGENTS, SUBAGENT])
            kind = chance.choice(["kill", "power failure", "cut"])
            if kind == "cut":
                self.links[name].cut()
                self.loop.later(chance.uniform(0.1, 8.0), self.links[name].heal)
            elif not self._break(name, kind, chance):
                continue
            self.faults[kind] = self.faults.get(kind, 0) + 1
            self.note(name, kind)

    def _break(self, name: str, kind: str, chance: random.Random) -> bool:
        """False when the machine is down already."""
        machine = self.subagent_machine if name == SUBAGENT else self.machines[name]
        if machine.life is None:
            return False
        if kind == "kill":
            machine.kill()
        elif isinstance(machine, Machine):
            machine.fail(chance.choice(list(Keep)))
        else:
            machine.fail()
        machine.restart_later()
        return True

    # --- client and receiver ---

    def _peer(self) -> SimulatedPeer:
        return SimulatedPeer(self.links[CONTROLLER], COCKPIT)

    async def _be_client(self) -> None:
        await self._until_done(self._deploy)
        for order_id in self.order_ids:
            command = {"TYPE": "AddOrder", "order": {"id": order_id, "workflowPath": WORKFLOW}}

            async def add(body: bytes = encode(command)) -> None:
                await self._peer().command(body)

            await self._until_done(add)
            self.acknowledged.append(order_id)
            self.note("client", f"{order_id} is acknowledged")
            await asyncio.sleep(self.random.random())

    async def _until_done(self, call: Callable[[], Any]) -> None:
        """Repeat what was not answered, or could not be done now."""
        while True:
            try:
                await call()
                return
            except (PeerUnreachableError, ProblemError) as error:
                self.note("client", f"repeats: {error}")
                await asyncio.sleep(_REPEAT_SECONDS)

    async def _deploy(self) -> None:
        if self._is_deployed:
            return
        operations: list[dict[str, Any]] = []
        for path in AGENTS:
            items = (
                {"TYPE": "AgentRef", "path": path, "directors": [f"{path}-1"]},
                {"TYPE": "SubagentItem", "id": f"{path}-1", "agentPath": path, "uri": f"http://{path}"},
            )
            operations += [{"TYPE": "AddOrChangeSimple", "item": item} for item in items]
        remote = {"TYPE": "SubagentItem", "id": SUBAGENT, "agentPath": "A", "uri": f"http://{SUBAGENT}"}
        operations.append({"TYPE": "AddOrChangeSimple", "item": remote})
        operations.append({"TYPE": "AddVersion", "versionId": "1"})
        operations.append(_signed({**workflow(), "versionId": "1"}))
        body = b"\n".join(encode(operation) for operation in operations)

        async def update(node: AnyNode) -> None:
            assert isinstance(node, ControllerNode)
            if not any(workflow_id.path == WORKFLOW for workflow_id in node.state.workflows):
                await node.update_items(body)
            await node.durable()

        await self.links[CONTROLLER].call(update)
        self._is_deployed = True

    async def _receive(self) -> None:
        """Exactly once: what is received is kept, then released; after a break it goes on behind the last event."""
        peer = self._peer()
        after = 0
        while True:
            try:
                async for lines in peer.events(after=after):
                    for line in lines:
                        self.received.append(line)
                        after = decode_envelope(line).event_id
                    # A release is an event, too, but no reason for the next one.
                    if any(decode_envelope(line).type != "JournalEventsReleased" for line in lines):
                        release = {"TYPE": "ReleaseEvents", "untilEventId": after}
                        await peer.command(encode(release))
            except (PeerUnreachableError, ProblemError) as error:
                self.note("receiver", f"repeats: {error}")
            await asyncio.sleep(_REPEAT_SECONDS)


#: What each machine measures.
_IDLE_MACHINE = ServerMeteringEvent(
    cpu_load=0.0, committed_virtual_memory_size=1 << 30, free_memory_size=1 << 33, total_memory_size=1 << 34
)
_JOURNAL = JournalOptions(low_space_bytes=0, reserve_bytes=0, snapshot_period_ms=5_000)


def simulate(plan: Plan) -> Report:
    """One run, from nothing to rest, and all checks."""
    from stellwerk.simulation.broken import VARIANTS
    from stellwerk.simulation.checks import violations_of

    parts = Parts() if plan.variant is None else VARIANTS[plan.variant]

    async def main() -> Report:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        with tempfile.TemporaryDirectory(prefix="stellwerk-simulation-") as folder:
            installation = SimulatedInstallation(plan, parts, loop, Path(folder))
            await installation.run()
            machines = installation.machines.values()
            crashes = sum(machine.crashes for machine in machines)
            return Report(
                plan=plan,
                violations=tuple(violations_of(installation)),
                hash=_hash_of(installation),
                simulated_seconds=loop.now_seconds,
                faults={**installation.faults, "ended runs": crashes},
                operations={machine.name: len(machine.disk.operations) for machine in machines},
                events=sum(len(machine.record.lines) for machine in machines),
                starts=len(installation.witness.starts),
                trace=tuple(_trace_of(installation)),
            )

    report: Report = run(main())
    return report


def _hash_of(installation: SimulatedInstallation) -> str:
    digest = hashlib.sha256()
    for machine in installation.machines.values():
        for line in machine.record.lines:
            digest.update(line)
    return digest.hexdigest()


def _trace_of(installation: SimulatedInstallation) -> list[str]:
    """What was done and which events came of it, by time, as a conversation."""
    from stellwerk.simulation.world import START_MS

    rows = [(seconds, text) for seconds, text in installation.trace]
    for machine in installation.machines.values():
        for line, envelope in zip(machine.record.lines, machine.record.envelopes, strict=True):
            if not envelope.type.startswith("Journal"):
                body = {key: value for key, value in decode(line).items() if key not in ("eventId", "timestamp")}
                rows.append((envelope.event_id / 1e6 - START_MS / 1e3, f"{machine.name} {encode(body).decode()[:240]}"))
    return [f"{seconds:9.3f}  {text}" for seconds, text in sorted(rows, key=lambda row: row[0])]
