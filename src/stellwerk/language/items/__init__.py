"""Items: their JSON, their keys, their checks (workflow spec 8; orders 6.1). Pure.

What people send is read by `read_unsigned_item` and `read_signed_item`, which find every problem; what stands in
journals and comes from other nodes is decoded by msgspec into the same structs.
"""

from __future__ import annotations

from typing import Any

from stellwerk.language.items.agents import AgentRef, SubagentBundle, SubagentItem
from stellwerk.language.items.base import (
    Item,
    ItemKey,
    Signed,
    agent_key,
    board_key,
    calendar_key,
    control_key,
    job_resource_key,
    lock_key,
    order_watch_key,
    path_control_key,
    plan_schema_key,
    split_key,
    subagent_bundle_key,
    subagent_key,
    workflow_key,
)
from stellwerk.language.items.boards import GLOBAL_SCHEMA, Board, GlobalBoard, PlannableBoard, PlanSchema
from stellwerk.language.items.signed import JobResource, read_signed_item
from stellwerk.language.items.simple import Calendar, FileWatch, LockItem
from stellwerk.language.names import check_name
from stellwerk.language.reader import INVALID, Reader
from stellwerk.values.problems import ProblemError

UnsignedItem = (
    AgentRef
    | SubagentItem
    | SubagentBundle
    | LockItem
    | GlobalBoard
    | PlannableBoard
    | PlanSchema
    | Calendar
    | FileWatch
)

_UNSIGNED: dict[str, type[Item]] = {
    tag: item_type
    for item_type in UnsignedItem.__args__
    for tag in (str(item_type.__struct_config__.tag), *getattr(item_type, "TAG_ALIASES", ()))
}


def read_unsigned_item(value: Any) -> UnsignedItem:
    """An item that a person sends; it must not contain `itemRevision`. Raises `ProblemError`."""
    kind = value.get("TYPE") if isinstance(value, dict) else None
    if kind in ("Workflow", "JobResource"):
        raise ProblemError(f"A {kind} must be signed: use AddOrChangeSigned")
    if kind not in _UNSIGNED:
        raise ProblemError(f"Unknown item TYPE {kind!r}; known: {', '.join(sorted(_UNSIGNED))}")
    if value.get("itemRevision") is not None:
        raise ProblemError("ItemRevision is not accepted here")
    if kind == "AgentRef" and value.get("uri") is not None:
        raise ProblemError("AgentRef.uri is the old form of a single Director: send a SubagentItem and `directors`")
    reader = Reader()
    item = reader.read(_UNSIGNED[kind], value, "$")
    if item is not INVALID:
        type_name, name = split_key(item.key) if item.key.partition(":")[2] else (kind, "")
        if problem := check_name(type_name, name):
            reader.problem("$.id" if hasattr(item, "id") else "$.path", problem)
        item.check(reader)
    return reader.result(item)  # type: ignore[no-any-return]


__all__ = [
    "GLOBAL_SCHEMA",
    "AgentRef",
    "Board",
    "Calendar",
    "FileWatch",
    "GlobalBoard",
    "Item",
    "ItemKey",
    "JobResource",
    "LockItem",
    "PlanSchema",
    "PlannableBoard",
    "Signed",
    "SubagentBundle",
    "SubagentItem",
    "UnsignedItem",
    "agent_key",
    "board_key",
    "calendar_key",
    "control_key",
    "job_resource_key",
    "lock_key",
    "order_watch_key",
    "path_control_key",
    "plan_schema_key",
    "read_signed_item",
    "read_unsigned_item",
    "split_key",
    "subagent_bundle_key",
    "subagent_key",
    "workflow_key",
]
