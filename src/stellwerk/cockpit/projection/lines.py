"""What the projection decodes of an event line: one struct for all events, every member optional.

Members that are only passed on stay undecoded (`msgspec.Raw`). One decoder for all types is faster than a tagged union,
because the type of most members is the same wherever they occur. `gc=False`: thousands live for one transaction, and
none is part of a cycle.
"""

from __future__ import annotations

from typing import Any

import msgspec

#: Members that a Controller writes as `null`-free JSON; absent ones get these defaults.
NOTHING = msgspec.Raw(b"")

Position = list[int | str]


class WorkflowId(msgspec.Struct, frozen=True, gc=False, rename={"version_id": "versionId"}):
    path: str
    version_id: str = ""


class WorkflowPosition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    workflow_id: WorkflowId
    position: Position


class ChildOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    order_id: str
    branch_id: str | None = None
    arguments: msgspec.Raw = NOTHING


class ProblemJson(msgspec.Struct, frozen=True, gc=False):
    message: str = ""
    code: str | None = None
    arguments: dict[str, str] = {}

    @property
    def text(self) -> str:
        return self.message or self.code or ""


class Reason(msgspec.Struct, frozen=True, gc=False):
    TYPE: str = ""
    problem: ProblemJson | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False, rename={"named_values": "namedValues"}):
    """Any outcome (orders spec 2.5); `TimedOut` and `Killed` hold the inner one."""

    TYPE: str
    message: str | None = None
    named_values: dict[str, Any] = {}
    outcome: Outcome | None = None
    reason: Reason | None = None

    @property
    def is_succeeded(self) -> bool:
        return self.TYPE in ("Succeeded", "Caught")

    @property
    def is_process_lost(self) -> bool:
        return self.TYPE == "Disrupted" and self.reason is not None and self.reason.TYPE == "ProcessLost"

    @property
    def values(self) -> dict[str, Any]:
        return self.outcome.values if self.outcome is not None else self.named_values

    @property
    def return_code(self) -> int | None:
        value = self.values.get("returnCode")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Jobs may set any number as their result; the column takes 32 bits.
        return int(value) if -(2**31) <= value < 2**31 else None

    @property
    def text(self) -> str | None:
        """Why it failed, as far as the outcome says."""
        if self.message:
            return self.message
        if self.reason is not None:
            problem = self.reason.problem
            return (problem.text if problem else None) or self.reason.TYPE
        return self.outcome.text if self.outcome is not None else None

    @property
    def problem_code(self) -> str | None:
        return self.reason.problem.code if self.reason is not None and self.reason.problem is not None else None


class Signed(msgspec.Struct, frozen=True, gc=False):
    string: str


class ExternalOrder(msgspec.Struct, frozen=True, gc=False, rename={"order_watch_path": "orderWatchPath"}):
    order_watch_path: str = ""
    name: str = ""


class ClusterState(msgspec.Struct, frozen=True, gc=False):
    """The state of a pair of nodes in a snapshot (cluster spec 1.3)."""

    TYPE: str
    setting: Any = None


class Event(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A stamped, keyed event, or (without event id) a snapshot object."""

    TYPE: str
    event_id: int = 0
    timestamp: int | None = None
    Key: Any = None
    # orders
    workflow_id: WorkflowId | None = None
    scheduled_for: int | None = None
    arguments: msgspec.Raw = NOTHING
    plan_id: msgspec.Raw = NOTHING
    priority: float = 0
    delete_when_terminated: bool = False
    start_position: Position | None = None
    inner_block: Position | None = None
    order_id: str | None = None
    agent_path: str | None = None
    subagent_id: str | None = None
    chunk: str = ""
    outcome: Outcome | None = None
    to: Position | None = None
    moved_to: Position | None = None
    position: Any = None
    children: list[ChildOrder] = []
    delayed_until: int | None = None
    until: int | None = None
    question: msgspec.Raw = NOTHING
    cycle_state: Any = None
    notice_ids: Any = None
    notice_id: Any = None
    end_of_life: int | None = None
    failed: Any = False
    demands: Any = None
    workflow_position: WorkflowPosition | None = None
    problem: Any = None
    mode: Any = None
    history_operations: Any = None
    # notice boards
    planned_notice_key: Any = None
    from_planned_notice_key: Any = None
    to_planned_notice_key: Any = None
    # items, agents, controller
    item: msgspec.Raw = NOTHING
    signed: Signed | None = None
    key: str | None = None
    path: Any = None
    version_id: str | None = None
    timezone: str | None = None
    # clusters
    event: msgspec.Raw = NOTHING
    activated_id: Any = None
    failed_active_id: Any = None
    active_id: Any = None
    id: Any = None
    setting: Any = None

    @property
    def time_ms(self) -> int:
        return self.event_id // 1000 if self.timestamp is None else self.timestamp


class AttachedState(msgspec.Struct, frozen=True, gc=False, rename={"agent_path": "agentPath"}):
    TYPE: str
    agent_path: str


class SnapshotState(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    TYPE: str
    subagent_id: str | None = None
    until: int | None = None
    question: msgspec.Raw = NOTHING
    children: list[ChildOrder] = []
    cycle_state: Any = None
    notice_ids: Any = None


class Mark(msgspec.Struct, frozen=True, gc=False):
    TYPE: str


class HistoricOutcome(msgspec.Struct, frozen=True, gc=False):
    outcome: Outcome


class SnapshotOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The members of an Order object (orders spec 2.2) that the projection keeps."""

    id: str
    workflow_position: WorkflowPosition
    state: SnapshotState
    arguments: msgspec.Raw = NOTHING
    plan_id: msgspec.Raw = NOTHING
    scheduled_for: int | None = None
    attached_state: AttachedState | None = None
    parent: str | None = None
    priority: float = 0
    mark: Mark | None = None
    is_suspended: bool = False
    delete_when_terminated: bool = False
    historic_outcomes: list[HistoricOutcome] = []


class SnapshotObject(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Any other snapshot object (journal spec 8.2)."""

    TYPE: str
    event_id: int = 0
    controller_id: str = ""
    timezone: str | None = None
    agent_ref: dict[str, Any] | None = None
    subagent_item: dict[str, Any] | None = None
    coupling_state: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    item: msgspec.Raw = NOTHING
    signed: Signed | None = None
    version_id: str | None = None
    path: Any = None
    cluster_state: ClusterState | None = None
    # notices
    id: Any = None
    notice_id: Any = None
    end_of_life: int | None = None
    announced_by: str | None = None
    is_announced: bool = False
    is_in_consumption: bool = False
    consumption_count: int = 0
    order_id: str | None = None
    notice_id_stack: Any = None
    # plans
    plan_id: Any = None
    status: Any = None


decode_event = msgspec.json.Decoder(Event).decode
decode_snapshot_order = msgspec.json.Decoder(SnapshotOrder).decode
decode_snapshot_object = msgspec.json.Decoder(SnapshotObject).decode
