"""What a run has shown, told by its events and by the words with which runs of nodes end (`plans.SOMETIMES`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stellwerk.simulation.machine import NodeMachine
from stellwerk.simulation.witness import WitnessMachine
from stellwerk.values.json import decode

if TYPE_CHECKING:
    from stellwerk.simulation.installation import SimulatedInstallation

_BY_END = {
    "its tail that was never committed has been cut off": "a tail that was never committed was cut off",
    "the lost end of its journal": "a lost end of the journal was copied from the passive node",
    "its journal has been copied from the active node": "a journal was copied anew",
    "the other node has become active": "a deposed active node halted",
    "this node is not active any more": "a deposed active node halted",
    "The cluster watch refuses": "a deposed active node halted",
    "No room on the disk": "a node waited for room on its disk",
}


def facts(installation: SimulatedInstallation) -> Iterator[str]:
    """The facts of a run that has ended."""
    for _, text in installation.trace:
        for words, fact in _BY_END.items():
            if f"ends: {words}" in text:
                yield fact
    for machine in installation.machines.values():
        if isinstance(machine, NodeMachine):
            if machine.torn_blocks:
                yield "a torn block was cut off at a start"
            yield from machine.facts
        elif isinstance(machine, WitnessMachine) and machine.has_refused_a_fail_over:
            yield "the watch refused a fail-over"
    by_type = {
        "ClusterFailedOver": "a fail-over",
        "ClusterSwitchedOver": "a switch-over",
        "ClusterPassiveLost": "a passive node declared lost",
        "OrderRetrying": "a job was retried",
    }
    for record in installation.records.values():
        for line, envelope in zip(record.lines, record.envelopes, strict=True):
            if envelope.type in by_type:
                yield by_type[envelope.type]
            elif envelope.type == "OrderOutcomeAdded" and b'"AgentReset"' in line:
                yield "an Agent with orders was reset"
            elif envelope.type == "OrderProcessed" and b"ProcessLostDueToReset" in line:
                yield "a Subagent with a running job was reset"
            elif envelope.type == "OrderProcessed" and b"ProcessLost" in line:
                reason = decode(line)["outcome"].get("reason", {})
                if reason.get("TYPE") == "ProcessLost":
                    yield "a process was lost and its job repeated"
