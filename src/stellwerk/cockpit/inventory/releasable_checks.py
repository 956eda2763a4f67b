"""How each releasable type is checked (cockpit-services 1.7); schedules and calendars by the language. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.calendars import calendar_problems
from stellwerk.language.daily_plan import schedule_problems
from stellwerk.language.expressions import ExpressionError, parse_expression
from stellwerk.language.reader import ReadProblem
from stellwerk.language.schedules.local_time import time_zone as known_time_zone
from stellwerk.values.problems import Problem, ProblemError

Check = Callable[[Mapping[str, Any]], list[ReadProblem]]

_ENVIRONMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])\Z")
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
        known_time_zone(str(value))
    except ProblemError as error:
        return [ReadProblem(path=path, problem=error.problem, remedy="write e.g. Europe/Berlin")]
    return []


def workflows_of_schedule(content: Mapping[str, Any]) -> list[str]:
    names = content.get("workflowNames")
    listed = names if isinstance(names, list) else [names if names else content.get("workflowName")]
    return [name for name in listed if isinstance(name, str) and name]


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
    ObjectType.SCHEDULE: schedule_problems,
    ObjectType.WORKINGDAYSCALENDAR: calendar_problems,
    ObjectType.NONWORKINGDAYSCALENDAR: calendar_problems,
    ObjectType.JOBTEMPLATE: job_template,
    ObjectType.INCLUDESCRIPT: include_script,
    ObjectType.REPORT: report,
}
