"""Plans from files: what schedules and calendars would start, without an installation, and what a change would change.

*.schedule.json holds a schedule, *.calendar.json a calendar; its `type` tells of which kind (absent: working days).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stellwerk.author.files import MAXIMUM_BYTES, find_files
from stellwerk.language.calendars import Calendar, read_calendar
from stellwerk.language.daily_plan import Calendars, Schedule, SchedulePlan, read_schedule
from stellwerk.language.reader import ReadError, parse_json
from stellwerk.values.problems import ProblemError

SCHEDULE_END, CALENDAR_END = ".schedule.json", ".calendar.json"
_NON_WORKING = "NONWORKINGDAYSCALENDAR"


class Start(NamedTuple):
    """One order that a schedule starts; ascending by date and time."""

    plan_date: date
    #: Milliseconds since the epoch.
    at: int
    schedule: str
    order_name: str
    workflow: str
    is_cyclic: bool


class PlanObjects(msgspec.Struct, frozen=True):
    """Schedules and calendars by name."""

    schedules: Mapping[str, Schedule]
    working: Mapping[str, Calendar]
    non_working: Mapping[str, Calendar]

    def overlaid(self, other: PlanObjects) -> PlanObjects:
        """With those of `other` in the places of those of the same name."""
        return PlanObjects(
            schedules={**self.schedules, **other.schedules},
            working={**self.working, **other.working},
            non_working={**self.non_working, **other.non_working},
        )

    @property
    def calendars(self) -> Calendars:
        return Calendars(self.working, self.non_working)

    def starts(self, first: date, last: date, period_begin: int = 0) -> list[Start]:
        """What starts in the plans of these days. Raises `ProblemError` where a schedule cannot be planned."""
        calendars = self.calendars
        plans = [SchedulePlan(schedule, calendars) for _, schedule in sorted(self.schedules.items())]
        found: list[Start] = []
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            for plan in plans:
                planned = plan.day(day, period_begin)
                if planned.problems:
                    texts = "; ".join(f"{item.path}: {item.problem}" for item in planned.problems)
                    raise ProblemError(f"schedule {plan.schedule.name}: {texts}")
                found += [
                    Start(day, item.scheduled_for, plan.schedule.name, item.order_name, item.workflow, item.is_cyclic)
                    for item in planned.orders
                ]
        return sorted(found)


def read_files(paths: Iterable[Path]) -> PlanObjects:
    """Of files and folders. Raises `ProblemError` with the file's name, `FileNotFoundError`."""
    schedules: dict[str, Schedule] = {}
    working: dict[str, Calendar] = {}
    non_working: dict[str, Calendar] = {}
    for file in find_files(paths, (SCHEDULE_END, CALENDAR_END)):
        try:
            if file.stat().st_size > MAXIMUM_BYTES:
                raise ProblemError(f"the file is larger than {MAXIMUM_BYTES} bytes")
            content = parse_json(file.read_bytes())
            if file.name.endswith(SCHEDULE_END):
                name = file.name.removesuffix(SCHEDULE_END)
                schedules[name] = schedule_of(name, content)
            else:
                name = file.name.removesuffix(CALENDAR_END).removesuffix(".json")
                calendar = read_calendar(content)
                (non_working if calendar.type == _NON_WORKING else working)[name] = calendar
        except ReadError as error:
            texts = "; ".join(f"{item.path}: {item.problem}" for item in error.problems)
            raise ProblemError(f"{file}: {texts}") from error
        except ProblemError as error:
            raise ProblemError(f"{file}: {error.problem}") from error
    return PlanObjects(schedules, working, non_working)


def schedule_of(path: str, content: Any) -> Schedule:
    """Raises `ReadError`."""
    return msgspec.structs.replace(read_schedule(content), path=path)


def released(schedules: Iterable[Mapping[str, Any]], calendars: Iterable[Mapping[str, Any]]) -> PlanObjects:
    """Of the Cockpit's answers to `schedules` and `calendars`. Raises `ReadError`."""
    working: dict[str, Calendar] = {}
    non_working: dict[str, Calendar] = {}
    for content in calendars:
        calendar = read_calendar(content)
        (non_working if calendar.type == _NON_WORKING else working)[str(content["name"])] = calendar
    known = {str(content["name"]): schedule_of(str(content["path"]), content) for content in schedules}
    return PlanObjects(known, working, non_working)


def difference(old: Iterable[Start], new: Iterable[Start]) -> list[tuple[str, Start]]:
    """What goes (`-`) and what comes (`+`), ascending."""
    before, after = set(old), set(new)
    changes = [("-", start) for start in before - after] + [("+", start) for start in after - before]
    return sorted(changes, key=lambda change: (change[1], change[0]))
