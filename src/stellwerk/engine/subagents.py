"""Which Subagent runs a process: bundles, priorities, round robin, sticky ones (workflow spec 2.19, 4.1, 8.7)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.expressions import Scope, parse_expression, soft_string
from stellwerk.language.expressions.values import as_number
from stellwerk.language.items import subagent_bundle_key
from stellwerk.language.jobs import WorkflowJob
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import Problem, ProblemError

Priority = int | Decimal


class Choice(msgspec.Struct, frozen=True):
    subagent_id: str
    bundle_id: str | None = None
    #: Later jobs of the StickySubagent block use the same.
    sticks: bool = False


class Wait(msgspec.Struct, frozen=True):
    """None is usable now: a bundle, a Subagent, or "" for any, is waited for."""

    wish: str


def choose(step: Step, job: WorkflowJob) -> Choice | Wait:
    """The Subagent to use, or what the order waits for. Raises `ProblemError` for an unknown one."""
    wanted = None
    if job.subagent_bundle_id_expr is not None:
        wanted = soft_string(job.subagent_bundle_id_expr.evaluate(step.scope())) or ""
    sticky = _sticky(step, job.agent_path, wanted)
    if sticky is not None:
        if sticky.stuck_subagent_id is not None:
            return _only(step, sticky.stuck_subagent_id, sticky.subagent_bundle_id)
        chosen = _choose(step, sticky.subagent_bundle_id)
        return chosen if isinstance(chosen, Wait) else replace(chosen, sticks=True)
    return _choose(step, wanted)


def _only(step: Step, subagent_id: str, bundle_id: str | None = None) -> Choice | Wait:
    is_usable = subagent_id in step.transaction.state.usable_subagents
    return Choice(subagent_id, bundle_id) if is_usable else Wait(subagent_id)


def _sticky(step: Step, agent_path: str, wanted: str | None) -> e.StickySubagent | None:
    """The entry for a job of this Agent that wants the same bundle, or none in particular."""
    for entry in step.order.sticky_subagents:
        if entry.agent_path == agent_path and (wanted is None or wanted == entry.subagent_bundle_id):
            return entry
    return None


def _choose(step: Step, wanted: str | None) -> Choice | Wait:
    state = step.transaction.state
    usable = state.usable_subagents
    if wanted is None:
        # Any Subagent of the Agent, in turn.
        return _in_turn(step, "", dict.fromkeys(usable, 1))
    if wanted == "":
        return _only(step, state.local_subagent_id or "")
    bundle = state.subagent_bundles.get(wanted)
    if bundle is not None:
        priorities = {
            id_: value
            for id_, priority in bundle.subagent_to_priority.items()
            if id_ in usable and (value := _priority(step, bundle.id, id_, priority)) is not None
        }
        return _in_turn(step, bundle.id, priorities)
    if wanted in state.known_subagents:
        return _only(step, wanted, wanted)
    raise ProblemError(Problem.of("UnknownKey", type="SubagentBundle", key=subagent_bundle_key(wanted)))


def _in_turn(step: Step, bundle_id: str, priorities: Mapping[str, Priority]) -> Choice | Wait:
    """Round robin in the group with the highest priority; it begins anew when the group changes."""
    if not priorities:
        return Wait(bundle_id)
    best = max(priorities.values())
    group = tuple(id_ for id_, priority in priorities.items() if priority == best)
    turns = step.transaction.state.subagent_turns
    former, turn = turns.get(bundle_id, (group, -1))
    turn = (turn + 1) % len(group) if former == group else 0
    turns[bundle_id] = (group, turn)
    return Choice(group[turn], bundle_id or None)


class _PriorityScope(Scope):
    """What a priority may depend on: a Subagent's processes, and what its machine has measured."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        self._values = values

    def named(self, name: str) -> JsonValue:
        return self._values[name]


def _priority(step: Step, bundle_id: str, subagent_id: str, priority: Any) -> Priority | None:
    """None: the Subagent is not to be used now, also because nothing is known of its machine (workflow spec 8.7)."""
    if not isinstance(priority, str):
        return cast("Priority", priority)
    state = step.transaction.state
    expression = parse_expression(priority)
    metrics = state.subagent_metrics.get(subagent_id)
    if metrics is None and not expression.is_pure:
        return None
    of_bundles = state.processes_of_bundle
    values: dict[str, JsonValue] = {
        "js7SubagentProcessCount": len(state.processing_at.get(subagent_id, ())),
        "js7ClusterProcessCount": sum(of_bundles.values()),
        "js7ClusterSubagentProcessCount": of_bundles.get((bundle_id, subagent_id), 0),
    }
    if metrics is not None:
        values |= {
            "js7CpuLoad": None if metrics.cpu_load is None else Decimal(str(metrics.cpu_load)),
            "js7CommittedVirtualMemorySize": metrics.committed_virtual_memory_size,
            "js7FreeMemorySize": metrics.free_memory_size,
            "js7TotalMemorySize": metrics.total_memory_size,
        }
    try:
        value = expression.evaluate(_PriorityScope(values))
        return None if value is None else as_number(value)
    except ProblemError:
        return None
