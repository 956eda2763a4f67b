"""Commands that a Controller understands, besides those about orders (orders spec 7.2), as structs with their JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.engine.requests import Command, ControllerOrderCommand
from stellwerk.language.positions import Position, WorkflowId
from stellwerk.node.commands import CommonCommand


class ControlWorkflowPath(Command, frozen=True, kw_only=True):
    """Suspend all versions of a workflow, or skip labelled instructions; members not given stay as they are."""

    workflow_path: str
    suspend: bool | None = None
    skip: dict[str, bool] = {}


class ControlWorkflow(Command, frozen=True, kw_only=True):
    workflow_id: WorkflowId
    add_breakpoints: tuple[Position, ...] = ()
    remove_breakpoints: tuple[Position, ...] = ()


class ResetAgent(Command, frozen=True, kw_only=True):
    agent_path: str
    force: bool = False


class ResetSubagent(Command, frozen=True, kw_only=True):
    subagent_id: str
    force: bool = False


class EmitTestEvent(Command, frozen=True, kw_only=True):
    pass


class ShutDown(Command, frozen=True, kw_only=True):
    restart: bool = False
    cluster_action: dict[str, Any] | None = None
    suppress_snapshot: bool = False
    dont_notify_active_node: bool = False


class ClusterAppointNodes(Command, frozen=True, kw_only=True):
    """Make this node and another one a pair (cluster spec 1.12)."""

    id_to_uri: dict[str, str]
    active_id: str


class ClusterSwitchOver(Command, frozen=True, kw_only=True):
    """Hand the role over to the other node; `agent_path`: of that Agent's Directors."""

    agent_path: str | None = None


class ConfirmClusterNodeLoss(Command, frozen=True, kw_only=True):
    """A person says that a Director of this Agent is dead."""

    agent_path: str
    lost_node_id: str
    confirmer: str


class AddOrderResponse(msgspec.Struct, frozen=True, tag_field="TYPE", tag="AddOrder.Response", rename="camel"):
    ignored_because_duplicate: bool


class AddOrdersResponse(msgspec.Struct, frozen=True, tag_field="TYPE", tag="AddOrders.Response", rename="camel"):
    #: Last EventId of the transaction.
    event_id: int


ControllerCommand = (
    ControllerOrderCommand
    | ControlWorkflowPath
    | ControlWorkflow
    | ResetAgent
    | ResetSubagent
    | EmitTestEvent
    | ShutDown
    | ClusterAppointNodes
    | ClusterSwitchOver
    | ConfirmClusterNodeLoss
    | CommonCommand
)
