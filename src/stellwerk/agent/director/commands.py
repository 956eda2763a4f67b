"""Commands that an Agent understands (orders spec 7.4; journal spec 1.6), as structs with their JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.engine.events.item import AttachableItem
from stellwerk.engine.requests import AgentOrderCommand, Command
from stellwerk.language.items import ItemKey, Signed
from stellwerk.node.commands import CommonCommand


class DedicateAgentDirector(Command, frozen=True, kw_only=True):
    agent_path: str
    directors: tuple[str, ...] = ()
    #: Old form of `directors`.
    subagent_id: str | None = None
    controller_id: str
    controller_run_id: str | None = None


class CoupleController(Command, frozen=True, kw_only=True):
    """`event_id`: the last event of this Agent that the Controller has taken over."""

    agent_path: str
    agent_run_id: str
    event_id: int
    controller_run_id: str | None = None


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
    """Without `agent_run_id`: whatever Agent this is (force)."""

    agent_run_id: str | None = None


class ShutDown(Command, frozen=True, kw_only=True):
    """Without `process_signal` running jobs are waited for."""

    process_signal: str | None = None
    cluster_action: dict[str, Any] | None = None
    suppress_snapshot: bool = False
    restart: bool = False
    restart_director: bool = False


class DedicateAgentDirectorResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="DedicateAgentDirector.Response", rename="camel"
):
    agent_run_id: str
    agent_event_id: int


class CoupleControllerResponse(
    msgspec.Struct, frozen=True, tag_field="TYPE", tag="CoupleController.Response", rename="camel"
):
    order_ids: tuple[str, ...]


AgentCommand = (
    DedicateAgentDirector
    | CoupleController
    | AttachItem
    | AttachSignedItem
    | DetachItem
    | ResetSubagent
    | Reset
    | ShutDown
    | AgentOrderCommand
    | CommonCommand
)
