"""Positions in a workflow (workflow spec 3).

A position is a tuple that alternates instruction numbers and branch ids and ends with a number:
`(0, "try+0", 1)`; a branch path is its even-length prefix: `(0, "try+0")`. Tuples are JSON arrays outside.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from stellwerk.values.problems import ProblemError

Position = tuple[int | str, ...]
BranchPath = tuple[int | str, ...]
PositionOrLabel = tuple[int | str, ...] | str

#: Blocks across which an order may be moved (workflow spec 3.2, footnote 1).
_MOVABLE = frozenset({"then", "else", "try", "catch", "cycle", "options", "admissionTime"})


class WorkflowId(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    path: str
    version_id: str

    def __str__(self) -> str:
        return f"{self.path}~{self.version_id}"


class WorkflowPosition(msgspec.Struct, frozen=True, rename="camel"):
    workflow_id: WorkflowId
    position: Position

    def __str__(self) -> str:
        return f"{self.workflow_id}:{position_text(self.position)}"


def check_position(value: Any) -> Position:
    """A position from JSON. Raises `ProblemError`."""
    if not isinstance(value, list | tuple) or len(value) % 2 != 1:
        raise ProblemError(f"Not a valid position: {value!r} (numbers and branch ids in turn, a number at the end)")
    for index, part in enumerate(value):
        if index % 2 == 0:
            if not isinstance(part, int) or isinstance(part, bool) or part < 0:
                raise ProblemError(f"Not a valid instruction number in position {value!r}: {part!r}")
        elif not isinstance(part, str) or not part:
            raise ProblemError(f"Not a valid branch id in position {value!r}: {part!r}")
    return tuple(value)


def check_branch_path(value: Any) -> BranchPath:
    """The path of a block from JSON: like a position without its last number. Raises `ProblemError`."""
    if not isinstance(value, list | tuple) or len(value) % 2 != 0:
        raise ProblemError(
            f"Not a valid branch path: {value!r} (numbers and branch ids in turn, a branch id at the end)"
        )
    return check_position([*value, 0])[:-1]


def position_text(position: Position) -> str:
    """`1/then:2` for people."""
    text = ""
    for index, part in enumerate(position):
        text += str(part) if index == 0 else f":{part}" if index % 2 == 0 else f"/{part}"
    return text


def parent(position: Position) -> Position | None:
    """The instruction whose block contains the position; None at the top."""
    return position[:-2] if len(position) > 1 else None


def is_parent_of(ancestor: Position, position: Position) -> bool:
    return parent(position) == ancestor


def branch_path(position: Position) -> BranchPath:
    return position[:-1]


def branch_id(position: Position) -> str | None:
    """The branch id of the innermost block."""
    return position[-2] if len(position) > 1 else None  # type: ignore[return-value]


def number(position: Position) -> int:
    return position[-1]  # type: ignore[return-value]


def next_position(position: Position) -> Position:
    return (*position[:-1], position[-1] + 1)  # type: ignore[operator]


def child(position: Position, branch: str, instruction: int = 0) -> Position:
    return (*position, branch, instruction)


@lru_cache(maxsize=4096)
def normalize_branch_id(branch: str) -> str:
    """`try+2` → `try`, `catch+1` → `catch`, `cycle+…` → `cycle`; others unchanged."""
    for prefix in ("try", "catch", "cycle"):
        if branch.startswith(prefix + "+"):
            return prefix
    return branch


def normalize(position: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the counters of retries and cycles: the position in the workflow's definition."""
    if len(position) < 2:
        return position
    return tuple(normalize_branch_id(part) if type(part) is str else part for part in position)


def is_fork(branch: str) -> bool:
    return branch == "fork" or branch.startswith("fork+")


def is_cycle(branch: str) -> bool:
    return branch == "cycle" or branch.startswith("cycle+")


def is_movable(branch: str) -> bool:
    """May an order be moved into or out of such a block by a change of its position?"""
    return normalize_branch_id(branch) in _MOVABLE or branch.startswith("then+")


def is_in_fork(position: Position) -> bool:
    return any(is_fork(part) for part in position[1::2])  # type: ignore[arg-type]


