"""The course of a repetition: its days from the anchor on (services spec 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from stellwerk.language.calendars.days import Day, Span, month_index, month_length


@dataclass(frozen=True)
class Course:
    kind: Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
    step: int
    #: Begins at the anchor.
    span: Span

    @property
    def step_days(self) -> int:
        return self.step * 7 if self.kind == "WEEKLY" else self.step

    @property
    def step_months(self) -> int:
        return self.step * 12 if self.kind == "YEARLY" else self.step

    @property
    def goes_by_months(self) -> bool:
        return self.kind in ("MONTHLY", "YEARLY")

    def matches(self, day: Day) -> bool:
        if not self.span.covers(day.ordinal):
            return False
        if self.goes_by_months:
            return self.day_in(day.month_index) == day.day
        return (day.ordinal - self.span.first) % self.step_days == 0

    def day_in(self, index: int) -> int | None:
        """Which day of a month the course of months or years comes to; None if it passes the month over.

        It steps from the last computed day: once cut to a short month it stays so until a month has the day of the
        anchor.
        """
        anchor = date.fromordinal(self.span.first)
        anchor_index = month_index(self.span.first)
        if index < anchor_index or (index - anchor_index) % self.step_months != 0:
            return None
        day = anchor.day
        while (length := month_length(index)) < anchor.day:
            day = min(day, length)
            index -= self.step_months
        return day
