"""StickySubagent: all jobs of a block on the same Subagent (workflow spec 2.19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.names import check_name


class StickySubagent(Instruction, frozen=True, kw_only=True, tag="StickySubagent"):
    ALIASES: ClassVar[Mapping[str, str]] = {"subagentSelectionIdExpr": "subagentBundleIdExpr"}

    agent_path: str
    subworkflow: Block
    subagent_bundle_id_expr: Expression | None = None

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("stickySubagent", self.subworkflow, "subworkflow")

    def check(self, context: Checking) -> None:
        if problem := check_name("AgentRef", self.agent_path):
            context.problem(problem, "agentPath")

    def expressions(self) -> Iterator[Expression]:
        return iter(() if self.subagent_bundle_id_expr is None else (self.subagent_bundle_id_expr,))
