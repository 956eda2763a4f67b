"""Finish: end the order (or fork branch) here (workflow spec 2.6)."""

from __future__ import annotations

from stellwerk.language.instructions.base import Instruction
from stellwerk.language.outcomes import Failed, Succeeded


class Finish(Instruction, frozen=True, kw_only=True, tag="Finish"):
    outcome: Succeeded | Failed | None = None
