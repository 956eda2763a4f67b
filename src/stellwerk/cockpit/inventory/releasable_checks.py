"""Structure of schedules, calendars, job templates, include scripts and reports (cockpit-services 1.7). Pure.

What a calendar or schedule computes to is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.expressions import ExpressionError, parse_expression
from stellwerk.language.reader import ReadProblem, is_number
from stellwerk.values.problems import Problem

Check = Callable[[Mapping[str, Any]], list[ReadProblem]]

_ENVIRONMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_TIME = re.compile(r"\d{1,2}(:[0-5]?\d){0,2}\Z")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])\Z")
_REPETITIONS = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WHEN_HOLIDAY = ("SUPPRESS", "IGNORE", "PREVIOUSNONWORKINGDAY", "NEXTNONWORKINGDAY")
_FREQUENCIES = ("weekly", "every2weeks", "monthly", "every3months", "every6months", "yearly", "every3years")


def fault(path: str, message: str, remedy: str | None = None) -> ReadProblem:
    return ReadProblem(path=path, problem=Problem(message=message), remedy=remedy)


def names_of_environment(env: Any, path: str) -> list[ReadProblem]:
    """Names that no environment variable may have."""
    return [
        fault(
            f"{path}.{name}",
            f"{name!r} is not a valid name of an environment variable",
            "use letters, digits and '_', and no digit at the beginning",
        )
        for name in (env if isinstance(env, dict) else {})
        if not _ENVIRONMENT_NAME.match(name)
    ]


def time_zone(value: Any, path: str) -> list[ReadProblem]:
    """A zone that is not known; absent ones have a default."""
    if value is None or value == "":
        return []
    try:
        ZoneInfo(value if isinstance(value, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [fault(path, f"{value!r} is not a known time zone", "write e.g. Europe/Berlin")]
    return []


def _objects(holder: Mapping[str, Any], member: str, path: str, found: list[ReadProblem]) -> list[tuple[str, Any]]:
    """The objects of a list with their paths; what is no list of objects is reported."""
    value = holder.get(member)
    if value is None:
        return []
    if not isinstance(value, list):
        found.append(fault(f"{path}.{member}", "an array is expected"))
        return []
    places = [(f"{path}.{member}[{index}]", item) for index, item in enumerate(value)]
    found += [fault(place, "an object is expected") for place, item in places if not isinstance(item, dict)]
    return [(place, item) for place, item in places if isinstance(item, dict)]


def _numbers(holder: Mapping[str, Any], member: str, path: str, first: int, last: int) -> list[ReadProblem]:
    value = holder.get(member)
    if value is None:
        return []
    if isinstance(value, list) and all(
        is_number(item) and int(item) == item and first <= item <= last for item in value
    ):
        return []
    return [fault(f"{path}.{member}", f"a list of integers from {first} to {last} is expected")]


def _dates(holder: Mapping[str, Any], members: Iterable[str], path: str) -> list[ReadProblem]:
    found = []
    for member in members:
        value = holder.get(member)
        if value is not None and value != "" and not _is_date(value):
            found.append(fault(f"{path}.{member}", f"{value!r} is not a date", "write yyyy-MM-dd"))
    return found


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _list_of_dates(holder: Mapping[str, Any], path: str) -> list[ReadProblem]:
    value = holder.get("dates")
    if value is None or (isinstance(value, list) and all(_is_date(item) for item in value)):
        return []
    return [fault(f"{path}.dates", "a list of dates (yyyy-MM-dd) is expected")]


# --- calendars --------------------------------------------------------------------------------------------------------


def calendar(content: Mapping[str, Any]) -> list[ReadProblem]:
    found = _dates(content, ("from", "to"), "$")
    for member in ("includes", "excludes"):
        value = content.get(member)
        if isinstance(value, dict):
            found += frequencies(value, f"$.{member}")
        elif value is not None:
            found.append(fault(f"$.{member}", "an object is expected"))
    return found


def frequencies(holder: Mapping[str, Any], path: str) -> list[ReadProblem]:
    """`includes` or `excludes` of a calendar, or of its use in a schedule (cockpit-services 3.1)."""
    found = _list_of_dates(holder, path)
    for place, weekdays in _objects(holder, "weekdays", path, found):
        found += _numbers(weekdays, "days", place, 0, 7) + _dates(weekdays, ("from", "to"), place)
    for member in ("monthdays", "ultimos"):
        for place, days in _objects(holder, member, path, found):
            found += _numbers(days, "days", place, 1, 31) + _dates(days, ("from", "to"), place)
            for inner, weekly in _objects(days, "weeklyDays", place, found):
                for name, first, last in (("day", 0, 7), ("weekOfMonth", 1, 5)):
                    wrapped = {name: [weekly.get(name)]}
                    found += [fault(inner, f"{name}: {first} to {last} is expected")][
                        : len(_numbers(wrapped, name, inner, first, last))
                    ]
    for place, holidays in _objects(holder, "holidays", path, found):
        found += _list_of_dates(holidays, place)
    for place, repetition in _objects(holder, "repetitions", path, found):
        found += _dates(repetition, ("from", "to"), place)
        if repetition.get("repetition") not in _REPETITIONS:
            found.append(fault(f"{place}.repetition", f"one of {', '.join(_REPETITIONS)} is expected"))
        if not repetition.get("from"):
            found.append(fault(f"{place}.from", "is missing but it is required"))
        step = repetition.get("step", 1)
        if not is_number(step) or step < 1:
            found.append(fault(f"{place}.step", "a number of 1 or more is expected"))
    for place, months in _objects(holder, "months", path, found):
        found += _numbers(months, "months", place, 1, 12) + _dates(months, ("from", "to"), place)
        found += frequencies({name: value for name, value in months.items() if name != "months"}, place)
    return found


# --- schedules --------------------------------------------------------------------------------------------------------


def schedule(content: Mapping[str, Any]) -> list[ReadProblem]:
    found: list[ReadProblem] = []
    if not workflows_of_schedule(content):
        found.append(fault("$.workflowNames", "is missing but it is required", "name at least one workflow"))
    for place, use in _objects(content, "calendars", "$", found):
        if not isinstance(use.get("calendarName"), str):
            found.append(fault(f"{place}.calendarName", "is missing but it is required"))
        found += time_zone(use.get("timeZone"), f"{place}.timeZone")
        for member in ("includes", "excludes"):
            if isinstance(use.get(member), dict):
                found += frequencies(use[member], f"{place}.{member}")
        for inner, period in _objects(use, "periods", place, found):
            found += _period(period, inner)
    _objects(content, "nonWorkingDayCalendars", "$", found)
    names: set[str] = set()
    for place, order in _objects(content, "orderParameterisations", "$", found):
        name = str(order.get("orderName") or "")
        if name in names:
            found.append(fault(f"{place}.orderName", f"duplicate order name {name!r}", "name each order once"))
        names.add(name)
        if not isinstance(order.get("variables", {}), dict):
            found.append(fault(f"{place}.variables", "an object is expected"))
    return found


def workflows_of_schedule(content: Mapping[str, Any]) -> list[str]:
    names = content.get("workflowNames")
    listed = names if isinstance(names, list) else [names if names else content.get("workflowName")]
    return [name for name in listed if isinstance(name, str) and name]


def _period(period: Mapping[str, Any], path: str) -> list[ReadProblem]:
    found = []
    if period.get("singleStart") is None and not (period.get("begin") is not None and period.get("repeat") is not None):
        found.append(fault(path, "a period has singleStart, or begin, end and repeat"))
    for member in ("singleStart", "begin", "end", "repeat"):
        value = period.get(member)
        if value is not None and not _TIME.match(str(value)) and not (member == "repeat" and str(value).isdigit()):
            found.append(fault(f"{path}.{member}", f"{value!r} is not a time", "write HH:MM:SS"))
    if period.get("whenHoliday", "SUPPRESS") not in _WHEN_HOLIDAY:
        found.append(fault(f"{path}.whenHoliday", f"one of {', '.join(_WHEN_HOLIDAY)} is expected"))
    return found


# --- others -----------------------------------------------------------------------------------------------------------


def job_template(content: Mapping[str, Any]) -> list[ReadProblem]:
    executable = content.get("executable")
    if not isinstance(executable, dict):
        return [fault("$.executable", "is missing but it is required")]
    found = names_of_environment(executable.get("env"), "$.executable.env")
    env = executable.get("env")
    for name, text in env.items() if isinstance(env, dict) else ():
        try:
            parse_expression(str(text))
        except ExpressionError as error:
            found.append(ReadProblem(path=f"$.executable.env.{name}", problem=error.problem))
    internal = executable.get("TYPE") == "InternalExecutable"
    required = "className" if internal and not executable.get("script") else None if internal else "script"
    if required is not None and not isinstance(executable.get(required), str):
        found.append(fault(f"$.executable.{required}", "is missing but it is required"))
    if content.get("failOnErrWritten") is True and content.get("warnOnErrWritten") is True:
        found.append(fault("$", "not both failOnErrWritten and warnOnErrWritten"))
    return found


def include_script(content: Mapping[str, Any]) -> list[ReadProblem]:
    if isinstance(content.get("script"), str):
        return []
    return [fault("$.script", "is missing but it is required")]


def report(content: Mapping[str, Any]) -> list[ReadProblem]:
    found = []
    if not (content.get("templateName") or content.get("templateId")):
        found.append(fault("$.templateName", "is missing but it is required"))
    listed = content.get("frequencies")
    for index, frequency in enumerate(listed if isinstance(listed, list) else ()):
        if frequency not in _FREQUENCIES:
            found.append(fault(f"$.frequencies[{index}]", f"one of {', '.join(_FREQUENCIES)} is expected"))
    first, last = content.get("monthFrom"), content.get("monthTo")
    for member, value in (("monthFrom", first), ("monthTo", last)):
        # Relative months (`1m`, `-1y`) are resolved when the report is made.
        if isinstance(value, str) and re.match(r"\d{4}", value) and not _MONTH.match(value):
            found.append(fault(f"$.{member}", f"{value!r} is not a month", "write yyyy-MM"))
    if (
        isinstance(first, str)
        and isinstance(last, str)
        and _MONTH.match(first)
        and _MONTH.match(last)
        and first >= last
    ):
        found.append(fault("$.monthTo", "monthFrom must be before monthTo"))
    return found


RELEASABLE_CHECKS: Mapping[ObjectType, Check] = {
    ObjectType.SCHEDULE: schedule,
    ObjectType.WORKINGDAYSCALENDAR: calendar,
    ObjectType.NONWORKINGDAYSCALENDAR: calendar,
    ObjectType.JOBTEMPLATE: job_template,
    ObjectType.INCLUDESCRIPT: include_script,
    ObjectType.REPORT: report,
}
