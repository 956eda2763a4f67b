"""What a workflow has to do with others: boards to which it posts, whose notices it expects and consumes, and workflows
to which it adds orders. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.cockpit.inventory.references import references_of
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.inventory.workflow import walk

#: Instruction → the member of `Uses` that its names belong to.
_MEMBERS = {
    "PostNotice": "posts",
    "PostNotices": "posts",
    "ExpectNotice": "expects",
    "ExpectNotices": "expects",
    "ConsumeNotices": "consumes",
    "AddOrder": "adds_orders_to",
}


class Uses(msgspec.Struct, frozen=True):
    """Names of notice boards, and of workflows."""

    posts: frozenset[str] = frozenset()
    expects: frozenset[str] = frozenset()
    consumes: frozenset[str] = frozenset()
    adds_orders_to: frozenset[str] = frozenset()

    @property
    def boards(self) -> frozenset[str]:
        return self.posts | self.expects | self.consumes


def uses_of(content: Any) -> Uses:
    """By the instructions of a workflow in inventory spelling, at any depth."""
    found: dict[str, set[str]] = {}
    for instruction in walk(content.get("instructions") if isinstance(content, dict) else None):
        member = _MEMBERS.get(str(instruction.get("TYPE")))
        if member is not None:
            found.setdefault(member, set()).update(_names(instruction))
    return Uses(**{member: frozenset(names) for member, names in found.items()})


def _names(instruction: dict[str, Any]) -> Iterator[str]:
    """What the instruction itself names; its blocks are looked at by themselves."""
    own = {name: value for name, value in instruction.items() if _is_flat(value)}
    return (reference.name for reference in references_of(ObjectType.WORKFLOW, {"instructions": [own]}))


def _is_flat(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
