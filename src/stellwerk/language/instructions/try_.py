"""Try with its catch block, and Retry (workflow spec 2.4)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.instructions.if_ import If
from stellwerk.language.reader import DurationMs


class Retry(Instruction, frozen=True, kw_only=True, tag="Retry"):
    def check(self, context: Checking) -> None:
        if not context.is_in_catch:
            context.problem("Statement 'retry' is only allowed in a catch block", remedy="move it into a catch block")


class Try(Instruction, frozen=True, kw_only=True, tag="Try"):
    try_: Block = msgspec.field(name="try")
    catch: Block
    retry_delays_ms: tuple[DurationMs, ...] | None = msgspec.field(default=None, name="retryDelays")
    max_tries: int | None = None

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("try", self.try_, "try", is_in_catch)
        yield Nested("catch", self.catch, "catch", True)

    def check(self, context: Checking) -> None:
        if self.max_tries is not None and self.max_tries < 1:
            context.problem("maxTries argument must be a positive number", "maxTries")
        if (self.max_tries is not None or self.retry_delays_ms is not None) and not contains_retry(self.catch):
            context.problem(
                "maxTries or retryDelays are given, but there is a missing retry in the catch block",
                remedy="add a Retry instruction to the catch block, or remove maxTries and retryDelays",
            )

    def retry_delay_ms(self, try_count: int) -> int:
        """The delay before the next try, after `try_count` tries."""
        if not self.retry_delays_ms:
            return 0
        return self.retry_delays_ms[min(try_count, len(self.retry_delays_ms)) - 1]

    @property
    def catch_starts_with_retry(self) -> bool:
        return bool(self.catch.instructions) and isinstance(self.catch.instructions[0], Retry)


def contains_retry(block: Block) -> bool:
    """Is there a Retry, looking through If blocks and the try block of a nested Try?"""
    for instruction in block.instructions:
        if isinstance(instruction, Retry):
            return True
        if isinstance(instruction, If) and any(contains_retry(nested.block) for nested in instruction.nested(True)):
            return True
        if isinstance(instruction, Try) and contains_retry(instruction.try_):
            return True
    return False
