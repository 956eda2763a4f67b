"""Agents, their Subagents, and bundles of these (workflow spec 8.6, 8.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from stellwerk.language.items.base import (
    Item,
    ItemKey,
    agent_key,
    check_expression,
    subagent_bundle_key,
    subagent_key,
)
from stellwerk.language.reader import Reader, is_number


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

    def references(self) -> Iterator[ItemKey]:
        return map(subagent_key, self.directors)

    def check(self, reader: Reader) -> None:
        if not self.directors:
            reader.problem("$.directors", "an Agent needs a Director")
        elif len(self.directors) > 2:
            reader.problem("$.directors", "an Agent has one Director or two, not more")
        elif len(set(self.directors)) != len(self.directors):
            reader.problem("$.directors", "the two Directors need Subagents of their own")
        if self.process_limit is not None and self.process_limit < 0:
            reader.problem("$.processLimit", "a process limit must not be negative")


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

    def references(self) -> Iterator[ItemKey]:
        return iter((agent_key(self.agent_path),))

    def check(self, reader: Reader) -> None:
        if not self.uri.startswith(("http://", "https://")):
            reader.problem("$.uri", f"http://HOST:PORT or https://HOST:PORT is expected, not {self.uri!r}")


class SubagentBundle(Item, frozen=True, kw_only=True):
    """Subagents with priorities: numbers, or expressions of their load."""

    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("SubagentSelection",)
    id: str
    #: Subagent id → number, or the text of an expression.
    subagent_to_priority: dict[str, Any]
    item_revision: int | None = None

    @property
    def key(self) -> ItemKey:
        return subagent_bundle_key(self.id)

    def references(self) -> Iterator[ItemKey]:
        return map(subagent_key, self.subagent_to_priority)

    def check(self, reader: Reader) -> None:
        for subagent_id, priority in self.subagent_to_priority.items():
            if isinstance(priority, str):
                check_expression(reader, f"$.subagentToPriority.{subagent_id}", priority)
            elif not is_number(priority):
                reader.problem(f"$.subagentToPriority.{subagent_id}", "a number or an expression is expected")
