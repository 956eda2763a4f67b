"""What all conversions share: the target, the problems found, and the way back to the author's JSON path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stellwerk.language.reader import ReadProblem
from stellwerk.values.problems import Problem

#: Members that keep their place and change their name; used for whole objects and for the way back of paths.
ENGINE_TO_INVENTORY: dict[str, str] = {
    "agentPath": "agentName",
    "processLimit": "parallelism",
    "sigkillDelay": "graceTimeout",
    "jobResourcePaths": "jobResourceNames",
    "skipIfNoAdmissionStartForOrderDay": "skipIfNoAdmissionForOrderDay",
    "subagentBundleIdExpr": "subagentClusterIdExpr",
    "lockPath": "lockName",
    "boardPaths": "noticeBoardNames",
    "workflowPath": "workflowName",
    "innerBlock": "blockPosition",
    "stopPositions": "endPositions",
    "forceAdmission": "forceJobAdmission",
    "ifThens": "cases",
    "variables": "arguments",
    "namedValues": "outcome",
    "postOrderToNoticeKey": "postOrderToNoticeId",
    "expectOrderToNoticeKey": "expectOrderToNoticeId",
}

_MEMBER_IN_TEXT = re.compile(r"member '(\w+)'")
_PATH_PART = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an object is going: what its engine form depends on besides its content.

    `agent_ids`, `include_scripts` and `label_positions` are `None` when nothing is known of the installation (a file
    that is only checked): then names stay as they are.
    """

    #: Full inventory path, `/folder/name`; the engine knows only the name.
    path: str
    #: Commit id of the deployment; workflows only.
    version_id: str | None = None
    #: Agent names and aliases (and ids) → Agent id at the target Controller.
    agent_ids: Mapping[str, str] | None = None
    #: Name → text of the released include scripts.
    include_scripts: Mapping[str, str] | None = None
    #: Workflow name → label → position, to resolve labels of AddOrder instructions.
    label_positions: Mapping[str, Mapping[str, Sequence[int | str]]] | None = None
    #: Zone of the daily plan, for generated order ids.
    daily_plan_zone: str = "Etc/UTC"

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


class Converter:
    """One conversion to the engine spelling."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.problems: list[ReadProblem] = []
        self.add_order_count = 0
        self._places: dict[int, str] = {}

    def place(self, converted: dict[str, Any], path: str) -> dict[str, Any]:
        """Remember from which inventory path an engine object comes."""
        self._places[id(converted)] = path
        return converted

    def problem(self, path: str, problem: Problem | str, remedy: str | None = None) -> None:
        value = Problem(message=problem) if isinstance(problem, str) else problem
        self.problems.append(ReadProblem(path=path, problem=value, remedy=remedy))

    def agent_id(self, name: Any, path: str) -> Any:
        """The Agent id for a name or alias; reports a name that the Controller's registry does not know."""
        known = self.target.agent_ids
        if known is None or not isinstance(name, str):
            return name
        if name not in known:
            self.problem(
                path,
                f"Missing assigned Agent: {name!r} is not registered",
                "register the Agent or choose one of: " + (", ".join(sorted(known)) or "(there are none)"),
            )
            return name
        return known[name]

    def finish(self, value: Any) -> Conversion:
        return Conversion(value=value, problems=tuple(self.problems), _places=self._places)


class Conversion:
    """The engine form of an inventory object, with what was found wrong on the way.

    `value` must not be changed: paths are found by the identity of its objects.
    """

    def __init__(self, *, value: Any, problems: tuple[ReadProblem, ...], _places: Mapping[int, str]) -> None:
        self.value = value
        self.problems = problems
        self._places = _places

    def inventory_path(self, engine_path: str) -> str:
        """The JSON path in the inventory spelling for one in the engine spelling, as near as it can be told."""
        node: Any = self.value
        result = self._places.get(id(node), "$")
        rest = engine_path.removeprefix("$")
        while rest:
            key, rest = _next_part(node, rest)
            if isinstance(key, int):
                result += f"[{key}]"
                node = node[key] if isinstance(node, list) and key < len(node) else None
            else:
                result += f".{ENGINE_TO_INVENTORY.get(key, key)}"
                node = node.get(key) if isinstance(node, dict) else None
            if isinstance(node, dict):
                result = self._places.get(id(node), result)
        return result

    def in_inventory_terms(self, problem: ReadProblem) -> ReadProblem:
        """A finding about the engine form as its author understands it."""
        message = _MEMBER_IN_TEXT.sub(
            lambda match: f"member {ENGINE_TO_INVENTORY.get(match[1], match[1])!r}", problem.problem.message
        )
        return ReadProblem(
            path=self.inventory_path(problem.path),
            problem=msgspec.structs.replace(problem.problem, message=message),
            remedy=problem.remedy,
        )


def _next_part(node: Any, rest: str) -> tuple[str | int, str]:
    """The first step of a path text. Member names may hold dots: the longest name that the object has wins."""
    if isinstance(node, dict) and rest.startswith("."):
        fitting = [key for key in node if rest[1:].startswith(key) and rest[1 + len(key) :][:1] in ("", ".", "[")]
        if fitting:
            key = max(fitting, key=len)
            return key, rest[1 + len(key) :]
    match = _PATH_PART.match(rest)
    if match is None:
        return rest.lstrip("."), ""
    return (int(match[2]) if match[2] is not None else match[1]), rest[match.end() :]


def first_of(value: Mapping[str, Any], *names: str) -> Any:
    """The first member that is present and not null: a name with its aliases."""
    for name in names:
        if value.get(name) is not None:
            return value[name]
    return None


def compact(value: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Without absent members and members that equal their default (services spec 1.6)."""
    return {
        name: item
        for name, item in value.items()
        if item is not None and not (defaults is not None and name in defaults and same(item, defaults[name]))
    }


def same(left: Any, right: Any) -> bool:
    """Equal, and of one type: `False` is not `0`."""
    return type(left) is type(right) and bool(left == right)
