"""Items other than workflows: Agents, Subagents, job resources; item keys; signed texts (workflow spec 8; orders 6.1).

What people send is read by `read_item`, which finds every problem; what stands in journals and comes from other nodes
is decoded by msgspec into the same structs. Locks, boards, calendars and bundles come with later issues: here they are
refused by name. Pure.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from stellwerk.language.expressions import Expression
from stellwerk.language.names import check_name
from stellwerk.language.reader import INVALID, Reader, parse_json
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.problems import ProblemError

#: `TYPE:NAME`, versioned `Workflow:PATH~VERSION`; an item's TYPE is not always the key's (`AgentRef` has `Agent:`).
ItemKey = str


class Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of items without signature; `item_revision` is given by the Controller."""


class AgentRef(Item, frozen=True, kw_only=True):
    """An Agent with its Directors (workflow spec 8.6)."""

    path: str
    directors: tuple[str, ...]
    process_limit: int | None = None
    require_failover_confirmation: bool = False
    item_revision: int | None = None

    @property
    def key(self) -> ItemKey:
        return agent_key(self.path)


class SubagentItem(Item, frozen=True, kw_only=True):
    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("SubagentRef",)
    id: str
    agent_path: str
    uri: str
    disabled: bool = False
    item_revision: int | None = None

    @property
    def key(self) -> ItemKey:
        return subagent_key(self.id)


class JobResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Variables and environment for jobs (workflow spec 8.3). Read from its signed text, never encoded."""

    path: str
    variables: dict[str, Expression] = {}
    env: dict[str, Expression] = {}

    @property
    def key(self) -> ItemKey:
        return job_resource_key(self.path)


UnsignedItem = AgentRef | SubagentItem


class Signed(msgspec.Struct, frozen=True):
    """The text of an item with its signature. Both are kept as they came (journal spec 9: byte compatible)."""

    string: str
    signature: dict[str, Any]


def agent_key(path: str) -> ItemKey:
    return f"Agent:{path}"


def subagent_key(subagent_id: str) -> ItemKey:
    return f"Subagent:{subagent_id}"


def job_resource_key(path: str) -> ItemKey:
    return f"JobResource:{path}"


def workflow_key(workflow_id: Any) -> ItemKey:
    """Key of one version of a workflow."""
    return f"Workflow:{workflow_id}"


def path_control_key(workflow_path: str) -> ItemKey:
    return f"WorkflowPathControl:{workflow_path}"


def control_key(workflow_id: Any) -> ItemKey:
    return f"WorkflowControl:{workflow_id}"


def split_key(key: ItemKey) -> tuple[str, str]:
    """`("Workflow", "W~v1")`; old names of types are replaced. Raises `ProblemError`."""
    kind, colon, name = key.partition(":")
    if not colon or not name:
        raise ProblemError(f"Not an item key: {key!r} (expected TYPE:NAME)")
    return {"SubagentRef": "Subagent", "SubagentSelection": "SubagentBundle"}.get(kind, kind), name


def read_signed_item(text: str) -> Workflow | JobResource:
    """The item in a signed text. Raises `ProblemError` with every problem found."""
    value = parse_json(text)
    kind = value.get("TYPE") if isinstance(value, dict) else None
    if kind == "Workflow":
        return read_workflow(value)
    if kind == "JobResource":
        reader = Reader()
        item = reader.read(JobResource, value, "$")
        if item is not INVALID and (problem := check_name("JobResource", item.path)):
            reader.problem("$.path", problem)
        return reader.result(item)  # type: ignore[no-any-return]
    raise ProblemError(f"A signed item must be a Workflow or a JobResource, not {kind!r}")


_UNSIGNED = {
    "AgentRef": AgentRef,
    "SubagentItem": SubagentItem,
    "SubagentRef": SubagentItem,
}
_LATER = (
    "Lock",
    "Board",
    "GlobalBoard",
    "PlannableBoard",
    "Calendar",
    "FileWatch",
    "SubagentBundle",
    "SubagentSelection",
    "PlanSchema",
)


def read_unsigned_item(value: Any) -> UnsignedItem:
    """An item that a person sends; it must not contain `itemRevision`. Raises `ProblemError`."""
    kind = value.get("TYPE") if isinstance(value, dict) else None
    if kind in _LATER:
        raise ProblemError(f"Items of type {kind} are not supported by this release of Stellwerk")
    if kind in ("Workflow", "JobResource"):
        raise ProblemError(f"A {kind} must be signed: use AddOrChangeSigned")
    if kind not in _UNSIGNED:
        raise ProblemError(f"Unknown item TYPE {kind!r}; known: {', '.join(sorted({'AgentRef', 'SubagentItem'}))}")
    if value.get("itemRevision") is not None:
        raise ProblemError("ItemRevision is not accepted here")
    if kind == "AgentRef" and value.get("uri") is not None:
        raise ProblemError("AgentRef.uri is the old form of a single Director: send a SubagentItem and `directors`")
    reader = Reader()
    item = reader.read(_UNSIGNED[kind], value, "$")
    if isinstance(item, AgentRef):
        if problem := check_name("Agent", item.path):
            reader.problem("$.path", problem)
        if not item.directors:
            reader.problem("$.directors", "an Agent needs a Director")
        elif len(item.directors) > 1:
            reader.problem("$.directors", "pairs of Directors are not supported by this release of Stellwerk")
        if item.process_limit is not None and item.process_limit < 0:
            reader.problem("$.processLimit", "a process limit must not be negative")
    elif isinstance(item, SubagentItem):
        if problem := check_name("Subagent", item.id):
            reader.problem("$.id", problem)
        if not item.uri.startswith(("http://", "https://")):
            reader.problem("$.uri", f"http://HOST:PORT or https://HOST:PORT is expected, not {item.uri!r}")
    return reader.result(item)  # type: ignore[no-any-return]
