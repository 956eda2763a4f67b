"""Which Subagent runs a process: bundles, priorities, round robin, sticky ones (workflow spec 2.19, 4.1, 8.7)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.expressions import Scope, parse_expression, soft_string
from stellwerk.language.expressions.values import as_number
from stellwerk.language.items import SubagentBundle, subagent_bundle_key
from stellwerk.language.jobs import WorkflowJob
from stellwerk.values.problems import Problem, ProblemError

Priority = int | Decimal


class Choice(msgspec.Struct, frozen=True):
    subagent_id: str
    bundle_id: str | None = None
    #: Later jobs of the StickySubagent block use the same.
    sticks: bool = False


def choose(step: Step, job: WorkflowJob) -> Choice | None:
    """The Subagent to use; None: none is usable now, the order waits. Raises `ProblemError` for an unknown one."""
    wanted = None
    if job.subagent_bundle_id_expr is not None:
        wanted = soft_string(job.subagent_bundle_id_expr.evaluate(step.scope())) or ""
    sticky = _sticky(step, job.agent_path, wanted)
    if sticky is not None:
        if sticky.stuck_subagent_id is not None:
            usable = sticky.stuck_subagent_id in step.transaction.state.usable_subagents
            return Choice(sticky.stuck_subagent_id, sticky.subagent_bundle_id) if usable else None
        chosen = _choose(step, sticky.subagent_bundle_id)
        return None if chosen is None else replace(chosen, sticks=True)
    return _choose(step, wanted)


def _sticky(step: Step, agent_path: str, wanted: str | None) -> e.StickySubagent | None:
    """The entry for a job of this Agent that wants the same bundle, or none in particular."""
    for entry in step.order.sticky_subagents:
        if entry.agent_path == agent_path and (wanted is None or wanted == entry.subagent_bundle_id):
            return entry
    return None


def _choose(step: Step, wanted: str | None) -> Choice | None:
    state = step.transaction.state
    usable = state.usable_subagents
    if wanted is None:
        # Any Subagent of the Agent, in turn.
        return _in_turn(step, "", dict.fromkeys(usable, 1))
    if wanted == "":
        # The Director's own one; in this release an Agent has no other.
        first = next(iter(usable), None)
        return None if first is None else Choice(first)
    bundle = state.subagent_bundles.get(wanted)
    if bundle is not None:
        priorities = {id_: value for id_ in usable if (value := _priority(step, bundle, id_)) is not None}
        return _in_turn(step, bundle.id, priorities)
    if wanted in usable:
        return Choice(wanted, wanted)
    if wanted in state.known_subagents:
        return None
    raise ProblemError(Problem.of("UnknownKey", type="SubagentBundle", key=subagent_bundle_key(wanted)))


def _in_turn(step: Step, bundle_id: str, priorities: Mapping[str, Priority]) -> Choice | None:
    """Round robin in the group with the highest priority; it begins anew when the group changes."""
    if not priorities:
        return None
    best = max(priorities.values())
    group = tuple(id_ for id_, priority in priorities.items() if priority == best)
    turns = step.transaction.state.subagent_turns
    former, turn = turns.get(bundle_id, (group, -1))
    turn = (turn + 1) % len(group) if former == group else 0
    turns[bundle_id] = (group, turn)
    return Choice(group[turn], bundle_id or None)


class _PriorityScope(Scope):
    """What a priority may depend on: how many processes a Subagent runs. Its machine's metrics are not known yet."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self._values = values

    def named(self, name: str) -> int | None:
        if name in _METRICS:
            return None
        return self._values[name]


_METRICS = frozenset({"js7CpuLoad", "js7CommittedVirtualMemorySize", "js7FreeMemorySize", "js7TotalMemorySize"})


def _priority(step: Step, bundle: SubagentBundle, subagent_id: str) -> Priority | None:
    """None: the Subagent is not to be used now."""
    priority = bundle.subagent_to_priority.get(subagent_id)
    if not isinstance(priority, str):
        return priority
    state = step.transaction.state
    processes = state.processes_of_subagent.get(subagent_id, 0)
    scope = _PriorityScope(
        {
            "js7SubagentProcessCount": processes,
            "js7ClusterProcessCount": sum(state.processes_of_subagent.values()),
            "js7ClusterSubagentProcessCount": processes,
        }
    )
    try:
        value = parse_expression(priority).evaluate(scope)
        return None if value is None else as_number(value)
    except ProblemError:
        return None