def fork_branch(position: Position) -> BranchPath:
    """Branch path of the innermost fork block, `()` outside of forks."""
    for end in range(len(position) - 1, 0, -2):
        if is_fork(position[end - 1]):  # type: ignore[arg-type]
            return position[:end]
    return ()


def _counter(branch: str, kind: str) -> int | None:
    """N of `kind+N`; a plain `kind` counts as 0; None for another branch."""
    if branch == kind:
        return 0
    if branch.startswith(kind + "+"):
        text = branch[len(kind) + 1 :]
        return int(text) if text.isdigit() else None
    return None


def _try_or_catch(position: Position) -> tuple[str, int, int] | None:
    """Innermost try or catch seen through then and else only: (kind, counter, length of its instruction position)."""
    for end in range(len(position) - 1, 0, -2):
        branch: str = position[end - 1]  # type: ignore[assignment]
        for kind in ("try", "catch"):
            count = _counter(branch, kind)
            if count is not None:
                return kind, count, end - 1
        if branch not in ("then", "else"):
            return None
    return None


def try_count(position: Position) -> int:
    """1-based number of the current try, 0 outside of try and catch (workflow spec 3.2)."""
    found = _try_or_catch(position)
    return found[1] + 1 if found else 0


def catch_count(position: Position) -> int:
    found = _try_or_catch(position)
    return found[1] + 1 if found and found[0] == "catch" else 0


def try_instruction(position: Position) -> Position | None:
    """Position of the Try instruction around, seen through then and else only."""
    found = _try_or_catch(position)
    return position[: found[2]] if found else None


def next_retry_position(position: Position) -> Position | None:
    """Where Retry at this position continues; None when it is not in a catch block (workflow spec 3.2)."""
    for end in range(len(position) - 1, 0, -2):
        branch: str = position[end - 1]  # type: ignore[assignment]
        count = _counter(branch, "catch")
        if count is not None:
            return (*position[: end - 1], f"try+{count + 1}", 0)
        if branch not in ("then", "else", "options") and _counter(branch, "try") is None:
            return None
    return None


def common_branch_path(first: BranchPath, second: BranchPath) -> BranchPath:
    """The blocks that both lie in, as a branch path."""
    length = 0
    while length + 2 <= min(len(first), len(second)) and first[length : length + 2] == second[length : length + 2]:
        length += 2
    return first[:length]


def is_reachable(start: Position, target: Position) -> bool:
    """May an order be moved from one position to the other (workflow spec 3.3)?"""
    common = len(common_branch_path(normalize(branch_path(start)), normalize(branch_path(target))))
    remaining = [*start[common:-1][1::2], *target[common:-1][1::2]]
    return all(is_movable(part) for part in remaining)  # type: ignore[arg-type]


class CycleState(msgspec.Struct, frozen=True, rename="camel"):
    """Where a Cycle instruction stands (orders spec 2.3.1). Times in epoch milliseconds; next 0 = immediately."""

    end: int
    index: int = 0
    next: int = 0
    scheme_index: int = 0
    period_index: int = 0


def format_cycle_state(state: CycleState) -> str:
    """The dynamic branch id of a cycle: `cycle+end=…,scheme=…,period=…,i=…,next=…`, zero members omitted."""
    text = f"cycle+end={state.end}"
    for name, value in (
        ("scheme", state.scheme_index),
        ("period", state.period_index),
        ("i", state.index),
        ("next", state.next),
    ):
        if value != 0:
            text += f",{name}={value}"
    return text


def parse_cycle_state(branch: str) -> CycleState:
    """The inverse of `format_cycle_state`. Raises `ProblemError`."""
    if not branch.startswith("cycle+"):
        raise ProblemError(f"Not a cycle branch id: {branch}")
    values: dict[str, int] = {}
    for part in branch[6:].split(","):
        name, separator, text = part.partition("=")
        if not separator or name not in ("end", "scheme", "period", "i", "next") or not text.lstrip("-").isdigit():
            raise ProblemError(f"Not a cycle branch id: {branch}")
        values[name] = int(text)
    if "end" not in values:
        raise ProblemError(f"Not a cycle branch id: {branch}")
    return CycleState(
        end=values["end"],
        scheme_index=values.get("scheme", 0),
        period_index=values.get("period", 0),
        index=values.get("i", 0),
        next=values.get("next", 0),
    )
