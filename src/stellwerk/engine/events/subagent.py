"""Events of Subagents, key SubagentId; written by the Agent, mirrored by the Controller (orders spec 6.4).

With them the two kinds of coupling state that Agents and Subagents share (orders spec 6.3).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stellwerk.values.problems import Problem

# --- coupling states -------------------------------------------------------------------------------------------------


class Reason(msgspec.Struct, frozen=True):
    type: Literal["Fresh", "ResetCommand", "Shutdown", "Restart"] = msgspec.field(name="TYPE")


class Reset(msgspec.Struct, frozen=True, tag_field="TYPE"):
    reason: Reason = Reason("Fresh")


class Coupled(msgspec.Struct, frozen=True, tag_field="TYPE"):
    pass


class ShutdownStarted(msgspec.Struct, frozen=True, tag_field="TYPE"):
    pass


class ShutDown(msgspec.Struct, frozen=True, tag_field="TYPE"):
    pass


class Resetting(msgspec.Struct, frozen=True, tag_field="TYPE"):
    force: bool = False


CouplingState = Reset | Coupled | ShutdownStarted | ShutDown | Resetting
FRESH = Reset(Reason("Fresh"))
RESET = Reset(Reason("ResetCommand"))
COUPLED = Coupled()


# --- events ----------------------------------------------------------------------------------------------------------


class SubagentEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base."""


class SubagentDedicated(SubagentEvent, frozen=True, kw_only=True):
    subagent_run_id: str
    platform_info: dict[str, Any] | None = None


class SubagentCoupled(SubagentEvent, frozen=True, kw_only=True):
    pass


class SubagentCouplingFailed(SubagentEvent, frozen=True, kw_only=True):
    problem: Problem


class SubagentShutdownStarted(SubagentEvent, frozen=True, kw_only=True):
    pass


class SubagentShutdown(SubagentEvent, frozen=True, kw_only=True):
    """Old form of `SubagentShutdown2`, read only: the run id is forgotten."""


class SubagentShutdown2(SubagentEvent, frozen=True, kw_only=True):
    """The Subagent has ended in an orderly way; its run id is kept."""


class SubagentRestarted(SubagentEvent, frozen=True, kw_only=True):
    """The Subagent's process is another one: the processes that it ran are lost."""


class SubagentEventsObserved(SubagentEvent, frozen=True, kw_only=True):
    """Agent only: all events of the Subagent up to `until_event_id` have been taken over."""

    until_event_id: int


class SubagentResetStartedByController(SubagentEvent, frozen=True, kw_only=True):
    """Controller only: ResetSubagent is on its way to the Agent."""

    force: bool


class SubagentResetStarted(SubagentEvent, frozen=True, kw_only=True):
    force: bool


class SubagentReset(SubagentEvent, frozen=True, kw_only=True):
    """The Subagent is forgotten, as if it had never been dedicated: the processes that it ran are lost."""


AnySubagentEvent = (
    SubagentDedicated
    | SubagentCoupled
    | SubagentCouplingFailed
    | SubagentEventsObserved
    | SubagentShutdownStarted
    | SubagentShutdown
    | SubagentShutdown2
    | SubagentRestarted
    | SubagentResetStartedByController
    | SubagentResetStarted
    | SubagentReset
)
