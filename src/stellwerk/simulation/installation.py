"""One simulated installation: the real Controller and Agents on machines of one loop, with a client and a receiver.

    report = simulate(Plan(seed=1))

The client registers the Agents, deploys one workflow and adds orders, repeating what was not answered, as a careful
script does. The receiver takes the Controller's events, as a Cockpit does: release follows receipt. Faults come from
the plan; then the machines are left in peace, all orders must end, and `checks` looks at everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.director.subagent_driver import DriverTiming
from stellwerk.agent.subagent.events import ServerMeteringEvent
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.cluster.member import ClusterConfiguration
from stellwerk.controller.node import ControllerNode
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine.cluster import Coupled
from stellwerk.journal import JournalOptions
from stellwerk.language.items import SubagentItem
from stellwerk.node.cluster_host import STAND_ALONE, NodeCluster
from stellwerk.simulation.disk import CrashForm, Keep, SimulatedDisk
from stellwerk.simulation.facts import facts
from stellwerk.simulation.faults import Faults
from stellwerk.simulation.loop import SimulatedLoop, run
from stellwerk.simulation.machine import AnyNode, Machine, NodeMachine, Record
from stellwerk.simulation.network import Network, SimulatedClusterPeer, SimulatedPeer, Weather
from stellwerk.simulation.subagents import SimulatedSubagentPeer, SubagentMachine
from stellwerk.simulation.witness import WitnessMachine
from stellwerk.simulation.world import START_MS, JobWitness, SeededRandom, SimulatedProcesses
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.active_node import ActiveNodePeer
from stellwerk.wire.signatures import Signature, SignatureVerifier

CONTROLLER = "controller"
#: The second node of the pair, if there is one.
BACKUP_CONTROLLER = "controller-2"
AGENTS = ("A", "B")
#: The second Director of Agent A, if it has one.
BACKUP_DIRECTOR = "A-b"
#: A Subagent of Agent A on a machine of its own.
SUBAGENT = "A-2"
#: The receiver of the Controller's events, and the client's user.
COCKPIT = "cockpit"
WORKFLOW = "nightly"
#: Simulated time after the last fault within which all must have come to rest.
DEADLINE_SECONDS = 300.0
_REPEAT_SECONDS = 0.7
#: A short lease: machines are out of reach for long enough that it runs out and their jobs are given up.
_DRIVER_TIMING = DriverTiming(job_lease_seconds=3.0)
#: Ends of orders; a failed order is resumed, or cancelled when it had not begun.
_ENDED = frozenset({"OrderFinished", "OrderCancelled"})


Step = tuple[float, Literal["kill", "start", "reset"], str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run depends on: the same plan gives the same run."""

    seed: int
    orders: int = 3
    weather: Weather = Weather()
    #: How many Controllers: 1, or 2 for a pair; and how many witnesses arbitrate (0, 1 or 3).
    controllers: int = 1
    witnesses: int = 0
    #: How many Directors Agent A has: 1, or 2, for which the Controller is the watch.
    directors: int = 1
    #: Orders are added and faults happen within that time; from then on everything must come to rest.
    seconds: float = 40.0
    #: Kills, power failures, cuts, pauses and others at random moments, of those kinds (none: all that fit).
    faults: int = 0
    kinds: tuple[str, ...] = ()
    #: The share of jobs that last long.
    dragging: float = 0.15
    #: Syncs of a disk take up to so long.
    sync_seconds: float = 0.004
    #: The power of this machine fails at its n-th operation of the disk, in this form.
    crash: tuple[str, int, CrashForm] | None = None
    #: (seconds, what, machine or Agent): what happens besides, by plan.
    steps: tuple[Step, ...] = ()
    #: Numbers of faults that do not happen: what a failing run can do without.
    without: tuple[int, ...] = ()


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
    #: Facts that a set of runs must have shown at least once.
    sometimes: frozenset[str]
    #: Operations of the disks, by machine: the points at which a crash can be planned.
    operations: Mapping[str, int]
    events: int
    starts: int
    takeovers: int
    trace: tuple[str, ...]


