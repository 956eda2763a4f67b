"""Runs one vector of `data/positions*.jsonl` against `stellwerk.language.positions` (CONFORMANCE.md, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from stellwerk.language import positions
from stellwerk.language.positions import CycleState
from stellwerk.values.problems import ProblemError


class NotInCatchError(Exception):
    """Retry outside of a catch block."""


def _position_or_label_kind(value: Any) -> str:
    if isinstance(value, str):
        return "label"
    positions.check_position(value)
    return "position"


def _next_retry_position(value: Any) -> positions.Position:
    found = positions.next_retry_position(positions.check_position(value))
    if found is None:
        raise NotInCatchError
    return found


def _parse_cycle_state(branch: str) -> dict[str, int]:
    state = positions.parse_cycle_state(branch)
    return {
        "end": state.end,
        "schemeIndex": state.scheme_index,
        "periodIndex": state.period_index,
        "index": state.index,
        "next": state.next,
    }


def _format_cycle_state(state: dict[str, int]) -> str:
    text = positions.format_cycle_state(
        CycleState(
            end=state["end"],
            scheme_index=state["schemeIndex"],
            period_index=state["periodIndex"],
            index=state["index"],
            next=state["next"],
        )
    )
    if _parse_cycle_state(text) != state:
        raise AssertionError(f"{text} is parsed as {_parse_cycle_state(text)}")
    return text


def _workflow_position_text(value: dict[str, Any]) -> str:
    workflow_id = positions.WorkflowId(value["workflowId"]["path"], value["workflowId"]["versionId"])
    return str(positions.WorkflowPosition(workflow_id, positions.check_position(value["position"])))


def _of_position(function: Callable[[positions.Position], Any]) -> Callable[[Any], Any]:
    return lambda value: function(positions.check_position(value))


_OPERATIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "parseJson": positions.check_position,
    "toString": _of_position(positions.position_text),
    "positionOrLabelKind": _position_or_label_kind,
    "parent": _of_position(positions.parent),
    "isParentOf": lambda pair: positions.is_parent_of(*(positions.check_position(value) for value in pair)),
    "isInFork": _of_position(positions.is_in_fork),
    "forkBranch": _of_position(positions.fork_branch),
    "tryCount": _of_position(positions.try_count),
    "catchCount": _of_position(positions.catch_count),
    "nextRetryPosition": _next_retry_position,
    "normalizeBranchId": positions.normalize_branch_id,
    "isFork": positions.is_fork,
    "isCycle": positions.is_cycle,
    "isMovable": positions.is_movable,
    "parseCycleState": _parse_cycle_state,
    "formatCycleState": _format_cycle_state,
    "commonBranchPath": lambda pair: positions.common_branch_path(tuple(pair[0]), tuple(pair[1])),
    "workflowPositionToString": _workflow_position_text,
}

#: Errors that ProblemError stands for, by operation.
_PROBLEMS: Final = {"parseJson": "decode", "parseCycleState": "not-a-cycle"}


def run(case: dict[str, Any]) -> str | None:
    """None if the implementation does what the vector says, else the difference."""
    operation, value = case["op"], case["input"]
    if operation not in _OPERATIONS:
        return f"unknown operation {operation}"
    try:
        result = _OPERATIONS[operation](value)
    except NotInCatchError:
        return _compare_error(case, "not-in-catch")
    except ProblemError as error:
        return _compare_error(case, _PROBLEMS.get(operation, str(error)))
    if "error" in case:
        return f"{operation} {value!r} = {result!r}, expected the error {case['error']}"
    plain = list(result) if isinstance(result, tuple) else result
    same = plain == case["result"] and type(plain) is type(case["result"])
    return None if same else f"{operation} {value!r} = {plain!r}, expected {case['result']!r}"


def _compare_error(case: dict[str, Any], error: str) -> str | None:
    expected = case.get("error", case.get("result"))
    same = case.get("error") == error
    return None if same else f"{case['op']} {case['input']!r} fails with {error}, expected {expected!r}"
