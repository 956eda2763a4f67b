"""What must hold after a simulated run (architecture, section 2; reliability, section 3).

Each check yields sentences that say what is wrong; none is what one hopes for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from stellwerk.agent.subagent.subagent import SELF_MADE
from stellwerk.journal import JournalError, recover
from stellwerk.simulation.installation import AGENTS, CONTROLLER, SimulatedInstallation
from stellwerk.simulation.machine import NodeMachine, Record
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decode, encode

#: Only Agents decide these, and a Controller writes them on as they are.
_AGENTS_OWN = ("OrderProcessingStarted", "OrderStdoutWritten", "OrderProcessed")
_ENVELOPE = ("eventId", "timestamp")


def violations_of(installation: SimulatedInstallation) -> Iterator[str]:
    yield from installation.witness.violations
    for machine in installation.machines.values():
        yield from machine.violations
    for record in installation.records.values():
        yield from record.violations
    if installation.has_violations:
        return  # the run has been ended; it is not at rest
    for machine in installation.machines.values():
        if isinstance(machine, NodeMachine):
            yield from _fold_equals_state(machine)
    yield from _pair_is_coupled(installation)
    yield from _orders_have_ended(installation)
    yield from _starts_are_durable(installation)
    yield from _successes_were_real(installation)
    yield from _agents_events_arrived(installation)
    yield from _receiver_has_all(installation)


def _events(record: Record) -> list[dict[str, Any]]:
    return [decode(line) for line in record.lines]


def _pair_is_coupled(installation: SimulatedInstallation) -> Iterator[str]:
    """Liveness of a pair, and that both have the same bytes (cluster spec 6, I7 and I8)."""
    for pair in installation.pairs:
        if installation.is_coupled(pair):
            yield from _copies_are_equal(installation, pair)
        for name in pair if not installation.is_coupled(pair) else ():
            node = installation.machines[name].node
            yield f"{name} is not coupled: {None if node is None else node.cluster_status()}"


def _copies_are_equal(installation: SimulatedInstallation, pair: tuple[str, ...]) -> Iterator[str]:
    disks = [installation.machines[name].disk for name in pair]
    common = [name for name in disks[0].names() if name.endswith(".journal") and name in disks[1].names()]
    if not common:
        yield f"the nodes of the pair have no journal file in common: {[disk.names() for disk in disks]}"
    for name in common:
        one, other = (disk.read(name) for disk in disks)
        length = min(len(one), len(other))
        if one[:length] != other[:length]:
            yield f"the copies of {name} differ ({len(one)} and {len(other)} bytes)"


def _orders_have_ended(installation: SimulatedInstallation) -> Iterator[str]:
    """Invariant 1, and liveness: an acknowledged order is there and ends as its workflow says."""
    history: dict[str, list[str]] = defaultdict(list)
    reset: set[str] = set()
    record = installation.records[CONTROLLER]
    for line, envelope in zip(record.lines, record.envelopes, strict=True):
        if isinstance(envelope.key, str):
            history[envelope.key].append(envelope.type)
            if envelope.type == "OrderOutcomeAdded" and b'"AgentReset"' in line:
                reset.add(envelope.key.partition("|")[0])
    for order_id in installation.order_ids:
        types = history[order_id]
        if order_id in installation.acknowledged and "OrderAdded" not in types:
            yield f"{order_id} was acknowledged, and is lost"
        elif types.count("OrderAdded") > 1:
            yield f"{order_id} was added {types.count('OrderAdded')} times"
        elif types.count("OrderFinished") != ("OrderCancelled" not in types):
            yield f"{order_id} has not finished; its last events: {types[-5:]}"
        elif not {"OrderFailed", "OrderCancelled"}.isdisjoint(types) and order_id not in reset:
            yield f"{order_id} has failed, and no Agent was reset"


def _starts_are_durable(installation: SimulatedInstallation) -> Iterator[str]:
    """Invariant 2: each process belongs to one durable OrderProcessingStarted."""
    started = {
        (agent, str(envelope.event_id))
        for agent in AGENTS
        for envelope in installation.records[agent].envelopes
        if envelope.type == "OrderProcessingStarted"
    }
    for key in installation.witness.starts:
        if key not in started and not key[1].startswith(SELF_MADE):
            yield f"a process of attempt {key} was started, of which no OrderProcessingStarted is durable"


def _successes_were_real(installation: SimulatedInstallation) -> Iterator[str]:
    """Each successful attempt has begun and ended by itself."""
    ends = set(installation.witness.ends)
    for agent in AGENTS:
        attempts: dict[str, str] = {}
        for event in _events(installation.records[agent]):
            if event["TYPE"] == "OrderProcessingStarted":
                attempts[event["Key"]] = str(event["eventId"])
            elif event["TYPE"] == "OrderProcessed" and event["outcome"]["TYPE"] == "Succeeded":
                key = (agent, attempts[event["Key"]])
                if key not in ends and event["Key"] not in installation.witness.ended_unnamed:
                    yield f"attempt {key} of {event['Key']} succeeded, but its process did not end by itself"


def _agents_events_arrived(installation: SimulatedInstallation) -> Iterator[str]:
    """Invariant 3 on the first hop: exactly once, in order per order, unchanged.

    Of a journal that has been reset, the Controller has what it had taken over by then.
    """
    arrived, present = _arrived(_events(installation.records[CONTROLLER]))
    sent: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    for agent in AGENTS:
        run_id = ""
        for event in _events(installation.records[agent]):
            if event["TYPE"] == "AgentDedicated":
                run_id = event["agentRunId"]
            elif event["TYPE"] in _AGENTS_OWN:
                sent[agent, run_id, event["Key"]].append(_essence(event))
    for key in sorted({*arrived, *sent}):
        agent, run_id, order_id = key
        expected = sent[key] if present.get(agent) == run_id else sent[key][: len(arrived[key])]
        if arrived[key] != expected:
            yield (
                f"Agent {agent} ({run_id}) has {len(sent[key])} events of {order_id}'s jobs, the Controller "
                f"{len(arrived[key])}; they are not the same"
            )


def _arrived(events: Iterable[dict[str, Any]]) -> tuple[dict[tuple[str, str, str], list[bytes]], dict[str, str]]:
    """What has come from the Agents, by Agent, its run id and order; and the Agents' present run ids."""
    arrived: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    agents: dict[str, str] = {}
    run_ids: dict[str, str] = {}
    for event in events:
        if event["TYPE"] == "AgentDedicated":
            run_ids[event["Key"]] = event["agentRunId"]
        elif event["TYPE"] in _AGENTS_OWN and not _is_of_reset(event):
            if event["TYPE"] == "OrderProcessingStarted":
                agents[event["Key"]] = event["subagentId"].partition("-")[0]
            agent = agents.get(event["Key"], "?")
            arrived[agent, run_ids.get(agent, "?"), event["Key"]].append(_essence(event))
    return arrived, run_ids


