"""Whole workflows (workflow spec 9.1, 9.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stellwerk.language.inventory.conversion import Conversion, Converter, Target, compact, first_of
from stellwerk.language.inventory.instructions import DEFAULT_SUBAGENT_VARIABLE, block_from_engine, block_to_engine
from stellwerk.language.inventory.jobs import job_from_engine, job_to_engine, subagent_expression
from stellwerk.language.inventory.quoting import expression_of, quote_unless_typed, quoted, variable

#: The final parameter by which a deployed workflow knows its full inventory path (workflow spec 9.3).
PATH_PARAMETER = "js7Workflow.path"

_DAY_OFFSET = re.compile(r"([01]?\d|2[0-3]):[0-5]\d:[0-5]\d\Z")
_PLAIN_TYPES = ("String", "Number", "Boolean")


def workflow_to_engine(content: Any, target: Target) -> Conversion:
    """The engine form of an inventory workflow. Content that is no object goes through unchanged."""
    converter = Converter(target)
    if not isinstance(content, dict):
        return converter.finish(content)
    block = block_to_engine(
        converter, {name: content[name] for name in ("instructions", "result") if name in content}, "$"
    )
    value: dict[str, Any] = {
        "TYPE": "Workflow",
        "path": target.name,
        "versionId": target.version_id,
        "timeZone": content.get("timeZone"),
        "orderPreparation": _order_preparation(
            converter, first_of(content, "orderPreparation", "orderRequirements"), target.path
        ),
        "jobResourcePaths": first_of(content, "jobResourceNames", "jobResourcePaths"),
        "calendarPath": _calendar(content, target.name),
        **{name: item for name, item in block.items()},
        "jobs": _jobs(converter, content),
    }
    return converter.finish(converter.place(compact(value, {"jobResourcePaths": [], "jobs": {}}), "$"))


def _calendar(content: Mapping[str, Any], name: str) -> str | None:
    """`Cycle` needs a calendar: the workflow's own if its day begins at another time, else that of the daily plan."""
    if not any(instruction.get("TYPE") == "Cycle" for instruction in walk(content.get("instructions"))):
        return None
    offset = content.get("dayOffset")
    return f"dayOffset-{name}" if isinstance(offset, str) and _DAY_OFFSET.match(offset) else "dailyPlan"


def walk(instructions: Any) -> Iterator[dict[str, Any]]:
    """Each instruction at any depth, outer ones first. Works on both spellings: blocks are found by their form."""
    if not isinstance(instructions, list):
        return
    for instruction in instructions:
        if isinstance(instruction, dict):
            if "TYPE" in instruction:
                yield instruction
            for member in instruction.values():
                if isinstance(member, dict):
                    yield from walk(member.get("instructions"))
                elif isinstance(member, list):  # branches of a fork, cases
                    for entry in member:
                        if isinstance(entry, dict):
                            for block in entry.values():
                                if isinstance(block, dict):
                                    yield from walk(block.get("instructions"))


def _jobs(converter: Converter, content: Mapping[str, Any]) -> Any:
    jobs = content.get("jobs")
    if not isinstance(jobs, dict):
        return jobs
    inherited = dict(_inherited(content.get("instructions"), None))
    return {
        name: job_to_engine(converter, job, f"$.jobs.{name}", inherited=inherited.get(name))
        for name, job in jobs.items()
    }


