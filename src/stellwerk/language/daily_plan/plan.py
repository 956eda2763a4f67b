"""Schedules to the orders that start on a day, the daily plan as pure computation (services spec 4.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from stellwerk.language.calendars import Period
from stellwerk.language.daily_plan.assignments import AssignmentPlan
from stellwerk.language.daily_plan.registry import Calendars
from stellwerk.language.daily_plan.schedule import OrderParameterisation, Schedule
from stellwerk.language.reader import ReadError, ReadProblem
from stellwerk.values.problems import Problem, ProblemError


class PlannedOrder(NamedTuple):
    #: Milliseconds since the epoch.
    scheduled_for: int
    #: One start of a cycle.
    is_cyclic: bool
    workflow: str
    order_name: str
    parameterisation: OrderParameterisation
    #: Which of the schedule's calendars the order comes from, and by which of its periods.
    assignment: int
    period: Period


@dataclass(frozen=True)
class DayOfSchedule:
    """What a schedule starts on a day, by start, single starts before cycles, workflow, order name."""

    date: date
    schedule: Schedule
    orders: tuple[PlannedOrder, ...]
    #: Why assignments plan nothing on this day. Paths are those of the schedule, or begin with a calendar's name:
    #: `Holidays:$.from`.
    problems: tuple[ReadProblem, ...]

    def later_than(self, instant: int) -> DayOfSchedule:
        """Without the orders whose start has passed."""
        return replace(self, orders=tuple(order for order in self.orders if order.scheduled_for > instant))


class SchedulePlan:
    """One schedule, understood; it may be asked for any days in any order."""

    def __init__(
        self, schedule: Schedule, calendars: Calendars, workflows_with_variables: Collection[str] = frozenset()
    ) -> None:
        """`workflows_with_variables`: those that declare order variables. One schedule cannot give two workflows the
        same variables, so one of several workflows that has any keeps the schedule from being planned."""
        self.schedule = schedule
        self._orders = [
            (workflow, name, parameterisation)
            for workflow in schedule.workflow_names
            for name, parameterisation in schedule.orders()
        ]
        days_off = calendars.days_off(tuple(item.calendar_name for item in schedule.non_working_day_calendars))
        self._assignments: list[tuple[int, AssignmentPlan]] = []
        self._problems: list[ReadProblem] = []
        if len(schedule.workflow_names) > 1:
            for index, name in enumerate(schedule.workflow_names):
                if name in workflows_with_variables:
                    text = (
                        f"the workflow {name!r} declares variables: a schedule of several workflows must not have any"
                    )
                    problem = Problem(message=text)
                    self._problems.append(ReadProblem(f"$.workflowNames[{index}]", problem, "give it its own schedule"))
            if self._problems:
                return
        for index, assignment in enumerate(schedule.calendars):
            path = f"$.calendars[{index}]"
            try:
                self._assignments.append((index, AssignmentPlan(assignment, calendars, days_off, path)))
            except ProblemError as error:
                self._problems += _problems(error, path)

    def day(self, day: date, period_begin: int) -> DayOfSchedule:
        """The orders of the plan of a date; `period_begin`: the wall time, in seconds, at which its day begins.

        An assignment of which anything is refused plans nothing on the day. The first of two assignments that have the
        same order start at the same time in the same way gives it.
        """
        found: dict[tuple[int, bool, str, str], PlannedOrder] = {}
        problems = list(self._problems)
        for index, assignment in self._assignments:
            try:
                starts = assignment.starts(day.toordinal(), period_begin)
            except ProblemError as error:
                problems += _problems(error, f"$.calendars[{index}]")
                continue
            for at, wall in starts.items():
                for workflow, name, parameterisation in self._orders:
                    key = (at, wall.is_cyclic, workflow, name)
                    if key not in found:
                        found[key] = PlannedOrder(*key, parameterisation, index, wall.period)
        orders = tuple(found[key] for key in sorted(found))
        return DayOfSchedule(day, self.schedule, orders, tuple(problems))


def _problems(error: ProblemError, path: str) -> list[ReadProblem]:
    return error.problems if isinstance(error, ReadError) else [ReadProblem(path=path, problem=error.problem)]


class DailyPlan:
    """All schedules of an installation."""

    def __init__(
        self,
        schedules: Iterable[Schedule],
        calendars: Calendars,
        period_begin: int = 0,
        workflows_with_variables: Collection[str] = frozenset(),
    ) -> None:
        self._schedules = [SchedulePlan(schedule, calendars, workflows_with_variables) for schedule in schedules]
        self._period_begin = period_begin

    def day(self, day: date) -> Iterator[DayOfSchedule]:
        """Schedule by schedule, also those that start nothing."""
        for schedule in self._schedules:
            yield schedule.day(day, self._period_begin)

    def days(self, first: date, last: date) -> Iterator[DayOfSchedule]:
        """A projection: day by day, both included, and within a day schedule by schedule.

        One schedule's orders of one day are in memory at a time, besides the calendars' dates.
        """
        for number in range((last - first).days + 1):
            yield from self.day(first + timedelta(days=number))
