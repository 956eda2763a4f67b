"""The commands that wait to be sent to one Agent (orders spec 4.2).

The queue holds *what* is to be said (attach this order), not the bytes: a command is built when it is sent, from the
state as it is then, and dropped when there is nothing to say any more. So nothing stale is sent, equal commands are
queued once, and DetachOrder overtakes. An entry stays until its answer is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import Attachment
from stellwerk.engine.order import Attached, Attaching, Detaching, Order
from stellwerk.engine.requests import AttachOrder, DetachOrder, MarkOrder
from stellwerk.language.items import (
    ItemKey,
    calendar_key,
    control_key,
    job_resource_key,
    path_control_key,
    workflow_key,
)
from stellwerk.language.positions import WorkflowId
from stellwerk.node.agent_commands import AttachItem, AttachSignedItem, DetachItem, ResetSubagent
from stellwerk.node.commands import ReleaseEvents
from stellwerk.values.json import encode

Kind = Literal["AttachOrder", "DetachOrder", "MarkOrder", "Item", "ResetSubagent", "ReleaseEvents"]

#: Commands of one batch, and their bytes together (about).
MAXIMUM_COMMANDS = 100
MAXIMUM_BYTES = 4_000_000
MAXIMUM_REMEMBERED_WORKFLOWS = 1000


class Entry(msgspec.Struct, frozen=True):
    """What is to be said. `name` is an order id, an item key, a SubagentId or empty."""

    kind: Kind
    name: str = ""


class Prepared(msgspec.Struct, frozen=True):
    """One command about to be sent, with the entry that it serves; `item_key`/`revision` of an attached item."""

    entry: Entry
    body: bytes
    item_key: ItemKey | None = None
    revision: int | None = None


class CommandQueue:
    """One per Agent; lives as long as the Agent is known."""

    def __init__(self, state: ControllerState, agent_path: str) -> None:
        self._state = state
        self._agent_path = agent_path
        # Value: changes with each call, so that an entry queued again while it is being sent stays.
        self._entries: dict[Entry, int] = {}
        self._detaching: dict[Entry, int] = {}
        self._count = 0
        self._release_until = 0
        #: Items that the Agent has accepted and not yet reported as attached.
        self._accepted_items: dict[ItemKey, int | None] = {}
        self._not_empty = asyncio.Event()
        self._job_resources_of: dict[WorkflowId, list[str]] = {}

    # --- filling ---

    def _add(self, entry: Entry) -> None:
        self._count += 1
        (self._detaching if entry.kind == "DetachOrder" else self._entries)[entry] = self._count
        self._not_empty.set()

    def attach_order(self, order_id: str) -> None:
        self._add(Entry("AttachOrder", order_id))

    def detach_order(self, order_id: str) -> None:
        self._entries.pop(Entry("AttachOrder", order_id), None)
        self._entries.pop(Entry("MarkOrder", order_id), None)
        self._add(Entry("DetachOrder", order_id))

    def mark_order(self, order_id: str) -> None:
        self._add(Entry("MarkOrder", order_id))

    def item(self, key: ItemKey) -> None:
        """Attach or detach the item, as its attachment state then says."""
        self._add(Entry("Item", key))

    def reset_subagent(self, subagent_id: str) -> None:
        self._add(Entry("ResetSubagent", subagent_id))

    def release_events(self, until_event_id: int) -> None:
        self._release_until = until_event_id
        self._add(Entry("ReleaseEvents"))

    def attached(self, order_ids: Iterable[str]) -> None:
        """The Agent has these orders: AttachOrder for them would be repeated."""
        for order_id in order_ids:
            self._entries.pop(Entry("AttachOrder", order_id), None)

    def recouple(self) -> None:
        """What the Agent has accepted before is not known for sure any more."""
        self._accepted_items.clear()

    def clear(self) -> None:
        self._entries.clear()
        self._detaching.clear()
        self._accepted_items.clear()

    def __len__(self) -> int:
        return len(self._entries) + len(self._detaching)

    # --- sending ---

    async def wait(self) -> None:
        """Return when something is queued."""
        await self._not_empty.wait()

    def prepare(self, limit: int = MAXIMUM_COMMANDS) -> list[Prepared]:
        """The next commands, in the order in which they are to be executed; at least one if any is due."""
        prepared: list[Prepared] = []
        items: set[ItemKey] = set()
        size = 0
        for entries in (self._detaching, self._entries):
            # Looked at in slices, because a long queue must not be copied for each batch.
            while candidates := list(islice(entries, limit)):
                for entry in candidates:
                    built = self._build(entry, items)
                    if not built:
                        del entries[entry]
                        continue
                    if prepared and (len(prepared) + len(built) > limit or size > MAXIMUM_BYTES):
                        return prepared
                    prepared += built
                    items.update(command.item_key for command in built if command.item_key is not None)
                    size += sum(len(command.body) for command in built)
                if prepared:
                    break
        if not self._entries and not self._detaching:
            self._not_empty.clear()
        return prepared

    def tokens(self, prepared: list[Prepared]) -> dict[Entry, int | None]:
        """To be given to `answered`: which entries are served by these commands."""
        return {command.entry: self._token(command.entry) for command in prepared}

    def _token(self, entry: Entry) -> int | None:
        return (self._detaching if entry.kind == "DetachOrder" else self._entries).get(entry)

    def answered(self, command: Prepared, token: int | None, *, is_accepted: bool) -> None:
        """The Agent has executed or refused the command for good."""
        if command.item_key is not None and is_accepted:
            self._accepted_items[command.item_key] = command.revision
        if command.item_key is not None and command.entry.kind == "AttachOrder":
            return  # only a preparation; the order's own command follows
        entries = self._detaching if command.entry.kind == "DetachOrder" else self._entries
        if token is not None and entries.get(command.entry) == token:
            del entries[command.entry]

    # --- building ---

    def _build(self, entry: Entry, items: set[ItemKey]) -> list[Prepared]:
        match entry.kind:
            case "AttachOrder":
                return self._build_attach(entry, items)
            case "DetachOrder":
                order = self._order_at_agent(entry.name, Detaching)
                return [] if order is None else [Prepared(entry, encode(DetachOrder(order_id=entry.name)))]
            case "MarkOrder":
                order = self._order_at_agent(entry.name, Attached)
                if order is None or order.mark is None:
                    return []
                return [Prepared(entry, encode(MarkOrder(order_id=entry.name, mark=order.mark)))]
            case "Item":
                return self._build_item(entry)
            case "ResetSubagent":
                return self._build_reset(entry)
            case _:
                return [Prepared(entry, encode(ReleaseEvents(until_event_id=self._release_until)))]

    def _order_at_agent(self, order_id: str, state: type[Any]) -> Order | None:
        order = self._state.orders.get(order_id)
        if order is None or not isinstance(order.attached_state, state):
            return None
        return order if order.attached_state.agent_path == self._agent_path else None

    def _build_attach(self, entry: Entry, items: set[ItemKey]) -> list[Prepared]:
        order = self._order_at_agent(entry.name, Attaching)
        if order is None:
            return []
        commands = [
            self._attach_item(entry, key)
            for key in self._needed_items(order)
            if key not in items and self._is_missing(key)
        ]
        order = replace(order, attached_state=Attached(self._agent_path))
        commands.append(Prepared(entry, encode(AttachOrder(order=order))))
        return commands

    def _needed_items(self, order: Order) -> list[ItemKey]:
        state = self._state
        workflow_id = order.workflow_id
        keys = [workflow_key(workflow_id)]
        keys += [job_resource_key(path) for path in self._job_resources(workflow_id) if path in state.job_resources]
        calendar_path = state.workflow(workflow_id).definition.calendar_path
        if calendar_path is not None and calendar_path in state.calendars:
            keys.append(calendar_key(calendar_path))
        keys += [
            bundle.key
            for bundle in state.subagent_bundles.values()
            if any(self._is_of_agent(subagent_id) for subagent_id in bundle.subagent_to_priority)
        ]
        if workflow_id.path in state.path_controls:
            keys.append(path_control_key(workflow_id.path))
        if workflow_id in state.controls:
            keys.append(control_key(workflow_id))
        return keys

    def _is_of_agent(self, subagent_id: str) -> bool:
        subagent = self._state.subagents.get(subagent_id)
        return subagent is not None and subagent.subagent_item.agent_path == self._agent_path

    def _job_resources(self, workflow_id: WorkflowId) -> list[str]:
        paths = self._job_resources_of.get(workflow_id)
        if paths is None:
            if len(self._job_resources_of) >= MAXIMUM_REMEMBERED_WORKFLOWS:
                self._job_resources_of.clear()
            paths = sorted(self._state.workflow(workflow_id).job_resource_paths())
            self._job_resources_of[workflow_id] = paths
        return paths

    def _is_missing(self, key: ItemKey) -> bool:
        revision = self._state.revision(key)
        if key in self._accepted_items and self._accepted_items[key] == revision:
            return False
        attachment = self._state.attachments_of(key).get(self._agent_path)
        return attachment is None or attachment.state != Attachment.ATTACHED or attachment.revision != revision

    def _build_item(self, entry: Entry) -> list[Prepared]:
        key = entry.name
        attachment = self._state.attachments_of(key).get(self._agent_path)
        if attachment is None or attachment.state == Attachment.ATTACHED:
            return []
        if attachment.state == Attachment.DETACHABLE:
            return [Prepared(entry, encode(DetachItem(key=key)))]
        return [self._attach_item(entry, key)]

    def _build_reset(self, entry: Entry) -> list[Prepared]:
        subagent = self._state.subagents.get(entry.name)
        if subagent is None or subagent.is_resetting_forcibly is None:
            return []
        command = ResetSubagent(subagent_id=entry.name, force=subagent.is_resetting_forcibly)
        return [Prepared(entry, encode(command))]

    def _attach_item(self, entry: Entry, key: ItemKey) -> Prepared:
        state = self._state
        revision = state.revision(key)
        signed = state.signed.get(key)
        if signed is not None:
            command: Any = AttachSignedItem(signed=signed.signed, item_revision=signed.revision)
        else:
            command = AttachItem(item=state.simple_item(key))
        return Prepared(entry, encode(command), key, revision)
