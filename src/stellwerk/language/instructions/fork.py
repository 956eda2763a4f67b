"""Fork: child orders on parallel branches (workflow spec 2.8)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.names import check_name
from stellwerk.values.problems import Problem


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    workflow: Block


class Fork(Instruction, frozen=True, kw_only=True, tag="Fork"):
    branches: tuple[Branch, ...]
    agent_path: str | None = None
    join_if_failed: bool = False

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        for index, branch in enumerate(self.branches):
            yield Nested(f"fork+{branch.id}", branch.workflow, f"branches[{index}].workflow")

    def check(self, context: Checking) -> None:
        ids = [branch.id for branch in self.branches]
        duplicates = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if duplicates:
            context.problem(Problem.of("DuplicatedBranchIdsInFork", branchIds=", ".join(duplicates)), "branches")
        for index, id_ in enumerate(ids):
            if not id_ or "|" in id_:
                context.problem(f"Branch id {id_!r} must not be empty nor contain |", f"branches[{index}].id")
        results: dict[str, str] = {}
        for branch in self.branches:
            for name in branch.workflow.result or {}:
                if name in results:
                    context.problem(
                        Problem.of("DuplicateKey", type="fork result", key=name), f"branches.{branch.id}.result"
                    )
                results[name] = branch.id
        if self.agent_path is not None and (problem := check_name("AgentRef", self.agent_path)):
            context.problem(problem, "agentPath")

    def expressions(self) -> Iterator[Expression]:
        for branch in self.branches:
            yield from (branch.workflow.result or {}).values()
