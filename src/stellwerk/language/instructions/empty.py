"""EmptyInstruction, End and ImplicitEnd (workflow spec 2.21)."""

from __future__ import annotations

from stellwerk.language.instructions.base import Instruction


class EmptyInstruction(Instruction, frozen=True, kw_only=True, tag="EmptyInstruction"):
    pass


class End(Instruction, frozen=True, kw_only=True, tag="End"):
    pass


class ImplicitEnd(Instruction, frozen=True, kw_only=True, tag="ImplicitEnd"):
    """Appended to each block that has no end of its own; also accepted on input."""


IMPLICIT_END = ImplicitEnd()


class Gap(Instruction, frozen=True, kw_only=True, tag="Gap"):
    """In place of instructions that an Agent does not need to know; never written by hand."""
