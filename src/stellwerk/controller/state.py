"""The Controller's state: orders, the repository of workflows, items, Agents, and which Agent has which item.

Fold of the Controller's journal (orders spec 6; snapshot objects: journal spec 8.2). Only `apply` and `take_over`
write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from stellwerk.controller.state_objects import (
    AgentRefState,
    Attachment,
    Attachments,
    ControllerMetaState,
    agent_path_of,
    workflow_id_of,
)
from stellwerk.engine import cluster
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import controller as c
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import NodeLoss
from stellwerk.engine.locks import LockState
from stellwerk.engine.notices import Notice, NoticeConsumption, NoticePlace
from stellwerk.engine.order import Order
from stellwerk.engine.order_watches import ExternalOrder
from stellwerk.engine.plans import Plan, PlanSchemaState
from stellwerk.engine.state import Control, Controller, PathControl
from stellwerk.language.items import (
    AgentRef,
    Calendar,
    FileWatch,
    GlobalBoard,
    ItemKey,
    JobResource,
    LockItem,
    PlannableBoard,
    PlanSchema,
    Signed,
    SubagentBundle,
    SubagentItem,
    UnsignedItem,
    agent_key,
    job_resource_key,
    read_signed_item,
    split_key,
    workflow_key,
)
from stellwerk.language.positions import WorkflowId
from stellwerk.language.workflow import Workflow
from stellwerk.node.state import (
    ClusterStateSnapshot,
    JournalState,
    NodeState,
    SignedItem,
    SubagentItemState,
    without_type,
)
from stellwerk.values.problems import ProblemError

_NOWHERE: Attachments = {}


class ControllerState(NodeState):
    """See the module."""

    def __init__(self) -> None:
        super().__init__(Controller())
        self.meta: ControllerMetaState | None = None
        #: Versions with workflows, oldest first; the last one is current.
        self.versions: dict[str, None] = {}
        self.current: dict[str, WorkflowId] = {}
        #: Removed workflow paths of which versions are still there → version that removed them.
        self.removed: dict[str, str] = {}
        self.agents: dict[str, AgentRefState] = {}
        #: Item key → Agent path → attachment; inner mappings are never changed, only replaced.
        self.attachments: dict[ItemKey, Attachments] = {}
        self.deletion_marked: dict[ItemKey, None] = {}
        #: Workflows that no order uses (any more), to be looked at by the next transaction. Not part of the state.
        self.unused_workflows: dict[WorkflowId, None] = {}
        self.extend_dispatch(
            {
                c.ControllerInitialized: self._initialized,
                c.ControllerReady: self._ready,
                c.ControllerShutDown: self.ignore,
                c.ControllerTestEvent: self.ignore,
                i.UnsignedSimpleItemAdded: self._simple_item,
                i.UnsignedSimpleItemChanged: self._simple_item,
                i.SignedItemAdded: self._signed_item,
                i.SignedItemChanged: self._signed_item,
                i.UnsignedItemAdded: self._control,
                i.UnsignedItemChanged: self._control,
                i.ItemDeletionMarked: self._deletion_marked,
                i.ItemDeleted: self._item_deleted,
                i.ItemAttachable: self._item_attachable,
                i.ItemAttached: self._item_attached,
                i.ItemDetachable: self._item_detachable,
                i.ItemDetached: self._item_detached,
                i.VersionAdded: self._version_added,
                i.VersionedItemAdded: self._versioned_item,
                i.VersionedItemChanged: self._versioned_item,
                i.VersionedItemRemoved: self._versioned_item_removed,
                a.AgentDedicated: self._agent_dedicated,
                a.AgentCoupled: self._agent_coupled,
                a.AgentCouplingFailed: self._agent_coupling_failed,
                a.AgentStarted: self.ignore,
                a.AgentReady: self._agent_ready,
                a.AgentShutDown: self._agent_shut_down,
                a.AgentEventsObserved: self._agent_events_observed,
                a.AgentResetStarted: self._agent_reset_started,
                a.AgentReset: self._agent_reset,
                a.AgentMirroredEvent: self._agent_mirrored,
                a.AgentClusterWatchConfirmationRequired: self._agent_confirmation_required,
                a.AgentClusterWatchManuallyConfirmed: lambda key, event: self._put_agent(key, cluster_node_problems=()),
                w.ExternalOrderAppeared: lambda key, event: self.order_watches.on_appeared(key, event),
                w.ExternalOrderVanished: lambda key, event: self.order_watches.on_vanished(key, event),
            }
        )

    # --- reading ---

    def current_workflow_id(self, path: str) -> WorkflowId:
        found = self.current.get(path)
        if found is not None:
            return found
        if path in self.removed:
            raise ProblemError.of("VersionedItemRemoved", path=f"Workflow:{path}")
        raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{path}")

    def agent(self, path: str) -> AgentRefState:
        """Raises `ProblemError` UnknownKey."""
        found = self.agents.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Agent", key=agent_key(path))
        return found

    def director_uris(self, agent_path: str) -> tuple[str, ...]:
        """Where the Agent's Directors are, the primary one first. Raises `ProblemError` UnknownKey."""
        directors = self.agent(agent_path).agent_ref.directors
        return tuple(self.subagent(director).subagent_item.uri for director in directors)

    def attachments_of(self, key: ItemKey) -> Attachments:
        return self.attachments.get(key, _NOWHERE)

    def simple_item(self, key: ItemKey) -> Any:
        """An item without signature, or a control; None when it is not known."""
        kind, name = split_key(key)
        match kind:
            case "Agent":
                agent = self.agents.get(name)
                return None if agent is None else agent.agent_ref
            case "Subagent":
                subagent = self.subagents.get(name)
                return None if subagent is None else subagent.subagent_item
            case "SubagentBundle":
                return self.subagent_bundles.get(name)
            case "Lock":
                return self.locks.items.get(name)
            case "Board":
                return self.notices.boards.get(name)
            case "PlanSchema":
                return self.plans.schemas.get(name)
            case "Calendar":
                return self.calendars.get(name)
            case "OrderWatch":
                return self.order_watches.items.get(name)
            case "WorkflowPathControl":
                return self.path_controls.get(name)
            case "WorkflowControl":
                return self.controls.get(workflow_id_of(name))
        return None

    def simple_items(self) -> Iterator[UnsignedItem]:
        """All items without signature, controls excepted."""
        yield from (agent.agent_ref for agent in self.agents.values())
        yield from (subagent.subagent_item for subagent in self.subagents.values())
        yield from self.subagent_bundles.values()
        yield from self.locks.items.values()
        yield from self.notices.boards.values()
        yield from self.plans.schemas.values()
        yield from self.calendars.values()
        yield from self.order_watches.items.values()

    def revision(self, key: ItemKey) -> int | None:
        """The current revision of an item; None for workflows and unknown items."""
        if key in self.signed:
            return self.signed[key].revision
        item = self.simple_item(key)
        return None if item is None else item.item_revision

    def exists(self, key: ItemKey) -> bool:
        kind, name = split_key(key)
        if kind == "Workflow":
            return workflow_id_of(name) in self.workflows
        if kind == "JobResource":
            return name in self.job_resources
        return self.simple_item(key) is not None

    def is_obsolete(self, workflow_id: WorkflowId) -> bool:
        """Not the current version, and no order uses it."""
        return self.current.get(workflow_id.path) != workflow_id and workflow_id not in self.orders_of_workflow

    def versions_of(self, path: str) -> list[WorkflowId]:
        """All versions of a workflow that are there; walks over all workflows."""
        return [workflow_id for workflow_id in self.workflows if workflow_id.path == path]

    def subagents_of(self, agent_path: str) -> list[SubagentItemState]:
        return [state for state in self.subagents.values() if state.subagent_item.agent_path == agent_path]

    # --- the Controller ---

    def _count_order(self, workflow_id: WorkflowId, difference: int) -> None:
        super()._count_order(workflow_id, difference)
        if difference < 0 and workflow_id not in self.orders_of_workflow:
            self.unused_workflows[workflow_id] = None

    def _initialized(self, key: Any, event: c.ControllerInitialized) -> None:
        self._set_meta(
            ControllerMetaState(
                controller_id=event.controller_id, initially_started_at=event.initially_started_at, timezone="UTC"
            )
        )

    def _ready(self, key: Any, event: c.ControllerReady) -> None:
        assert self.meta is not None
        self.meta = replace(self.meta, timezone=event.timezone)

    def _set_meta(self, meta: ControllerMetaState) -> None:
        self.meta = meta
        self.controller_id = meta.controller_id

    # --- items ---

    def _simple_item(self, key: Any, event: i.UnsignedSimpleItemAdded | i.UnsignedSimpleItemChanged) -> None:
        item = event.item
        match item:
            case AgentRef():
                agent = self.agents.get(item.path)
                agent = AgentRefState(agent_ref=item) if agent is None else replace(agent, agent_ref=item)
                self.put(self.agents, item.path, agent)
            case SubagentItem():
                subagent = self.subagents.get(item.id)
                self.put_subagent(
                    SubagentItemState(subagent_item=item) if subagent is None else replace(subagent, subagent_item=item)
                )
            case SubagentBundle():
                self.put(self.subagent_bundles, item.id, item)
            case LockItem():
                self.locks.put_item(item)
            case GlobalBoard() | PlannableBoard():
                self.notices.put_board(item)
            case PlanSchema():
                self.plans.put_schema(item)
            case Calendar():
                self.put(self.calendars, item.path, item)
            case FileWatch():
                self.order_watches.put_item(item)
            case PathControl():
                self.put(self.path_controls, item.path, item)

    def _signed_item(self, key: Any, event: i.SignedItemAdded | i.SignedItemChanged) -> None:
        item = read_signed_item(event.signed.string)
        if not isinstance(item, JobResource):
            raise ProblemError("SignedItemAdded: a JobResource is expected")
        self.put_job_resource(item, event.signed, event.item_revision)
        self.remove(self.deletion_marked, item.key)

    def _control(self, key: Any, event: i.UnsignedItemAdded | i.UnsignedItemChanged) -> None:
        self.put(self.controls, event.item.id, event.item)

    def _deletion_marked(self, key: Any, event: i.ItemDeletionMarked) -> None:
        self.put(self.deletion_marked, event.key, None)

    def _item_deleted(self, key: Any, event: i.ItemDeleted) -> None:
        kind, name = split_key(event.key)
        if kind == "Workflow":
            self._workflow_deleted(workflow_id_of(name))
        elif kind == "Agent":
            self.remove(self.agents, name)
            for item_key, attachments in list(self.attachments.items()):
                if name in attachments:
                    self._put_attachment(item_key, name, None)
        elif kind == "Subagent":
            self.remove(self.subagents, name)
        elif kind == "SubagentBundle":
            self.remove(self.subagent_bundles, name)
        elif kind == "Lock":
            self.locks.remove_item(name)
        elif kind == "Board":
            self.notices.remove_board(name)
        elif kind == "PlanSchema":
            self.plans.remove_schema(name)
        elif kind == "Calendar":
            self.remove(self.calendars, name)
        elif kind == "OrderWatch":
            self.order_watches.remove_item(name)
        elif kind == "JobResource":
            self.remove_job_resource(name)
        elif kind == "WorkflowPathControl":
            self.remove(self.path_controls, name)
        elif kind == "WorkflowControl":
            self.remove(self.controls, workflow_id_of(name))
        self.remove(self.deletion_marked, event.key)
        self.remove(self.attachments, event.key)

    def _workflow_deleted(self, workflow_id: WorkflowId) -> None:
        self.remove(self.workflows, workflow_id)
        self.remove(self.signed, workflow_key(workflow_id))
        if not self.versions_of(workflow_id.path):
            self.remove(self.removed, workflow_id.path)
        self._forget_empty_versions()

    def _forget_empty_versions(self) -> None:
        """Versions without workflows and removals are not kept, except the current one."""
        used = {item.version_id for item in self.workflows} | set(self.removed.values())
        current = next(reversed(self.versions), None)
        for version in list(self.versions):
            if version not in used and version != current:
                self.remove(self.versions, version)

    # --- attachments ---

    def _put_attachment(self, key: ItemKey, agent_path: str, attachment: Attachment | None) -> None:
        attachments = dict(self.attachments_of(key))
        if attachment is None:
            attachments.pop(agent_path, None)
        else:
            attachments[agent_path] = attachment
        if attachments:
            self.put(self.attachments, key, attachments)
        else:
            self.remove(self.attachments, key)

    def _item_attachable(self, key: Any, event: i.ItemAttachable) -> None:
        self._put_attachment(event.key, agent_path_of(event.delegate_id), Attachment(Attachment.ATTACHABLE))

    def _item_attached(self, key: Any, event: i.ItemAttached) -> None:
        self._put_attachment(
            event.key, agent_path_of(event.delegate_id), Attachment(Attachment.ATTACHED, event.item_revision)
        )

    def _item_detachable(self, key: Any, event: i.ItemDetachable) -> None:
        self._put_attachment(event.key, agent_path_of(event.delegate_id), Attachment(Attachment.DETACHABLE))

    def _item_detached(self, key: Any, event: i.ItemDetached) -> None:
        agent_path = agent_path_of(event.delegate_id)
        if agent_path not in self.attachments_of(event.key):
            raise ProblemError(f"ItemDetached: {event.key} is not attached to {event.delegate_id}")
        self._put_attachment(event.key, agent_path, None)

    # --- repository ---

    def _version_added(self, key: Any, event: i.VersionAdded) -> None:
        if event.version_id in self.versions:
            raise ProblemError.of("DuplicateKey", type="VersionId", key=event.version_id)
        self.put(self.versions, event.version_id, None)

    def _versioned_item(self, key: Any, event: i.VersionedItemAdded | i.VersionedItemChanged) -> None:
        workflow = read_signed_item(event.signed.string)
        if not isinstance(workflow, Workflow):
            raise ProblemError("VersionedItemAdded: a Workflow is expected")
        self.put_workflow(workflow, event.signed)

    def put_workflow(self, workflow: Workflow, signed: Signed) -> None:
        self.put(self.workflows, workflow.id, workflow)
        self.put(self.current, workflow.id.path, workflow.id)
        self.put(self.signed, workflow_key(workflow.id), SignedItem(signed))
        self.remove(self.removed, workflow.id.path)

    def _versioned_item_removed(self, key: Any, event: i.VersionedItemRemoved) -> None:
        path = split_key(event.path)[1]
        self.remove(self.current, path)
        self.put(self.removed, path, next(reversed(self.versions)))

    # --- Agents ---

    def _put_agent(self, path: str, **changes: Any) -> None:
        self.put(self.agents, path, replace(self.agent(path), **changes))

    def _agent_dedicated(self, key: str, event: a.AgentDedicated) -> None:
        if self.agent(key).agent_run_id is not None:
            raise ProblemError(f"AgentDedicated: Agent:{key} is already dedicated")
        self._put_agent(key, agent_run_id=event.agent_run_id, event_id=event.agent_event_id or 0, problem=None)

    def _agent_coupled(self, key: str, event: a.AgentCoupled) -> None:
        if not self.agent(key).is_resetting:
            self._put_agent(key, coupling_state=s.COUPLED, problem=None)

    def _agent_coupling_failed(self, key: str, event: a.AgentCouplingFailed) -> None:
        self._put_agent(key, problem=event.problem)

    def _agent_ready(self, key: str, event: a.AgentReady) -> None:
        self._put_agent(
            key,
            coupling_state=s.COUPLED,
            timezone=event.timezone,
            platform_info=event.platform_info,
            problem=None,
        )

    def _agent_shut_down(self, key: str, event: a.AgentShutDown) -> None:
        self._put_agent(key, coupling_state=s.ShutDown())

    def _agent_events_observed(self, key: str, event: a.AgentEventsObserved) -> None:
        if event.until_event_id < self.agent(key).event_id:
            raise ProblemError(f"AgentEventsObserved: EventId of Agent:{key} must not decrease")
        self._put_agent(key, event_id=event.until_event_id)

    def _agent_reset_started(self, key: str, event: a.AgentResetStarted) -> None:
        agent = self.agent(key)
        if agent.agent_run_id is None and not event.force:
            raise ProblemError(f"AgentResetStarted: Agent:{key} has no agentRunId")
        self._put_agent(
            key,
            coupling_state=s.Resetting(event.force),
            event_id=0,
            timezone=None,
            agent_run_id=None if event.force else agent.agent_run_id,
            cluster_state=cluster.EMPTY,
            cluster_node_problems=(),
        )

    def _agent_reset(self, key: str, event: a.AgentReset) -> None:
        self._put_agent(key, coupling_state=s.RESET, agent_run_id=None, platform_info=None)

    def _agent_mirrored(self, key: str, event: a.AgentMirroredEvent) -> None:
        problems = () if isinstance(event.event, NodeLoss) else self.agent(key).cluster_node_problems
        state = cluster.apply(self.agent(key).cluster_state, event.event)
        self._put_agent(key, cluster_state=state, cluster_node_problems=problems)

    def _agent_confirmation_required(self, key: str, event: a.AgentClusterWatchConfirmationRequired) -> None:
        problems = self.agent(key).cluster_node_problems
        self._put_agent(key, cluster_node_problems=(*problems, event.problem))

    # --- snapshots ---

    def copy_objects(self) -> list[Iterable[Any]]:
        return [
            self.copy_journal_state(),
            [self.meta] if self.meta is not None else [],
            list(self.path_controls.values()),
            list(self.controls.values()),
            [without_type(state, "agentRef") for state in self.agents.values()],
            self.copy_subagents(),
            list(self.subagent_bundles.values()),
            list(self.locks.snapshot()),
            list(self.plans.snapshot()),
            list(self.notices.snapshot()),
            list(self.calendars.values()),
            [i.UnsignedSimpleItemAdded(item=watch) for watch in self.order_watches.items.values()],
            list(self.order_watches.snapshot()),
            [
                i.SignedItemAdded(signed=item.signed, item_revision=item.revision)
                for path in self.job_resources
                for item in (self.signed[job_resource_key(path)],)
            ],
            list(self._copy_repository()),
            list(self._copy_attachments()),
            [i.ItemDeletionMarked(key=key) for key in self.deletion_marked],
            self.copy_orders(),
        ]

    def _copy_repository(self) -> Iterator[Any]:
        by_version: dict[str, list[Any]] = {version: [] for version in self.versions}
        for workflow_id in self.workflows:
            signed = self.signed[workflow_key(workflow_id)].signed
            by_version[workflow_id.version_id].append(i.VersionedItemAdded(signed=signed))
        for path, version in self.removed.items():
            by_version[version].append(i.VersionedItemRemoved(path=f"Workflow:{path}"))
        for version, events in by_version.items():
            yield i.VersionAdded(version_id=version)
            yield from events

    def _copy_attachments(self) -> Iterator[Any]:
        for key, attachments in self.attachments.items():
            for path, attachment in attachments.items():
                delegate_id = agent_key(path)
                if attachment.state == Attachment.ATTACHABLE:
                    yield i.ItemAttachable(key=key, delegate_id=delegate_id)
                elif attachment.state == Attachment.ATTACHED:
                    yield i.ItemAttached(key=key, delegate_id=delegate_id, item_revision=attachment.revision)
                else:
                    yield i.ItemDetachable(key=key, delegate_id=delegate_id)

    def take_over(self, snapshot_object: Any) -> None:
        match snapshot_object:
            case Order():
                self.add_order(snapshot_object)
            case JournalState():
                self.released.update(snapshot_object.user_id_to_released_event_id)
            case ClusterStateSnapshot():
                self.restore_cluster(snapshot_object)
            case ControllerMetaState():
                self._set_meta(snapshot_object)
            case AgentRefState():
                self.agents[snapshot_object.agent_ref.path] = snapshot_object
            case SubagentItemState():
                self.put_subagent(snapshot_object)
            case PathControl():
                self.path_controls[snapshot_object.path] = snapshot_object
            case Control():
                self.controls[snapshot_object.id] = snapshot_object
            case SubagentBundle():
                self.subagent_bundles[snapshot_object.id] = snapshot_object
            case LockState():
                self.locks.restore(snapshot_object)
            case PlanSchema() | PlanSchemaState() | Plan():
                self.plans.restore(snapshot_object)
            case Notice():
                self.notices.restore_notice(snapshot_object)
            case NoticePlace():
                self.notices.restore_place(snapshot_object)
            case GlobalBoard() | PlannableBoard():
                self.notices.boards[snapshot_object.path] = snapshot_object
            case NoticeConsumption():
                self.restore_consumption(
                    snapshot_object.board_path, snapshot_object.order_id, snapshot_object.notice_id_stack
                )
            case Calendar():
                self.calendars[snapshot_object.path] = snapshot_object
            case ExternalOrder():
                self.order_watches.restore(snapshot_object)
            case _:
                self.apply(None, snapshot_object)
