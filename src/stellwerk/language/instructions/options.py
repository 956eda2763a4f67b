"""Options: settings for the instructions of a block (workflow spec 2.18)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.instructions.base import Block, Instruction, Nested


class Options(Instruction, frozen=True, kw_only=True, tag="Options"):
    block: Block
    #: Should a failing order stop where it is? None: as the enclosing Options say.
    stop_on_failure: bool | None = None

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("options", self.block, "block")
