"""Whether an inventory object could be deployed, and what it refers to (cockpit-services 1.7, 1.8). Pure.

Findings carry the JSON path in the spelling of the author. An object with findings is stored all the same, as an
invalid draft; it cannot be deployed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language import inventory
from stellwerk.language.calendars import calendar_problems
from stellwerk.language.daily_plan import schedule_problems
from stellwerk.language.expressions import ExpressionError, parse_expression
from stellwerk.language.inventory import Conversion, Target
from stellwerk.language.inventory.workflow import walk
from stellwerk.language.reader import ReadError, ReadProblem
from stellwerk.language.workflow import read_workflow
from stellwerk.values.problems import Problem

_ENVIRONMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")

#: How each deployable type becomes what a Controller understands.
CONVERSIONS: dict[ObjectType, Callable[[Any, Target], Conversion]] = {
    ObjectType[name]: convert for name, convert in inventory.CONVERSIONS.items()
}


#: How releasable types are checked, those that are.
CHECKS: dict[ObjectType, Callable[[Any], list[ReadProblem]]] = {
    ObjectType.WORKINGDAYSCALENDAR: calendar_problems,
    ObjectType.NONWORKINGDAYSCALENDAR: calendar_problems,
    ObjectType.SCHEDULE: schedule_problems,
}


class Reference(msgspec.Struct, frozen=True, order=True):
    """An object that is referred to by type and name."""

    type: ObjectType
    name: str


def find_problems(type_: ObjectType, content: Any, target: Target) -> list[ReadProblem]:
    """Everything that is wrong with the object itself; references are checked elsewhere.

    Job templates, include scripts and reports are checked in their own later work: here they only have to be JSON
    objects.
    """
    if not isinstance(content, dict):
        return [ReadProblem(path="$", problem=Problem(message="a JSON object is expected as configuration"))]
    check = CHECKS.get(type_)
    if check is not None:
        return check(content)
    convert = CONVERSIONS.get(type_)
    if convert is None:
        return []
    conversion = convert(content, target)
    found = list(conversion.problems)
    if type_ == ObjectType.WORKFLOW:
        # An id stands in for that of a deployment, so that a check sees what a deployment will send.
        engine_problems = _workflow_problems(conversion)
        known = {(problem.path, str(problem.problem)) for problem in found}
        found += [problem for problem in engine_problems if (problem.path, str(problem.problem)) not in known]
        found += _environment_names(content)
    elif type_ == ObjectType.JOBRESOURCE:
        found += _expressions(conversion, ("variables", "env"))
        found += _names_of_environment(content.get("env"), "$.env")
    elif type_ == ObjectType.LOCK:
        limit = conversion.value["limit"]
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            found.append(ReadProblem(path="$.limit", problem=Problem(message="limit must be an integer of 0 or more")))
    elif type_ == ObjectType.FILEORDERSOURCE:
        for name, own_name in (("workflowPath", "workflowName"), ("agentPath", "agentName"), ("directoryExpr", None)):
            if not conversion.value.get(name):
                text = f"{own_name or name}: is missing but it is required"
                found.append(ReadProblem(path="$", problem=Problem(message=text)))
    return found


def _workflow_problems(conversion: Conversion) -> list[ReadProblem]:
    try:
        read_workflow(conversion.value)
    except ReadError as error:
        return [conversion.in_inventory_terms(problem) for problem in error.problems]
    return []


def _expressions(conversion: Conversion, members: Iterable[str]) -> list[ReadProblem]:
    found = []
    for member in members:
        value = conversion.value.get(member)
        if value is not None and not isinstance(value, dict):
            found.append(
                ReadProblem(
                    path=conversion.inventory_path(f"$.{member}"), problem=Problem(message="an object is expected")
                )
            )
            continue
        for name, text in (value or {}).items():
            try:
                parse_expression(str(text))
            except ExpressionError as error:
                path = conversion.inventory_path(f"$.{member}.{name}")
                found.append(ReadProblem(path=path, problem=error.problem))
    return found


def _environment_names(content: Mapping[str, Any]) -> list[ReadProblem]:
    found: list[ReadProblem] = []
    jobs = content.get("jobs")
    for name, job in jobs.items() if isinstance(jobs, dict) else ():
        executable = job.get("executable") if isinstance(job, dict) else None
        if isinstance(executable, dict):
            found += _names_of_environment(executable.get("env"), f"$.jobs.{name}.executable.env")
    return found


def _names_of_environment(env: Any, path: str) -> list[ReadProblem]:
    return [
        ReadProblem(
            path=f"{path}.{name}",
            problem=Problem(message=f"{name!r} is not a valid name of an environment variable"),
            remedy="use letters, digits and '_', and no digit at the beginning",
        )
        for name in (env if isinstance(env, dict) else {})
        if not _ENVIRONMENT_NAME.match(name)
    ]


def references_of(type_: ObjectType, content: Any) -> frozenset[Reference]:
    """The objects that an object refers to by name (cockpit-services 1.8). Whatever is malformed refers to nothing."""
    if not isinstance(content, dict):
        return frozenset()
    if type_ == ObjectType.FILEORDERSOURCE:
        return frozenset(_named(ObjectType.WORKFLOW, content.get("workflowName")))
    if type_ == ObjectType.SCHEDULE:
        return _references_of_schedule(content)
    if type_ in (ObjectType.WORKINGDAYSCALENDAR, ObjectType.NONWORKINGDAYSCALENDAR):
        return frozenset(_excluded(content))
    if type_ != ObjectType.WORKFLOW:
        return frozenset()
    found: set[Reference] = set(_named(ObjectType.JOBRESOURCE, content.get("jobResourceNames")))
    jobs = content.get("jobs")
    for job in jobs.values() if isinstance(jobs, dict) else ():
        if isinstance(job, dict):
            found.update(_named(ObjectType.JOBRESOURCE, job.get("jobResourceNames")))
    for instruction in walk(content.get("instructions")):
        type_name = instruction.get("TYPE")
        if type_name == "Lock":
            found.update(_named(ObjectType.LOCK, instruction.get("lockName")))
            for demand in instruction.get("demands") or ():
                found.update(_named(ObjectType.LOCK, demand.get("lockName") if isinstance(demand, dict) else None))
        elif type_name == "AddOrder":
            found.update(_named(ObjectType.WORKFLOW, instruction.get("workflowName")))
        elif type_name in ("PostNotice", "PostNotices", "ExpectNotice"):
            names = instruction.get("noticeBoardNames", instruction.get("noticeBoardName"))
            found.update(_named(ObjectType.NOTICEBOARD, names))
        elif type_name in ("ExpectNotices", "ConsumeNotices"):
            names = re.findall(r"'([^']+)'|\"([^\"]+)\"", str(instruction.get("noticeBoardNames") or ""))
            found.update(Reference(ObjectType.NOTICEBOARD, single or double) for single, double in names)
    return frozenset(found)


def _references_of_schedule(content: dict[str, Any]) -> frozenset[Reference]:
    names = content.get("workflowNames") or content.get("workflowName")
    found = set(_named(ObjectType.WORKFLOW, names))
    for member, type_ in (
        ("calendars", ObjectType.WORKINGDAYSCALENDAR),
        ("nonWorkingDayCalendars", ObjectType.NONWORKINGDAYSCALENDAR),
    ):
        assignments = content.get(member)
        for assignment in assignments if isinstance(assignments, list) else ():
            if isinstance(assignment, dict):
                found.update(_named(type_, assignment.get("calendarName")), _excluded(assignment))
    return frozenset(found)


def _excluded(content: dict[str, Any]) -> list[Reference]:
    excludes = content.get("excludes")
    names = excludes.get("nonWorkingDayCalendars") if isinstance(excludes, dict) else None
    return _named(ObjectType.NONWORKINGDAYSCALENDAR, names)


def agent_names_of(content: Any) -> frozenset[str]:
    """The names of Agents that a workflow uses."""
    if not isinstance(content, dict):
        return frozenset()
    jobs = content.get("jobs")
    holders = [*(jobs.values() if isinstance(jobs, dict) else ()), *walk(content.get("instructions")), content]
    return frozenset(
        holder["agentName"]
        for holder in holders
        if isinstance(holder, dict) and isinstance(holder.get("agentName"), str)
    )


def _named(type_: ObjectType, names: Any) -> list[Reference]:
    listed = names if isinstance(names, list) else [names]
    return [Reference(type_, name) for name in listed if isinstance(name, str) and name]


def describe(problems: Iterable[ReadProblem]) -> str | None:
    """All findings as one text for people, or None."""
    return ";\n".join(str(problem) for problem in problems) or None
