"""Sleep for a number of seconds (workflow spec 2.17)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Instruction


class Sleep(Instruction, frozen=True, kw_only=True, tag="Sleep"):
    duration: Expression

    def expressions(self) -> Iterator[Expression]:
        return iter((self.duration,))
