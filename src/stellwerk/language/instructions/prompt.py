"""Prompt: wait until a person confirms (workflow spec 2.16)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Instruction


class Prompt(Instruction, frozen=True, kw_only=True, tag="Prompt"):
    question: Expression

    def expressions(self) -> Iterator[Expression]:
        return iter((self.question,))