def _is_of_reset(event: dict[str, Any]) -> bool:
    """The Controller's own OrderProcessed, when it resets an Agent."""
    problem = event.get("outcome", {}).get("reason", {}).get("problem", {})
    return bool(problem.get("code") == "AgentReset")


def _essence(event: dict[str, Any]) -> bytes:
    return encode({name: value for name, value in event.items() if name not in _ENVELOPE})


def _receiver_has_all(installation: SimulatedInstallation) -> Iterator[str]:
    """Invariant 3 on the second hop: the receiver has the Controller's events, each once, in order, unchanged."""
    lines = installation.records[CONTROLLER].lines
    received = installation.received
    if received != lines[: len(received)]:
        at = next((n for n, (a, b) in enumerate(zip(received, lines, strict=False)) if a != b), len(lines))
        yield f"the receiver's event {at} is {received[at][:200]!r}, the Controller's {lines[at : at + 1]!r}"
    missing = sum(not line_is_release(line) for line in lines[len(received) :])
    if missing:
        yield f"the receiver lacks {missing} of the Controller's {len(lines)} events"


def line_is_release(line: bytes) -> bool:
    return decode_envelope(line).type == "JournalEventsReleased"


def _fold_equals_state(machine: NodeMachine) -> Iterator[str]:
    """Invariant 5: what a start would recover is what the node holds in memory."""
    node = machine.node
    if node is None:
        yield f"{machine.name} is not running at the end"
        return
    if node.cluster.is_active and node.journal.committed_event_id != node.journal.appended_event_id:
        return  # it is still deciding; other runs are looked at while they rest
    try:
        recovered = recover(machine.disk, node.NAME, node.TYPE_NAME)
        if node.readable is not None and recovered.last_event_id != node.readable.committed_event_id:
            return  # a block is being written at this very moment
        folded = machine.folded(recovered)
    except JournalError as error:
        yield f"{machine.name} cannot be recovered: {error}"
        return
    # As values: whether a member that equals its default is written depends on where the value came from.
    kept = {repr(node.SNAPSHOT_OBJECTS.decode(line)) for line in node.state.snapshot_objects()}
    found = {repr(node.SNAPSHOT_OBJECTS.decode(line)) for line in folded.snapshot_objects()}
    if found != kept:
        yield (
            f"{machine.name}: the fold of its journal is not its state; "
            f"only in the state: {sorted(kept - found)}, only in the fold: {sorted(found - kept)}"
        )