class SimulatedInstallation:
    """See the module."""

    def __init__(self, plan: Plan, loop: SimulatedLoop, folder: Path) -> None:
        self.plan = plan
        self.loop = loop
        self.random = random.Random(plan.seed)
        self.witness = JobWitness()
        self.machines: dict[str, Machine] = {}
        #: Journals by name: that of the Controllers, and one for each Agent.
        self.records: dict[str, Record] = {}
        self.network = Network(loop, self._child_random(), plan.weather)
        self.faults: Counter[str] = Counter()
        self.sometimes: set[str] = set()
        #: Readable history: (seconds, text).
        self.trace: list[tuple[float, str]] = []
        #: Orders whose addition has been acknowledged.
        self.acknowledged: list[str] = []
        #: The Controller's events as the receiver has them.
        self.received: list[bytes] = []
        self._folder = folder
        self._verifier = SimulatedSignatures()
        self._is_deployed = False
        self.controllers = (CONTROLLER, BACKUP_CONTROLLER)[: plan.controllers]
        self.witnesses = tuple(f"witness-{number}" for number in range(1, plan.witnesses + 1))
        self.directors = ("A", BACKUP_DIRECTOR)[: plan.directors]
        for name in (*self.controllers, *self.witnesses, *self.directors, "B", SUBAGENT):
            self._add_machine(name)
        self.records[CONTROLLER].on_takeover = self._controller_takes_over
        for agent in AGENTS:
            self.records[agent].may_be_deleted = functools.partial(self._is_reset, agent)
        if plan.crash is not None:
            name, number, form = plan.crash
            self.machines[name].disk.crash_at = (number, form)
            # Drawn for each point by itself: the run's own generator would draw the same for all.
            self.machines[name].crash_keep = random.Random(f"{plan.seed} {plan.crash}").choice(list(Keep))

    def _is_reset(self, agent: str, journal_id: str) -> bool:
        """Whether the Controller has committed the reset of this Agent's journal (journal spec 1.9)."""
        is_reset = is_pending = False
        record = self.records[CONTROLLER]
        for line, envelope in zip(record.lines, record.envelopes, strict=True):
            if envelope.key == agent and envelope.type == "AgentResetStarted":
                is_reset = is_pending = True
            elif envelope.key == agent and envelope.type == "AgentReset":
                is_pending = False
            elif envelope.key == agent and envelope.type == "AgentDedicated":
                is_reset = is_pending or (is_reset and decode(line)["agentRunId"] != journal_id)
        return is_reset

    def _controller_takes_over(self, node: AnyNode) -> None:
        if isinstance(node.state.cluster_state, Coupled):  # its ClusterFailedOver is yet to be written
            if any(self.machines[name].life is None for name in AGENTS):
                self.sometimes.add("a fail-over while an Agent was down or out of reach")
            if self.witness.running:
                self.sometimes.add("a fail-over while a job was running")

    def _child_random(self) -> random.Random:
        return random.Random(self.random.getrandbits(64))

    # --- machines ---

    def _add_machine(self, name: str) -> None:
        disk = SimulatedDisk(self._child_random())
        speed = self._child_random()

        async def sync_gate() -> None:
            await asyncio.sleep(self.plan.sync_seconds * speed.random())

        disk.sync_gate = sync_gate
        seeded = SeededRandom(self.random.getrandbits(64))
        # Jobs are known by their Agent, wherever they run.
        agent = "A" if name in (SUBAGENT, BACKUP_DIRECTOR) else name
        processes = SimulatedProcesses(agent, self.loop, self._child_random(), self.witness, self.plan.dragging)
        machine: Machine
        if name == SUBAGENT:
            machine = SubagentMachine(name, self.loop, seeded, disk, processes, self._make_subagent)
        elif name in self.witnesses:
            machine = WitnessMachine(name, self.loop, seeded, disk, processes, self._uris(), self._cluster_peer(name))
        else:
            key = CONTROLLER if name in self.controllers else agent
            record = self.records.setdefault(key, Record(key))
            is_agent = name not in self.controllers
            machine = NodeMachine(
                name,
                self.loop,
                seeded,
                disk,
                processes,
                self._folder / name,
                record,
                self._make_agent if is_agent else self._make_controller,
                self._make_subagent if is_agent else None,
            )
        machine.note = lambda text: self.note(name, text)
        machine.on_end.append(lambda: self.note(name, "is down"))
        self.machines[name] = machine
        self.network.add(machine)

    def _uris(self) -> list[str]:
        return [f"http://{name}" for name in self.controllers]

    def _cluster_peer(self, client: str) -> Callable[[str], SimulatedClusterPeer]:
        return lambda uri: SimulatedClusterPeer(self.network.link(client, _machine_of(uri)))

    def _make_controller(self, machine: NodeMachine) -> AnyNode:
        def peer(agent_path: str, uris: tuple[str, ...]) -> SimulatedPeer | ActiveNodePeer:
            nodes = [SimulatedPeer(self.network.link(machine.name, _machine_of(uri)), CONTROLLER) for uri in uris]
            return nodes[0] if len(nodes) == 1 else ActiveNodePeer(nodes)

        watched = self._cluster_peer(machine.name)

        cluster = STAND_ALONE
        if len(self.controllers) == 2:
            own, other = machine.name, next(name for name in self.controllers if name != machine.name)
            configuration = ClusterConfiguration(
                is_backup=None, own_uri=f"http://{own}", peer_uri=f"http://{other}", watch_ids=self.witnesses
            )
            cluster = NodeCluster(configuration, self._cluster_peer(machine.name))
        return ControllerNode(
            CONTROLLER,
            machine.effects,
            peer,
            lambda: self._verifier,
            _JOURNAL,
            (COCKPIT,),
            cluster,
            watched_nodes=lambda agent_path, uri: watched(uri),
        )

    def _make_subagent(self, machine: Machine) -> Subagent:
        folder = self._folder / machine.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        launch = LaunchSettings(environment={}, executables_directory=folder, script_injection_allowed=True)
        runner = JobRunner(machine.processes, machine.clock, folder, JobRunnerOptions(launch=launch))
        return Subagent(
            runner, machine.clock, machine.effects.random, {}, lambda: self._verifier, measure=lambda: _IDLE_MACHINE
        )

    def _make_agent(self, machine: NodeMachine) -> AnyNode:
        def remote_peer(own_id: str, item: SubagentItem) -> SimulatedSubagentPeer:
            return SimulatedSubagentPeer(self.network.link(machine.name, _machine_of(item.uri), "subagent"))

        cluster = STAND_ALONE
        if machine.name in self.directors and len(self.directors) == 2:
            configuration = ClusterConfiguration(is_backup=machine.name == BACKUP_DIRECTOR)
            cluster = NodeCluster(configuration, self._cluster_peer(machine.name))

        return AgentNode(
            machine.effects,
            machine.subagent or self._make_subagent(machine),
            lambda: self._verifier,
            _JOURNAL,
            directories=machine.directories,
            remote_peers=remote_peer,
            driver_timing=_DRIVER_TIMING,
            cluster=cluster,
        )

    def note(self, who: str, text: str) -> None:
        self.trace.append((self.loop.now_seconds, f"{who} {text}"))

    # --- one run ---

    async def run(self) -> None:
        for machine in self.machines.values():
            machine.start()
        for seconds, what, name in self.plan.steps:
            self.loop.later(seconds, self._step, what, name)
        receiver = asyncio.create_task(self._receive())
        client = asyncio.create_task(self._be_client())
        faults = asyncio.create_task(Faults(self).happen())
        operator = asyncio.create_task(self._be_operator())
        try:
            # `checks` says what has not ended by then.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until_rest(client, faults), self.plan.seconds + DEADLINE_SECONDS)
        finally:
            tasks = (receiver, client, faults, operator)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    def _step(self, what: str, name: str) -> None:
        match what:
            case "reset":
                self.loop.create_task(self.ask_once({"TYPE": "ResetAgent", "agentPath": name}))
            case "kill":
                self.machines[name].kill()
            case _:
                self.machines[name].start()

    @property
    def has_violations(self) -> bool:
        """Something has happened already that must never happen: the rest of the run cannot mend it."""
        noted = [self.witness.violations]
        noted += [machine.violations for machine in self.machines.values()]
        noted += [record.violations for record in self.records.values()]
        return any(noted)

    async def _until_rest(self, client: asyncio.Task[None], faults: asyncio.Task[None]) -> None:
        while not faults.done() and not self.has_violations:
            await asyncio.wait([faults], timeout=1.0)
        if self.has_violations:
            return
        # From now on all machines run and can be reached.
        self.network.heal_all()
        for machine in self.machines.values():
            machine.start()
        while not (client.done() and self._is_at_rest()) and not self.has_violations:  # noqa: ASYNC110 - simulated
            await asyncio.sleep(0.5)

    def _is_at_rest(self) -> bool:
        record = self.records[CONTROLLER]
        ended = {envelope.key for envelope in record.envelopes if envelope.type in _ENDED}
        nodes = [machine.node for machine in self.machines.values() if isinstance(machine, NodeMachine)]
        if not ended.issuperset(self.order_ids) or any(node is None for node in nodes):
            return False
        if not all(self.is_coupled(pair) for pair in self.pairs):
            return False
        last = max(envelope.event_id for envelope in record.envelopes if envelope.type != "JournalEventsReleased")
        return len(self.received) > 0 and decode_envelope(self.received[-1]).event_id >= last

    @property
    def pairs(self) -> list[tuple[str, ...]]:
        """Machines of which one is active."""
        return [pair for pair in (self.controllers, self.directors) if len(pair) == 2]

    def is_coupled(self, pair: tuple[str, ...]) -> bool:
        """Both nodes know that they are coupled, and the passive one has everything."""
        nodes = [self.machines[name].node for name in pair]
        if any(node is None or not isinstance(node.state.cluster_state, Coupled) for node in nodes):
            return False
        journals = [node.readable for node in nodes if node is not None and node.readable is not None]
        newest = {(journal.file_event_id, journal.committed_event_id) for journal in journals}
        return len(journals) == 2 and len(newest) == 1

    @property
    def order_ids(self) -> list[str]:
        return [f"O-{number}" for number in range(1, self.plan.orders + 1)]

    # --- client and receiver ---

    async def _at_active(self, call: Callable[[str], Awaitable[None]]) -> None:
        """Have the active Controller do something: ask one after the other."""
        problem: Exception | None = None
        for name in self.controllers:
            try:
                await call(name)
                return
            except (PeerUnreachableError, ProblemError) as error:
                problem = error
        assert problem is not None
        raise problem

    def _peer(self, controller: str) -> SimulatedPeer:
        return SimulatedPeer(self.network.link(COCKPIT, controller), COCKPIT)

    async def _be_client(self) -> None:
        await self._until_done(self._deploy)
        pause = self.plan.seconds / self.plan.orders / 2 if self.plan.seconds > 100 else 0.5
        for order_id in self.order_ids:
            command = {"TYPE": "AddOrder", "order": {"id": order_id, "workflowPath": WORKFLOW}}

            async def add(controller: str, body: bytes = encode(command)) -> None:
                answer = decode(await self._peer(controller).command(body))
                if answer["ignoredBecauseDuplicate"]:
                    self.sometimes.add("an order was added again after its answer got lost")

            await self._until_done(add)
            self.acknowledged.append(order_id)
            self.note("client", f"{order_id} is acknowledged")
            await asyncio.sleep(2 * pause * self.random.random())

    async def _be_operator(self) -> None:
        """Orders that have failed are resumed: the reset of their Agent fails them (`checks`: nothing else does).

        Those that had not been started cannot be resumed (orders spec 5.4) and are cancelled.
        """
        started: set[str] = set()
        failed: set[str] = set()
        seen = 0
        while True:
            await asyncio.sleep(1.0)
            envelopes = self.records[CONTROLLER].envelopes
            for envelope in envelopes[seen:]:
                if isinstance(envelope.key, str):
                    match envelope.type:
                        case "OrderStarted":
                            started.add(envelope.key)
                        case "OrderFailed":
                            failed.add(envelope.key)
                        case "OrderResumed" | "OrderCancelled":
                            failed.discard(envelope.key)
            seen = len(envelopes)
            for order_id in sorted(failed):
                resume = {"TYPE": "ResumeOrder", "orderId": order_id, "asSucceeded": True}
                cancel = {"TYPE": "CancelOrders", "orderIds": [order_id]}
                await self.ask_once(resume if order_id.partition("|")[0] in started else cancel)

    async def _until_done(self, call: Callable[[str], Awaitable[None]]) -> None:
        """Repeat what was not answered, or could not be done now."""
        while True:
            try:
                await self._at_active(call)
                return
            except (PeerUnreachableError, ProblemError) as error:
                self.note("client", f"repeats: {error}")
                await asyncio.sleep(_REPEAT_SECONDS)

    async def _deploy(self, controller: str) -> None:
        if self._is_deployed:
            return
        operations: list[dict[str, Any]] = []
        for path in AGENTS:
            machines = self.directors if path == "A" else (path,)
            ids = [BACKUP_DIRECTOR if name == BACKUP_DIRECTOR else f"{path}-1" for name in machines]
            items: list[dict[str, Any]] = [{"TYPE": "AgentRef", "path": path, "directors": ids}]
            for id_, name in zip(ids, machines, strict=True):
                items.append({"TYPE": "SubagentItem", "id": id_, "agentPath": path, "uri": f"http://{name}"})
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
            elif (problem := node.not_ready_problem()) is not None:
                raise ProblemError(problem)
            await node.durable()

        await self.network.link(COCKPIT, controller).call(update)
        self._is_deployed = True

    async def ask_once(self, command: Mapping[str, Any]) -> None:
        """A person wants something, and does not insist."""

        async def ask(controller: str) -> None:
            await self._peer(controller).command(encode(command))

        try:
            await self._at_active(ask)
        except (PeerUnreachableError, ProblemError) as error:
            self.note("client", f"is refused {command['TYPE']}: {error}")

    async def _receive(self) -> None:
        """Exactly once: what is received is kept, then released; after a break it goes on behind the last event."""
        turn = 0
        while True:
            peer = self._peer(self.controllers[turn % len(self.controllers)])
            turn += 1
            after = decode_envelope(self.received[-1]).event_id if self.received else 0
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


