"""Events of Agents, in two dialects (orders spec 6.3).

`Own…` are those in an Agent's own journal, without key; the others stand in the Controller's journal, key AgentPath.
Some of both have the same TYPE. Durations are seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.values.problems import Problem


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of both."""


# --- the Agent's own journal -----------------------------------------------------------------------------------------


class OwnAgentDedicated(AgentEvent, frozen=True, kw_only=True, tag="AgentDedicated"):
    """The Agent belongs to a Controller from now on; again when its Directors change."""

    agent_path: str
    directors: tuple[str, ...]
    agent_run_id: str
    controller_id: str
    controller_run_id: str | None = None


class OwnAgentStarted(AgentEvent, frozen=True, kw_only=True, tag="AgentStarted"):
    """First event after a start of a dedicated Director."""


class OwnAgentReady(AgentEvent, frozen=True, kw_only=True, tag="AgentReady"):
    """Before orders are recovered."""

    timezone: str
    total_running_time: float
    platform_info: dict[str, Any] | None = None


class OwnAgentShutDown(AgentEvent, frozen=True, kw_only=True, tag="AgentShutDown"):
    pass


AnyOwnAgentEvent = OwnAgentDedicated | OwnAgentStarted | OwnAgentReady | OwnAgentShutDown


# --- the Controller's journal ----------------------------------------------------------------------------------------


class AgentDedicated(AgentEvent, frozen=True, kw_only=True):
    agent_run_id: str
    agent_event_id: int | None = None


class AgentCoupled(AgentEvent, frozen=True, kw_only=True):
    pass


class AgentCouplingFailed(AgentEvent, frozen=True, kw_only=True):
    problem: Problem


class AgentStarted(AgentEvent, frozen=True, kw_only=True):
    pass


class AgentReady(AgentEvent, frozen=True, kw_only=True):
    timezone: str
    platform_info: dict[str, Any] | None = None


class AgentShutDown(AgentEvent, frozen=True, kw_only=True):
    pass


class AgentEventsObserved(AgentEvent, frozen=True, kw_only=True):
    """All events of the Agent up to `until_event_id` have been taken over."""

    until_event_id: int


class AgentResetStarted(AgentEvent, frozen=True, kw_only=True):
    force: bool = False


class AgentMirroredEvent(AgentEvent, frozen=True, kw_only=True):
    """A cluster event of the Agent's pair of Directors, as it stands in the Agent's journal."""

    event: AnyClusterEvent


class AgentClusterWatchConfirmationRequired(AgentEvent, frozen=True, kw_only=True):
    """A Director asks for the loss of the other one, which only a person can confirm."""

    problem: dict[str, Any]


class AgentClusterWatchManuallyConfirmed(AgentEvent, frozen=True, kw_only=True):
    pass


class AgentReset(AgentEvent, frozen=True, kw_only=True):
    pass


AnyAgentEvent = (
    AgentDedicated
    | AgentCoupled
    | AgentCouplingFailed
    | AgentStarted
    | AgentReady
    | AgentShutDown
    | AgentEventsObserved
    | AgentResetStarted
    | AgentReset
    | AgentMirroredEvent
    | AgentClusterWatchConfirmationRequired
    | AgentClusterWatchManuallyConfirmed
)
