"""Cycle: execute a block again and again, as a schedule says; Break leaves it (workflow spec 2.11)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.positions import position_text
from stellwerk.language.schedules import Schedule


class Cycle(Instruction, frozen=True, kw_only=True, tag="Cycle"):
    cycle_workflow: Block
    schedule: Schedule
    only_one_period: bool = False

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("cycle", self.cycle_workflow, "cycleWorkflow")

    def check(self, context: Checking) -> None:
        if not context.has_calendar:
            context.problem(
                "Cycle instruction requires calendarPath", remedy="name a Calendar in the workflow's calendarPath"
            )


class Break(Instruction, frozen=True, kw_only=True, tag="Break"):
    def check(self, context: Checking) -> None:
        if not context.is_in_cycle:
            context.problem(
                f"Break instruction at {position_text(context.position)} without Cycle",
                remedy="Break may stand in the block of a Cycle only, not in a fork inside of it",
            )