def _machine_of(uri: str) -> str:
    return uri.removeprefix("http://")


_IDLE_MACHINE = ServerMeteringEvent(
    cpu_load=0.0, committed_virtual_memory_size=1, free_memory_size=1 << 30, total_memory_size=1 << 31
)
_JOURNAL = JournalOptions(low_space_bytes=0, reserve_bytes=0, snapshot_period_ms=5_000)


def simulate(plan: Plan) -> Report:
    """One run, from nothing to rest, and all checks."""
    from stellwerk.simulation.checks import violations_of

    async def main() -> Report:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        with tempfile.TemporaryDirectory(prefix="stellwerk-simulation-") as folder:
            installation = SimulatedInstallation(plan, loop, Path(folder))
            await installation.run()
            installation.sometimes.update(facts(installation))
            machines = installation.machines.values()
            crashes = sum(machine.crashes for machine in machines)
            records = installation.records.values()
            return Report(
                plan=plan,
                violations=tuple(violations_of(installation)),
                hash=_hash_of(installation),
                simulated_seconds=loop.now_seconds,
                faults={**installation.faults, "ended runs": crashes},
                sometimes=frozenset(installation.sometimes),
                operations={machine.name: len(machine.disk.operations) for machine in machines},
                events=sum(len(record.lines) for record in records),
                starts=len(installation.witness.starts),
                takeovers=sum(record.takeovers for record in records),
                trace=tuple(_trace_of(installation)),
            )

    has_collector = gc.isenabled()
    gc.disable()  # a run is short, and all of it is garbage afterwards
    try:
        report: Report = run(main())
    finally:
        if has_collector:
            gc.enable()
    return report


def _hash_of(installation: SimulatedInstallation) -> str:
    digest = hashlib.sha256()
    for record in installation.records.values():
        for line in record.lines:
            digest.update(line)
    return digest.hexdigest()


def _trace_of(installation: SimulatedInstallation) -> list[str]:
    """What was done and which events came of it, by time, as a conversation."""
    rows = [(seconds, text) for seconds, text in installation.trace]
    for record in installation.records.values():
        for line, envelope in zip(record.lines, record.envelopes, strict=True):
            if not envelope.type.startswith("Journal"):
                body = {key: value for key, value in decode(line).items() if key not in ("eventId", "timestamp")}
                rows.append((envelope.event_id / 1e6 - START_MS / 1e3, f"{record.name} {encode(body).decode()[:240]}"))
    return [f"{seconds:9.3f}  {text}" for seconds, text in sorted(rows, key=lambda row: row[0])]
