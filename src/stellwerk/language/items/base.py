"""What items have in common: keys, signed texts, checks of expressions (workflow spec 8; orders 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.language.expressions import parse_expression, parse_function
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.reader import Reader
from stellwerk.values.problems import ProblemError

#: `TYPE:NAME`, versioned `Workflow:PATH~VERSION`; an item's TYPE is not always the key's (`AgentRef` has `Agent:`).
ItemKey = str


class Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of items without signature; `item_revision` is given by the Controller.

    Expressions are kept as their texts, so that items are journaled as they came; parsing is cached.
    """

    def check(self, reader: Reader) -> None:
        """Record what is wrong with an item that a person sends."""

    @property
    def key(self) -> ItemKey:
        raise NotImplementedError

    def references(self) -> Iterator[ItemKey]:
        """Keys of the items that must exist for this one; a workflow's without version."""
        return iter(())


class Signed(msgspec.Struct, frozen=True):
    """The text of an item with its signature. Both are kept as they came (journal spec 9: byte compatible)."""

    string: str
    signature: dict[str, Any]


_ALIASES = {"SubagentRef": "Subagent", "SubagentSelection": "SubagentBundle"}


def split_key(key: ItemKey) -> tuple[str, str]:
    """`("Workflow", "W~v1")`; old names of types are replaced. Raises `ProblemError`."""
    kind, colon, name = key.partition(":")
    if not colon or not name:
        raise ProblemError(f"Not an item key: {key!r} (expected TYPE:NAME)")
    return _ALIASES.get(kind, kind), name


def agent_key(path: str) -> ItemKey:
    return f"Agent:{path}"


def subagent_key(subagent_id: str) -> ItemKey:
    return f"Subagent:{subagent_id}"


def subagent_bundle_key(bundle_id: str) -> ItemKey:
    return f"SubagentBundle:{bundle_id}"


def job_resource_key(path: str) -> ItemKey:
    return f"JobResource:{path}"


def lock_key(path: str) -> ItemKey:
    return f"Lock:{path}"


def board_key(path: str) -> ItemKey:
    return f"Board:{path}"


def calendar_key(path: str) -> ItemKey:
    return f"Calendar:{path}"


def order_watch_key(path: str) -> ItemKey:
    return f"OrderWatch:{path}"


def plan_schema_key(schema_id: str) -> ItemKey:
    return f"PlanSchema:{schema_id}"


def workflow_key(workflow_id: Any) -> ItemKey:
    """Key of one version of a workflow."""
    return f"Workflow:{workflow_id}"


def path_control_key(workflow_path: str) -> ItemKey:
    return f"WorkflowPathControl:{workflow_path}"


def control_key(workflow_id: Any) -> ItemKey:
    return f"WorkflowControl:{workflow_id}"


def check_expression(reader: Reader, path: str, text: str) -> None:
    try:
        parse_expression(text)
    except ProblemError as error:
        reader.problem(path, error.problem)


def check_function(reader: Reader, path: str, text: str) -> None:
    try:
        parse_function(text)
    except ProblemError as error:
        reader.problem(path, error.problem)


def check_pattern(reader: Reader, path: str, text: str, groups: int | None = None) -> None:
    """A Java regular expression, with so many groups."""
    try:
        count = java_regex(text).group_count
    except ProblemError as error:
        reader.problem(path, error.problem)
        return
    if groups is not None and count != groups:
        reader.problem(path, f"must have exactly {groups} group in parentheses, not {count}")
