"""Schedules as they stand in the inventory (services spec 4.1)."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from stellwerk.language.calendars import Period, Restrictions, check_frequencies, check_periods
from stellwerk.language.reader import INVALID, Reader, ReadProblem
from stellwerk.language.schedules import time_zone
from stellwerk.values.problems import ProblemError

DEFAULT_TIME_ZONE = "Etc/UTC"
#: Characters of an order name that an order id keeps.
ORDER_NAME_LENGTH = 30


class Assignment(Restrictions, frozen=True, kw_only=True):
    """A working-day calendar in a schedule: restricted, with periods in a time zone."""

    calendar_name: str
    time_zone: str | None = None
    periods: tuple[Period, ...] = ()


class NonWorkingDays(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What `whenHoliday` of the periods goes by."""

    calendar_name: str


class OrderParameterisation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One order per start. Absent or empty `order_name`: the schedule's name."""

    order_name: str | None = None
    variables: dict[str, Any] = {}
    positions: Any = None
    tags: tuple[str, ...] = ()
    force_job_admission: bool = False
    priority: int = 0


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    ALIASES: ClassVar[dict[str, str]] = {"variableSets": "orderParameterisations"}

    #: Folder and name; the name alone is enough.
    path: str = ""
    title: str | None = None
    documentation_name: str | None = None
    workflow_names: tuple[str, ...]
    submit_order_to_controller_when_planned: bool = False
    plan_order_automatically: bool = False
    calendars: tuple[Assignment, ...] = ()
    non_working_day_calendars: tuple[NonWorkingDays, ...] = ()
    order_parameterisations: tuple[OrderParameterisation, ...] = ()

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        """The legacy member for a single workflow."""
        if value.get("workflowNames") is None and value.get("workflowName") is not None:
            return {**value, "workflowNames": [value["workflowName"]]}
        return value

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def orders(self) -> tuple[tuple[str, OrderParameterisation], ...]:
        """Order name, as it appears in order ids, and parameterisation of each order that starts at a time."""
        parameterisations = self.order_parameterisations or (OrderParameterisation(),)
        return tuple(((item.order_name or self.name)[:ORDER_NAME_LENGTH], item) for item in parameterisations)


def read_schedule(content: Any) -> Schedule:
    """Of the JSON value of the inventory. Raises `ReadError`; texts are looked at only when the schedule is planned."""
    reader = Reader()
    schedule: Schedule = reader.result(reader.read(Schedule, content, "$"))
    return schedule


def schedule_problems(content: Any) -> list[ReadProblem]:
    """All that is wrong with a schedule itself; not what it refers to."""
    reader = Reader()
    schedule = reader.read(Schedule, content, "$")
    if schedule is not INVALID:
        if not schedule.workflow_names:
            reader.problem("$.workflowNames", "at least one workflow is expected")
        names = [name for name, _ in schedule.orders()]
        for index, name in enumerate(names):
            if name in names[:index]:
                text = f"two orders of the schedule would have the name {name!r}"
                remedy = f"let them differ in their first {ORDER_NAME_LENGTH} characters"
                reader.problem(f"$.orderParameterisations[{index}].orderName", text, remedy)
        for index, assignment in enumerate(schedule.calendars):
            path = f"$.calendars[{index}]"
            check_frequencies(assignment.includes, f"{path}.includes", reader)
            check_periods(assignment.periods, f"{path}.periods", reader)
            try:
                time_zone(assignment.time_zone or DEFAULT_TIME_ZONE)
            except ProblemError as error:
                reader.problem(f"{path}.timeZone", error.problem)
    return reader.problems
