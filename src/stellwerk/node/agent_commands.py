"""Commands of an Agent that are not about orders (orders spec 7.4): what a Controller sends and an Agent executes."""

from __future__ import annotations

import msgspec

from stellwerk.engine.events.item import AttachableItem
from stellwerk.engine.requests import Command
from stellwerk.language.items import ItemKey, Signed


class DedicateAgentDirector(Command, frozen=True, kw_only=True):
    agent_path: str
    directors: tuple[str, ...] = ()
    #: Old form of `directors`.
    subagent_id: str | None = None
    controller_id: str
    controller_run_id: str | None = None


class DedicateAgentDirectorResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="DedicateAgentDirector.Response", rename="camel"
):
    agent_run_id: str
    agent_event_id: int


class CoupleController(Command, frozen=True, kw_only=True):
    """`event_id`: the last event of the Agent that the Controller has taken over."""

    agent_path: str
    agent_run_id: str
    event_id: int
    controller_run_id: str | None = None
    #: Of a pair of Controllers; a lower one than has been seen is refused (TermIsStale).
    term: int | None = None


class CoupleControllerResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="CoupleController.Response", rename="camel"
):
    order_ids: tuple[str, ...]


class AttachItem(Command, frozen=True, kw_only=True):
    item: AttachableItem


class AttachSignedItem(Command, frozen=True, kw_only=True):
    signed: Signed
    item_revision: int | None = None


class DetachItem(Command, frozen=True, kw_only=True):
    key: ItemKey


class ResetSubagent(Command, frozen=True, kw_only=True):
    subagent_id: str
    force: bool = False


class Reset(Command, frozen=True, kw_only=True):
    """Forget everything. Without `agent_run_id` whatever the Agent's state is."""

    agent_run_id: str | None = None
