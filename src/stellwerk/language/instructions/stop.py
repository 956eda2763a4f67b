"""Stop: the order stops here until it is resumed or cancelled (workflow spec 2.7)."""

from __future__ import annotations

from stellwerk.language.instructions.base import Instruction


class Stop(Instruction, frozen=True, kw_only=True, tag="Stop"):
    pass
