"""The instruction AddOrder: labels become positions, and the id of the new order is generated (services spec 2.5)."""

from __future__ import annotations

from typing import Any

from stellwerk.language.inventory.conversion import Converter, compact, first_of
from stellwerk.language.inventory.quoting import expressions_of, quoted

#: The last nine digits of the epoch milliseconds.
MAIN_DIGITS = "replaceAll(\"$js7EpochMilli\", '^.*([0-9]{9})$', '$1')"

_OWN = (
    "workflowName",
    "workflowPath",
    "arguments",
    "remainWhenTerminated",
    "startPosition",
    "endPositions",
    "blockPosition",
    "forceJobAdmission",
    "tags",
)


def add_order_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name not in _OWN}
    workflow = first_of(source, "workflowName", "workflowPath")
    index = converter.add_order_count
    converter.add_order_count += 1
    arguments = expressions_of(source.get("arguments"))
    result |= {
        "orderId": generated_order_id(converter.target.daily_plan_zone, index),
        "workflowPath": workflow,
        "arguments": {} if arguments is None else arguments,
        "deleteWhenTerminated": source.get("remainWhenTerminated") is not True,
        "innerBlock": _position(converter, workflow, source.get("blockPosition"), f"{path}.blockPosition"),
        "startPosition": _position(converter, workflow, source.get("startPosition"), f"{path}.startPosition"),
        "forceAdmission": first_of(source, "forceJobAdmission", "forceAdmission"),
    }
    ends = first_of(source, "endPositions", "stopPositions")
    if isinstance(ends, list):
        result["stopPositions"] = [
            _position(converter, workflow, end, f"{path}.endPositions[{number}]") for number, end in enumerate(ends)
        ]
    else:
        result["stopPositions"] = ends
    return compact(
        result, {"stopPositions": [], "innerBlock": [], "forceAdmission": False, "deleteWhenTerminated": False}
    )


def _position(converter: Converter, workflow: Any, position: Any, path: str) -> Any:
    """A position as it is, a label as the position it stands for in the target workflow."""
    if not isinstance(position, str):
        return position
    known = converter.target.label_positions
    if known is None:
        return position
    labels = known.get(str(workflow), {})
    if position in labels:
        return list(labels[position])
    converter.problem(
        path,
        f"Unknown label {position!r} in workflow {workflow!r}",
        "choose one of: " + (", ".join(sorted(labels)) or "(the workflow has no labels)"),
    )
    return position


def generated_order_id(zone: str, index: int) -> str:
    """The expression for ids like `#2024-12-03#D12345678900-00001-2024120312345678901!-name`."""
    parent_digits = "replaceAll(replaceAll($js7OrderId, '^(#[0-9]{4}-[0-9]{2}-[0-9]{2}#[^-]+)-.*$', '$1'), '\\D', \"\")"
    parent_name = (
        "replaceAll(replaceAll($js7OrderId, '^#[0-9]{4}-[0-9]{2}-[0-9]{2}#[^-]+-([^!]+!-)?(.*)$', '$2'), "
        "'^([^|]+).*', '!-$1')"
    )
    return (
        f"uniqueOrderId('#' ++ now(format='yyyy-MM-dd', timezone={quoted(zone)}) ++ '#D' ++ {MAIN_DIGITS} ++ "
        f"'{index % 100:02d}-%05d-' ++ {parent_digits} ++ {parent_name})"
    )


def add_order_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    """Without the order id, which the next deployment generates again."""
    result = {name: value for name, value in source.items() if name not in ("orderId", "deleteWhenTerminated")}
    names = {"workflowPath": "workflowName", "innerBlock": "blockPosition", "stopPositions": "endPositions"}
    names["forceAdmission"] = "forceJobAdmission"
    result = {names.get(name, name): value for name, value in result.items()}
    if source.get("deleteWhenTerminated") is not True:
        result["remainWhenTerminated"] = True
    return result
