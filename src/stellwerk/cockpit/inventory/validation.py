"""Whether an inventory object could be deployed or released, as far as it alone can tell (cockpit-services 1.7). Pure.

Findings carry the JSON path in the spelling of the author. An object with findings is stored all the same, as an
invalid draft; it cannot be deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stellwerk.cockpit.inventory.releasable_checks import (
    RELEASABLE_CHECKS,
    fault,
    names_of_environment,
    time_zone,
)
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language import inventory
from stellwerk.language.expressions import ExpressionError, parse_expression
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.inventory import Conversion, Target
from stellwerk.language.items import read_unsigned_item
from stellwerk.language.reader import ReadError, ReadProblem
from stellwerk.language.workflow import read_workflow
from stellwerk.values.problems import Problem, ProblemError

#: How each deployable type becomes what a Controller understands.
CONVERSIONS: dict[ObjectType, Callable[[Any, Target], Conversion]] = {
    ObjectType[name]: convert for name, convert in inventory.CONVERSIONS.items()
}


def find_problems(type_: ObjectType, content: Any, target: Target) -> list[ReadProblem]:
    """Everything that is wrong with the object itself; what it refers to is checked elsewhere."""
    if not isinstance(content, dict):
        return [ReadProblem(path="$", problem=Problem(message="a JSON object is expected as configuration"))]
    convert = CONVERSIONS.get(type_)
    if convert is None:
        check = RELEASABLE_CHECKS.get(type_)
        return [] if check is None else check(content)
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
        found += names_of_environment(content.get("env"), "$.env")
    elif type_ == ObjectType.LOCK:
        limit = conversion.value["limit"]
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            found.append(ReadProblem(path="$.limit", problem=Problem(message="limit must be an integer of 0 or more")))
    elif type_ == ObjectType.FILEORDERSOURCE:
        for name, own_name in (("workflowPath", "workflowName"), ("agentPath", "agentName"), ("directoryExpr", None)):
            if not conversion.value.get(name):
                text = f"{own_name or name}: is missing but it is required"
                found.append(ReadProblem(path="$", problem=Problem(message=text)))
        found += _file_order_source(content)
    elif type_ == ObjectType.NOTICEBOARD:
        found += _notice_board(content)
    if type_ in (ObjectType.FILEORDERSOURCE, ObjectType.NOTICEBOARD) and not found:
        found += _item_problems(conversion)
    return found


def _workflow_problems(conversion: Conversion) -> list[ReadProblem]:
    try:
        read_workflow(conversion.value)
    except ReadError as error:
        return [conversion.in_inventory_terms(problem) for problem in error.problems]
    return []


def _item_problems(conversion: Conversion) -> list[ReadProblem]:
    """What the engine would not read. Names are checked elsewhere."""
    try:
        read_unsigned_item(conversion.value)
    except ReadError as error:
        return [conversion.in_inventory_terms(problem) for problem in error.problems if problem.path != "$.path"]
    except ProblemError as error:
        return [ReadProblem(path="$", problem=error.problem)]
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
            found += names_of_environment(executable.get("env"), f"$.jobs.{name}.executable.env")
    return found


def _file_order_source(content: Mapping[str, Any]) -> list[ReadProblem]:
    found = time_zone(content.get("timeZone"), "$.timeZone")
    pattern = content.get("pattern")
    if pattern:
        try:
            java_regex(str(pattern))
        except ExpressionError as error:
            found.append(ReadProblem(path="$.pattern", problem=error.problem))
    return found


def _notice_board(content: Mapping[str, Any]) -> list[ReadProblem]:
    """A global board needs to know its notices' ids and their end; both ids of a plannable one are the same."""
    ids = {
        str(content[name])
        for name in ("postOrderToNoticeId", "toNotice", "expectOrderToNoticeId", "readingOrderToNoticeId")
        if content.get(name)
    }
    if content.get("boardType") == "PLANNABLE":
        if len(ids) > 1:
            return [fault("$", "a plannable board has one expression for posting and expecting notices")]
        return []
    found = []
    if not ids:
        found.append(fault("$", "postOrderToNoticeId: is missing but it is required"))
    if not content.get("endOfLife"):
        found.append(fault("$", "endOfLife: is missing but it is required"))
    return found


def describe(problems: Iterable[ReadProblem]) -> str | None:
    """All findings as one text for people, or None."""
    return ";\n".join(str(problem) for problem in problems) or None
