"""All commands that an Agent understands (orders spec 7.4)."""

from __future__ import annotations

from typing import Any

from stellwerk.agent.subagent.commands import Signal
from stellwerk.engine.requests import AgentOrderCommand, Command
from stellwerk.node.agent_commands import (
    AttachItem,
    AttachSignedItem,
    CoupleController,
    DedicateAgentDirector,
    DetachItem,
    Reset,
    ResetSubagent,
)
from stellwerk.node.commands import CommonCommand


class ShutDown(Command, frozen=True, kw_only=True):
    """Without `process_signal` running jobs are waited for."""

    process_signal: Signal | None = None
    cluster_action: dict[str, Any] | None = None
    suppress_snapshot: bool = False
    restart: bool = False
    restart_director: bool = False


class ClusterSwitchOver(Command, frozen=True, kw_only=True):
    """The other Director of the pair becomes active."""


AgentCommand = (
    DedicateAgentDirector
    | CoupleController
    | AttachItem
    | AttachSignedItem
    | DetachItem
    | ResetSubagent
    | Reset
    | ShutDown
    | ClusterSwitchOver
    | AgentOrderCommand
    | CommonCommand
)
