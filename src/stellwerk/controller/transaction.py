"""The Controller's transaction: follow-up events of items joined with those of orders, until nothing changes.

Rules of orders spec 6.2: items that are dedicated to an Agent are attached to it; changed ones again; obsolete workflow
versions and items marked for deletion are detached, and deleted when no Agent has them any more.
"""

from __future__ import annotations

from typing import Any

from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import Attachment, workflow_id_of
from stellwerk.engine.context import Context
from stellwerk.engine.events import item as i
from stellwerk.engine.transaction import LIMIT, Transaction
from stellwerk.language.items import (
    ItemKey,
    agent_key,
    control_key,
    path_control_key,
    split_key,
    subagent_key,
    workflow_key,
)
from stellwerk.node.persist import AdoptedEvent


class ControllerTransaction(Transaction):
    """See the module."""

    def __init__(self, state: ControllerState, context: Context) -> None:
        super().__init__(state, context)
        self.items: ControllerState = state
        self._touched_items: dict[ItemKey, None] = {}

    def touch_item(self, key: ItemKey) -> None:
        """Have an item looked at in this transaction's follow-up."""
        self._touched_items[key] = None

    def adopt(self, key: Any, event: Any, timestamp_ms: int, body: bytes) -> None:
        """Apply an Agent's event, to be written with the bytes of its body. Raises `ProblemError`."""
        self.emit(key, event)
        self.events[-1] = AdoptedEvent(key, event, timestamp_ms, body)

    def touch_orders_of_path(self, path: str) -> None:
        """Have all orders of a workflow path looked at; walks over all orders, for rare commands only."""
        for order in list(self.state.orders.values()):
            if order.workflow_id.path == path:
                self.touch(order.id)

    def follow_up(self, limit: int = LIMIT) -> None:
        state = self.items
        while True:
            super().follow_up(limit)
            for workflow_id in list(state.unused_workflows):
                del state.unused_workflows[workflow_id]
                if workflow_id in state.workflows and state.is_obsolete(workflow_id):
                    self.touch_item(workflow_key(workflow_id))
            if not self._touched_items:
                return
            touched, self._touched_items = self._touched_items, {}
            for key in touched:
                self._follow_up_item(key)

    # --- items ---

    def _follow_up_item(self, key: ItemKey) -> None:
        state = self.items
        if not state.exists(key):
            return
        kind, name = split_key(key)
        is_obsolete = kind == "Workflow" and state.is_obsolete(workflow_id_of(name))
        is_going = is_obsolete or key in state.deletion_marked
        for agent_path, attachment in state.attachments_of(key).items():
            self._follow_up_attachment(key, agent_path, attachment, is_going)
        if state.attachments_of(key):
            return
        if is_going:
            self._delete(key, kind, name)
        elif (dedicated := self._dedicated_to(kind, name)) is not None:
            self.emit(None, i.ItemAttachable(key=key, delegate_id=agent_key(dedicated)))

    def _follow_up_attachment(self, key: ItemKey, agent_path: str, attachment: Attachment, is_going: bool) -> None:
        state = self.items
        delegate_id = agent_key(agent_path)
        agent = state.agents.get(agent_path)
        if is_going:
            if agent is None or (agent.agent_run_id is None and attachment.state == Attachment.ATTACHABLE):
                # The Agent cannot have it.
                self.emit(None, i.ItemDetached(key=key, delegate_id=delegate_id))
            elif attachment.state == Attachment.ATTACHED:
                self.emit(None, i.ItemDetachable(key=key, delegate_id=delegate_id))
        elif attachment.state == Attachment.ATTACHED and attachment.revision != state.revision(key):
            kind, name = split_key(key)
            dedicated = self._dedicated_to(kind, name)
            if dedicated is None or dedicated == agent_path:
                self.emit(None, i.ItemAttachable(key=key, delegate_id=delegate_id))
            else:
                self.emit(None, i.ItemDetachable(key=key, delegate_id=delegate_id))

    def _dedicated_to(self, kind: str, name: str) -> str | None:
        """The Agent that must always have the item."""
        if kind == "Agent":
            return name
        if kind == "Subagent":
            return self.items.subagents[name].subagent_item.agent_path
        if kind == "OrderWatch":
            return self.items.order_watches.items[name].agent_path
        return None

    def _delete(self, key: ItemKey, kind: str, name: str) -> None:
        state = self.items
        self.emit(None, i.ItemDeleted(key=key))
        if kind == "Agent":
            for subagent in state.subagents.values():
                if subagent.subagent_item.agent_path == name:
                    self.touch_item(subagent_key(subagent.subagent_item.id))
        elif kind == "Workflow":
            workflow_id = workflow_id_of(name)
            if workflow_id in state.controls:
                self._mark_deleted(control_key(workflow_id))
            if workflow_id.path in state.path_controls and not state.versions_of(workflow_id.path):
                self._mark_deleted(path_control_key(workflow_id.path))

    def _mark_deleted(self, key: ItemKey) -> None:
        if self.items.attachments_of(key):
            self.emit(None, i.ItemDeletionMarked(key=key))
            self.touch_item(key)
        else:
            self.emit(None, i.ItemDeleted(key=key))

    def item_detached(self, key: ItemKey, agent_path: str) -> None:
        """After ItemDetached: a workflow's controls go with it (orders spec 6.2, rule 2)."""
        state = self.items
        self.touch_item(key)
        kind, name = split_key(key)
        if kind != "Workflow":
            return
        workflow_id = workflow_id_of(name)
        going = [control_key(workflow_id)]
        if not any(agent_path in state.attachments_of(workflow_key(v)) for v in state.versions_of(workflow_id.path)):
            going.append(path_control_key(workflow_id.path))
        for control in going:
            attachment = state.attachments_of(control).get(agent_path)
            if attachment is not None and attachment.state == Attachment.ATTACHED:
                self.emit(None, i.ItemDetachable(key=control, delegate_id=agent_key(agent_path)))
