"""ForkList: one child order for each element of a list (workflow spec 2.9)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.expressions import Expression, Function
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.names import check_name


class ForkList(Instruction, frozen=True, kw_only=True, tag="ForkList"):
    children: Expression
    child_to_id: Function
    child_to_arguments: Function
    workflow: Block
    agent_path: str | None = None
    join_if_failed: bool = False

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("fork", self.workflow, "workflow")

    def check(self, context: Checking) -> None:
        if not 1 <= self.child_to_id.parameter_count <= 2:
            context.problem("childToId needs one or two parameters: (element, index)", "childToId")
        if self.child_to_arguments.parameter_count > 2:
            context.problem("childToArguments has at most two parameters: (element, index)", "childToArguments")
        if self.agent_path is not None and (problem := check_name("AgentRef", self.agent_path)):
            context.problem(problem, "agentPath")

    def expressions(self) -> Iterator[Expression]:
        yield from (self.children, self.child_to_id, self.child_to_arguments)
        yield from (self.workflow.result or {}).values()
