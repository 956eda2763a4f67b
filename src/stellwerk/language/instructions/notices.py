"""PostNotices, ExpectNotices, ConsumeNotices: orders that wait for each other (workflow spec 2.12 to 2.14)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec

from stellwerk.language.boards import BoardExpression, board_expression_of
from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.names import check_name
from stellwerk.values.problems import Problem

#: What to do when a notice is neither there nor announced.
WhenNotAnnounced = Literal["Wait", "SkipWhenNoNotice", "DontWait"]


class PostNotices(Instruction, frozen=True, kw_only=True, tag="PostNotices"):
    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("PostNotice",)
    board_paths: tuple[str, ...]

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "boardPaths": [value["boardPath"]]} if value.get("TYPE") == "PostNotice" else value

    def check(self, context: Checking) -> None:
        if not self.board_paths:
            context.problem("PostNotices needs at least one board", "boardPaths")
        for index, path in enumerate(self.board_paths):
            if problem := check_name("Board", path):
                context.problem(problem, f"boardPaths[{index}]")
            if path in self.board_paths[:index]:
                context.problem(
                    Problem.of("DuplicateKey", type="BoardPath", key=f"Board:{path}"), f"boardPaths[{index}]"
                )


class ExpectNotices(Instruction, frozen=True, kw_only=True, tag="ExpectNotices"):
    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("ExpectNotice",)
    boards: BoardExpression = msgspec.field(name="boardPaths")
    when_not_announced: WhenNotAnnounced = "Wait"

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("TYPE") == "ExpectNotice" and isinstance(value.get("boardPath"), str):
            return {**value, "boardPaths": board_expression_of(value["boardPath"])}
        return value


class ConsumeNotices(Instruction, frozen=True, kw_only=True, tag="ConsumeNotices"):
    boards: BoardExpression = msgspec.field(name="boardPaths")
    subworkflow: Block
    when_not_announced: WhenNotAnnounced = "Wait"

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("consumeNotices", self.subworkflow, "subworkflow")
