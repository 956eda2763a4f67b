"""StickySubagent: the block's jobs share the Subagent that the first of them gets (workflow spec 2.19)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.expressions import as_string
from stellwerk.language.instructions import StickySubagent
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: StickySubagent) -> None:
    order = step.order
    if any(item.agent_path == instruction.agent_path for item in order.sticky_subagents):
        raise ProblemError("StickySubagent instruction must not be nested")
    bundle_id = None
    if instruction.subagent_bundle_id_expr is not None:
        scope = step.scope()
        bundle_id = as_string(instruction.subagent_bundle_id_expr.evaluate(scope))
        if scope.has_used_world and not step.is_started():
            return
    step.emit(e.OrderStickySubagentEntered(agent_path=instruction.agent_path, subagent_bundle_id=bundle_id))
