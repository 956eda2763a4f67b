"""AddOrder: start an order of another workflow (workflow spec 2.15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Checking, Instruction
from stellwerk.language.names import check_name
from stellwerk.language.reader import BranchPathValue, PositionValue


class AddOrder(Instruction, frozen=True, kw_only=True, tag="AddOrder"):
    ALIASES: ClassVar[Mapping[str, str]] = {"forceJobAdmission": "forceAdmission"}

    order_id: Expression
    workflow_path: str
    plan_id: Expression | None = None
    arguments: dict[str, Expression] = {}
    inner_block: BranchPathValue = BranchPathValue()
    start_position: PositionValue | None = None
    stop_positions: tuple[PositionValue | str, ...] = ()
    delete_when_terminated: bool = False
    force_admission: bool = False

    def check(self, context: Checking) -> None:
        if problem := check_name("Workflow", self.workflow_path):
            context.problem(problem, "workflowPath")

    def expressions(self) -> Iterator[Expression]:
        yield self.order_id
        if self.plan_id is not None:
            yield self.plan_id
        yield from self.arguments.values()
