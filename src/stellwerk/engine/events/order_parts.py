"""Parts of order events and orders: ids, marks, modes, history operations (orders spec 2.4, 2.6, 3.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.language.outcomes import (
    Caught,
    Disrupted,
    Failed,
    Killed,
    Succeeded,
    TimedOut,
)
from stellwerk.language.positions import Position, WorkflowPosition

PlanId = tuple[str, ...]
GLOBAL_PLAN: PlanId = ()
#: `(board, key)` in the global plan, else `(schema, plan key, board, key)`; an empty key is left out (orders spec 6.5).
NoticeId = tuple[str, ...]
AnyOutcome = Succeeded | Failed | TimedOut | Killed | Disrupted | Caught


# --- parts of events -------------------------------------------------------------------------------------------------


class ExternalOrderKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    order_watch_path: str
    name: str


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    order_watch_path: str
    name: str
    vanished: bool = False


class StickySubagent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    agent_path: str
    subagent_bundle_id: str | None = None
    stuck_subagent_id: str | None = None


class ChildOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    order_id: str
    branch_id: str | None = None
    arguments: dict[str, Any] = {}


class HistoricOutcome(msgspec.Struct, frozen=True):
    position: Position
    outcome: AnyOutcome


class Reason(msgspec.Struct, frozen=True, rename={"type": "TYPE"}):
    """Why an order was moved: `SkippedDueToWorkflowPathControl`, `NoNotice`, `NoAdmissionPeriodStart`."""

    type: str


SKIPPED_DUE_TO_WORKFLOW_PATH_CONTROL = Reason("SkippedDueToWorkflowPathControl")
NO_NOTICE = Reason("NoNotice")
NO_ADMISSION_PERIOD_START = Reason("NoAdmissionPeriodStart")


class Kill(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Kill the job's process: SIGTERM first, or SIGKILL `immediately`; only at `workflow_position` if given."""

    immediately: bool = False
    workflow_position: WorkflowPosition | None = None


class FreshOnly(msgspec.Struct, frozen=True, tag_field="TYPE", tag="FreshOnly"):
    pass


class FreshOrStarted(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="FreshOrStarted", omit_defaults=True
):
    kill: Kill | None = None


CancellationMode = FreshOnly | FreshOrStarted


class SuspensionMode(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    reset_state: bool = False
    kill: Kill | None = None


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Replace"):
    position: Position
    outcome: AnyOutcome


class Insert(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Insert"):
    before: Position
    position: Position
    outcome: AnyOutcome


class Delete(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Delete"):
    position: Position


class Append(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Append"):
    position: Position
    outcome: AnyOutcome


HistoryOperation = Replace | Insert | Delete | Append


class SleepInstruction(msgspec.Struct, frozen=True, tag_field="TYPE", tag="SleepInstruction"):
    pass


class Throttle(msgspec.Struct, frozen=True, tag_field="TYPE", tag="Throttle"):
    pass


# --- marks (orders spec 2.4) -----------------------------------------------------------------------------------------


class Cancelling(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Cancelling", omit_defaults=True):
    mode: CancellationMode = FreshOrStarted()


class Suspending(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Suspending", omit_defaults=True):
    mode: SuspensionMode = SuspensionMode()


class Resuming(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Resuming", rename="camel", omit_defaults=True
):
    position: Position | None = None
    #: Called `historyOperations` in events and commands (orders spec 2.4).
    history_operations: tuple[HistoryOperation, ...] = msgspec.field(default=(), name="historicOperations")
    as_succeeded: bool = False
    restart_killed_job: bool = False


class Go(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Go"):
    position: Position


Mark = Cancelling | Suspending | Resuming | Go
