"""Fail: let the order fail with a message and constant values (workflow spec 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Instruction


class Fail(Instruction, frozen=True, kw_only=True, tag="Fail"):
    message: Expression | None = None
    named_values: dict[str, Any] = {}
    uncatchable: bool = False

    def expressions(self) -> Iterator[Expression]:
        return iter(() if self.message is None else (self.message,))
