"""Say and BreakOrder: for tests only (workflow spec 2.7)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Instruction


class Say(Instruction, frozen=True, kw_only=True, tag="Say"):
    what: Expression

    def expressions(self) -> Iterator[Expression]:
        return iter((self.what,))


class BreakOrder(Instruction, frozen=True, kw_only=True, tag="BreakOrder"):
    """The order breaks as by an internal error."""
