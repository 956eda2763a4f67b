"""Whether schedules and file order sources fit the workflows that they start (cockpit-services 1.7). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from stellwerk.cockpit.inventory.releasable_checks import fault, workflows_of_schedule
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.reader import ReadProblem, is_number

#: The argument that every file order has.
FILE_PARAMETER = "file"
#: Types whose validity depends on the content of what they refer to.
DEPENDENT = frozenset({ObjectType.SCHEDULE, ObjectType.FILEORDERSOURCE})

_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "String": lambda value: isinstance(value, str),
    "Number": lambda value: is_number(value) or (isinstance(value, str) and _is_numeric(value)),
    "Boolean": lambda value: isinstance(value, bool) or value in ("true", "false"),
    "List": lambda value: isinstance(value, list),
    "Map": lambda value: isinstance(value, dict),
}


def find_misfits(type_: ObjectType, content: Any, workflows: Mapping[str, Any]) -> list[ReadProblem]:
    """What does not fit the workflows (name → content) that exist; those that do not are reported elsewhere."""
    if not isinstance(content, dict):
        return []
    if type_ == ObjectType.FILEORDERSOURCE:
        name = str(content.get("workflowName") or content.get("workflowPath"))
        return _file_order_source(name, workflows[name]) if name in workflows else []
    if type_ == ObjectType.SCHEDULE:
        return _schedule(content, workflows)
    return []


def parameters_of(workflow: Any) -> dict[str, Any]:
    """The declared parameters of a workflow, by name."""
    preparation = workflow.get("orderPreparation") if isinstance(workflow, dict) else None
    parameters = preparation.get("parameters") if isinstance(preparation, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def allows_undeclared(workflow: Any) -> bool:
    preparation = workflow.get("orderPreparation") if isinstance(workflow, dict) else None
    return isinstance(preparation, dict) and preparation.get("allowUndeclared") is True


def with_file_parameter(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow with a declared parameter `file`, which orders of file order sources bring along."""
    if FILE_PARAMETER in parameters_of(workflow) or allows_undeclared(workflow):
        return workflow
    preparation = workflow.get("orderPreparation")
    declared = {**parameters_of(workflow), FILE_PARAMETER: {"type": "String"}}
    base = preparation if isinstance(preparation, dict) else {}
    return {**workflow, "orderPreparation": {**base, "parameters": declared}}


def _file_order_source(name: str, workflow: Any) -> list[ReadProblem]:
    if FILE_PARAMETER in parameters_of(workflow) or allows_undeclared(workflow):
        return []
    text = f"the workflow {name!r} does not declare the variable 'file'"
    return [fault("$.workflowName", text, "declare a String parameter 'file' in its orderPreparation")]


def _schedule(content: Mapping[str, Any], workflows: Mapping[str, Any]) -> list[ReadProblem]:
    names = workflows_of_schedule(content)
    found = []
    orders = content.get("orderParameterisations")
    orders = orders if isinstance(orders, list) and orders else [{}]
    for name in names:
        if name not in workflows:
            continue
        declared = parameters_of(workflows[name])
        required = sorted(item for item, parameter in declared.items() if not _has_value(parameter))
        if len(names) > 1 and required:
            text = f"a schedule of several workflows: {name!r} must not have required variables ({', '.join(required)})"
            found.append(fault("$.workflowNames", text, "give them defaults, or write a schedule for each workflow"))
            continue
        for index, order in enumerate(orders):
            variables = order.get("variables") if isinstance(order, dict) else None
            variables = variables if isinstance(variables, dict) else {}
            place = f"$.orderParameterisations[{index}].variables"
            found += [
                fault(place, f"the variable {item!r} of workflow {name!r} is missing but it is required")
                for item in required
                if item not in variables
            ]
            for item, value in variables.items():
                found += _argument(name, workflows[name], item, value, f"{place}.{item}")
    return found


def _argument(name: str, workflow: Any, variable: str, value: Any, place: str) -> list[ReadProblem]:
    parameter = parameters_of(workflow).get(variable)
    if parameter is None:
        if allows_undeclared(workflow):
            return []
        return [fault(place, f"the variable {variable!r} is not declared in workflow {name!r}")]
    kind = str(parameter.get("type")) if isinstance(parameter, dict) else ""
    if kind in _KINDS and not _KINDS[kind](value):
        return [fault(place, f"the variable {variable!r} of workflow {name!r} is a {kind}, not {value!r}")]
    return []


def _has_value(parameter: Any) -> bool:
    return isinstance(parameter, dict) and (parameter.get("default") is not None or parameter.get("final") is not None)


def _is_numeric(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False