def _inherited(instructions: Any, giver: Mapping[str, str] | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Job name → what it takes from the innermost enclosing ForkList or StickySubagent (services spec 1.6)."""
    if not isinstance(instructions, list):
        return
    for instruction in instructions:
        if not isinstance(instruction, dict):
            continue
        own = giver
        type_ = instruction.get("TYPE")
        agent = first_of(instruction, "agentName", "agentPath")
        if type_ in ("ForkList", "StickySubagent") and isinstance(agent, str):
            own = {"agentName": agent}
            if type_ == "ForkList" and instruction.get("children") is None and subagent_expression(instruction):
                name = str(instruction.get("subagentIdVariable") or DEFAULT_SUBAGENT_VARIABLE)
                own["subagentClusterIdExpr"] = variable(name)
        if type_ == "Execute.Named" and giver is not None and isinstance(instruction.get("jobName"), str):
            yield instruction["jobName"], giver
        for member in instruction.values():
            if isinstance(member, dict):
                yield from _inherited(member.get("instructions"), own)
            elif isinstance(member, list):
                for entry in member:
                    if isinstance(entry, dict):
                        for block in entry.values():
                            if isinstance(block, dict):
                                yield from _inherited(block.get("instructions"), own)


# --- parameters -------------------------------------------------------------------------------------------------------


def _order_preparation(converter: Converter, preparation: Any, workflow_path: str) -> Any:
    """Always present, for the path parameter is always added: undeclared arguments are refused unless allowed."""
    if preparation is not None and not isinstance(preparation, dict):
        return preparation
    declared = (preparation or {}).get("parameters")
    if declared is not None and not isinstance(declared, dict):
        return preparation
    parameters: dict[str, Any] = {}
    for name, parameter in (declared or {}).items():
        parameters[name] = _parameter(converter, parameter, f"$.orderPreparation.parameters.{name}")
    parameters[PATH_PARAMETER] = {"type": "String", "final": quoted(workflow_path)}
    result = compact(
        {"parameters": parameters, "allowUndeclared": (preparation or {}).get("allowUndeclared")},
        {"allowUndeclared": False},
    )
    return converter.place(result, "$.orderPreparation")


def _parameter(converter: Converter, parameter: Any, path: str) -> Any:
    if not isinstance(parameter, dict):
        return parameter
    type_ = parameter.get("type")
    result: dict[str, Any] = {"type": type_}
    if type_ in ("List", "Map"):
        fields = parameter.get("listParameters")
        if isinstance(fields, dict) and fields:
            members = {
                name: field.get("type", "String") if isinstance(field, dict) else field
                for name, field in fields.items()
            }
            object_type = {"TYPE": "Object", **members}
            result["type"] = {"TYPE": "List", "elementType": object_type} if type_ == "List" else object_type
        else:
            converter.problem(f"{path}.listParameters", f"a parameter of type {type_} must declare its fields")
            result["type"] = None
    for name in ("default", "final"):
        value = parameter.get(name)
        if value is not None:
            result[name] = _parameter_expression(value, type_)
    return converter.place(compact(result), path)


def _parameter_expression(value: Any, type_: Any) -> Any:
    """Texts of String parameters are strings unless marked as expressions; JSON values stand for themselves."""
    if isinstance(value, str):
        return value if type_ in ("Number", "Boolean", "List", "Map") and value else quote_unless_typed(value)
    return expression_of(value)


# --- back ---------------------------------------------------------------------------------------------------------


def workflow_from_engine(value: Mapping[str, Any]) -> dict[str, Any]:
    """The inventory form of an engine workflow (structurally sound JSON, as the engine writes it).

    What only the Cockpit knows (title, documentation, dayOffset) is not in there. Deploying the result gives the same
    engine workflow again, generated order ids aside.
    """
    block = block_from_engine({name: value[name] for name in ("instructions", "result") if name in value})
    jobs = value.get("jobs")
    return compact(
        {
            "TYPE": "Workflow",
            "timeZone": value.get("timeZone"),
            "orderPreparation": _order_preparation_from_engine(value.get("orderPreparation")),
            "jobResourceNames": value.get("jobResourcePaths"),
            **block,
            "jobs": {name: job_from_engine(job) for name, job in jobs.items()} if isinstance(jobs, dict) else None,
        },
        {"jobResourceNames": [], "jobs": {}},
    )


def _order_preparation_from_engine(preparation: Any) -> Any:
    if preparation is None:  # no declaration: the engine accepts any argument
        return {"allowUndeclared": True}
    declared = preparation.get("parameters") or {}
    parameters = {
        name: _parameter_from_engine(parameter) for name, parameter in declared.items() if name != PATH_PARAMETER
    }
    result = compact(
        {"parameters": parameters, "allowUndeclared": preparation.get("allowUndeclared")},
        {"parameters": {}, "allowUndeclared": False},
    )
    return result or None


def _parameter_from_engine(parameter: dict[str, Any]) -> dict[str, Any]:
    type_ = parameter.get("type")
    if not isinstance(type_, dict):
        return parameter
    element = type_.get("elementType")
    if type_.get("TYPE") == "List" and isinstance(element, dict) and element.get("TYPE") == "Object":
        return {**parameter, "type": "List", "listParameters": _fields(element)}
    if type_.get("TYPE") == "Object" and all(item in _PLAIN_TYPES for name, item in type_.items() if name != "TYPE"):
        return {**parameter, "type": "Map", "listParameters": _fields(type_)}
    return parameter  # a type that only the engine spelling can say


def _fields(object_type: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"type": item} for name, item in object_type.items() if name != "TYPE"}
