"""If: the first branch whose predicate is true (workflow spec 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.values.problems import ProblemError


class IfThen(msgspec.Struct, frozen=True, kw_only=True):
    predicate: Expression
    then: Block


def then_branch_id(index: int) -> str:
    """`then` for the first, `then+i` (i from 2) for the others."""
    return "then" if index == 0 else f"then+{index + 1}"


class If(Instruction, frozen=True, kw_only=True, tag="If"):
    if_thens: tuple[IfThen, ...]
    else_: Block | None = msgspec.field(default=None, name="else")

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        old = "predicate" in value or "then" in value
        if "ifThens" in value:
            if old:
                raise ProblemError("If has either ifThens or predicate and then, not both")
            return value
        if not ("predicate" in value and "then" in value):
            raise ProblemError("If needs ifThens, or predicate and then")
        return {**value, "ifThens": [{"predicate": value["predicate"], "then": value["then"]}]}

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        for index, if_then in enumerate(self.if_thens):
            yield Nested(then_branch_id(index), if_then.then, f"ifThens[{index}].then", is_in_catch)
        if self.else_ is not None:
            yield Nested("else", self.else_, "else", is_in_catch)

    def check(self, context: Checking) -> None:
        if not self.if_thens:
            context.problem("If needs at least one branch", "ifThens")

    def expressions(self) -> Iterator[Expression]:
        return (if_then.predicate for if_then in self.if_thens)
