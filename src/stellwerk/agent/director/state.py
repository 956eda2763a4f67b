"""The Agent's state: its orders, the items that its Controller has attached, its Subagents.

Fold of the Agent's journal (orders spec 6.2 to 6.4; snapshot objects: journal spec 8.2). Only `apply` and `take_over`
write. Before the Agent is dedicated to a Controller there is nothing but an empty state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from stellwerk.agent.director.file_watch_state import FileWatches, FileWatchState, FileWatchStateFile
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import BACKUP, PRIMARY, AnyClusterEvent, NodeId
from stellwerk.engine.events.journal import AnyJournalEvent
from stellwerk.engine.events.order import AnyOrderEvent
from stellwerk.engine.order import Order
from stellwerk.engine.state import Agent, Control, PathControl
from stellwerk.language.items import (
    AgentRef,
    Calendar,
    FileWatch,
    ItemKey,
    JobResource,
    SubagentBundle,
    SubagentItem,
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
    SnapshotObject,
    SubagentItemState,
)
from stellwerk.values.json import decoder

AnyEvent = (
    AnyOrderEvent
    | i.AgentItemEvent
    | a.AnyOwnAgentEvent
    | s.AnySubagentEvent
    | w.ExternalOrderAppeared
    | w.ExternalOrderVanished
    | AnyJournalEvent
    | AnyClusterEvent
)


class AgentMetaState(SnapshotObject, frozen=True, kw_only=True):
    """To which Controller the Agent belongs, and as what."""

    directors: tuple[str, ...]
    agent_path: str
    agent_run_id: str
    controller_id: str
    controller_run_id: str | None = None


AnySnapshotObject = (
    JournalState
    | ClusterStateSnapshot
    | AgentMetaState
    | AgentRef
    | SubagentItemState
    | SubagentBundle
    | FileWatchState
    | FileWatchStateFile
    | i.SignedItemAdded
    | Calendar
    | PathControl
    | Control
    | Order
)

event_decoder = decoder(AnyEvent)
snapshot_decoder = decoder(AnySnapshotObject)


class AgentState(NodeState):
    """See the module."""

    def __init__(self, director_index: int = 0) -> None:
        """`director_index`: which of `AgentRef.directors` this process is: 0 the primary one, 1 the backup."""
        super().__init__(Agent(""))
        self.meta: AgentMetaState | None = None
        self._director_index = director_index
        #: Subagents that answer now, as their drivers have found. Not part of the state.
        self._reachable_subagents: set[str] = set()
        self._job_resource_paths: dict[WorkflowId, tuple[str, ...]] = {}
        self.agent_ref: AgentRef | None = None
        self.file_watches = FileWatches(self)
        self.extend_dispatch(
            {
                a.OwnAgentDedicated: self._dedicated,
                a.OwnAgentStarted: self.ignore,
                a.OwnAgentReady: self.ignore,
                a.OwnAgentShutDown: self.ignore,
                i.ItemAttachedToMe: self._item_attached,
                i.SignedItemAttachedToMe: self._signed_item_attached,
                i.ItemDetachingFromMe: self._item_detaching,
                i.ItemDetached: self._item_detached,
                w.ExternalOrderAppeared: self.file_watches.on_appeared,
                w.ExternalOrderVanished: self.file_watches.on_vanished,
            }
        )

    # --- dedication ---

    def _dedicated(self, key: Any, event: a.OwnAgentDedicated) -> None:
        self._set_meta(
            AgentMetaState(
                directors=event.directors,
                agent_path=event.agent_path,
                agent_run_id=event.agent_run_id,
                controller_id=event.controller_id,
                controller_run_id=event.controller_run_id,
            )
        )

    def _set_meta(self, meta: AgentMetaState) -> None:
        self.meta = meta
        self.role = Agent(meta.agent_path)
        self.controller_id = meta.controller_id
        if self._director_index < len(meta.directors):
            self.local_subagent_id = meta.directors[self._director_index]

    @property
    def pair_of_directors(self) -> dict[NodeId, str] | None:
        """Node id → URI, when this Agent has two Directors and both are known."""
        directors = () if self.agent_ref is None else self.agent_ref.directors
        if len(directors) != 2 or any(director not in self.subagents for director in directors):
            return None
        uris = [self.subagents[director].subagent_item.uri for director in directors]
        return dict(zip((PRIMARY, BACKUP), uris, strict=True))

    @property
    def is_used(self) -> bool:
        """Is there more than the bare dedication (journal spec 1.6)?"""
        return bool(self.orders or self.workflows or self.subagents or self.agent_ref or self.job_resources)

    # --- items ---

    def _item_attached(self, key: Any, event: i.ItemAttachedToMe) -> None:
        item = event.item
        if isinstance(item, AgentRef):
            self._set_agent_ref(item)
        elif isinstance(item, SubagentItem):
            old = self.subagents.get(item.id)
            self.put_subagent(SubagentItemState(subagent_item=item) if old is None else self._changed(old, item))
        elif isinstance(item, SubagentBundle):
            self.put(self.subagent_bundles, item.id, item)
        elif isinstance(item, Calendar):
            self.put(self.calendars, item.path, item)
        elif isinstance(item, FileWatch):
            self.file_watches.put_item(item)
        elif isinstance(item, PathControl):
            self.put(self.path_controls, item.path, item)
        else:
            self.put(self.controls, item.id, item)

    def _changed(self, old: SubagentItemState, item: SubagentItem) -> SubagentItemState:
        """As long as it is not known where the run is that we know, its former address is remembered."""
        former_uri = old.former_uri
        if former_uri is None and old.subagent_run_id is not None and not self.is_local(item.id):
            former_uri = old.subagent_item.uri
        return replace(old, subagent_item=item, former_uri=None if former_uri == item.uri else former_uri)

    def _set_agent_ref(self, item: AgentRef) -> None:
        self.agent_ref = item
        self.process_limit = item.process_limit
        if self.meta is not None and self.meta.directors != item.directors:
            self._set_meta(replace(self.meta, directors=item.directors))

    def _signed_item_attached(self, key: Any, event: i.SignedItemAttachedToMe | i.SignedItemAdded) -> None:
        item = read_signed_item(event.signed.string)
        if isinstance(item, JobResource):
            self.put_job_resource(item, event.signed, event.item_revision)
        else:
            self._put_workflow(item, SignedItem(event.signed))

    def _put_workflow(self, workflow: Workflow, signed: SignedItem) -> None:
        self.put(self.workflows, workflow.id, workflow)
        self.put(self.signed, workflow_key(workflow.id), signed)

    def _item_detaching(self, key: Any, event: i.ItemDetachingFromMe) -> None:
        self.put_subagent(replace(self.subagent(split_key(event.key)[1]), is_detaching=True))

    def _item_detached(self, key: Any, event: i.ItemDetached) -> None:
        kind, name = split_key(event.key)
        if kind == "Workflow":
            path, _, version = name.rpartition("~")
            self.remove(self.workflows, WorkflowId(path, version))
            self.remove(self.signed, event.key)
            self._job_resource_paths.pop(WorkflowId(path, version), None)
        elif kind == "JobResource":
            self.remove_job_resource(name)
        elif kind == "Subagent":
            self.remove(self.subagents, name)
            self.remove(self.usable_subagents, name)
            self.remove(self.known_subagents, name)
        elif kind == "SubagentBundle":
            self.remove(self.subagent_bundles, name)
        elif kind == "Calendar":
            self.remove(self.calendars, name)
        elif kind == "OrderWatch":
            self.file_watches.remove_item(name)
        elif kind == "WorkflowPathControl":
            self.remove(self.path_controls, name)
        elif kind == "WorkflowControl":
            path, _, version = name.rpartition("~")
            self.remove(self.controls, WorkflowId(path, version))
        elif kind == "Agent":
            self.agent_ref = None
            self.process_limit = None

    def has_item(self, key: ItemKey) -> bool:
        kind, name = split_key(key)
        if kind == "Agent":
            return self.agent_ref is not None and self.agent_ref.path == name
        if kind == "Subagent":
            return name in self.subagents
        if kind == "SubagentBundle":
            return name in self.subagent_bundles
        if kind == "Calendar":
            return name in self.calendars
        if kind == "OrderWatch":
            return name in self.file_watches.items
        if kind == "WorkflowPathControl":
            return name in self.path_controls
        if kind == "WorkflowControl":
            path, _, version = name.rpartition("~")
            return WorkflowId(path, version) in self.controls
        return key in self.signed

    # --- Subagents ---

    def put_subagent(self, state: SubagentItemState) -> None:
        """Keep, beside the state, which Subagents take processes."""
        super().put_subagent(state)
        self.put(self.known_subagents, state.subagent_item.id, None)
        self._find_usable(state)

    def set_reachable(self, subagent_id: str, is_reachable: bool) -> None:
        """A Subagent's driver has coupled, or is not coupled any more. Not within a transaction."""
        if is_reachable:
            self._reachable_subagents.add(subagent_id)
        else:
            self._reachable_subagents.discard(subagent_id)
        subagent = self.subagents.get(subagent_id)
        if subagent is not None:
            self._find_usable(subagent)

    def _find_usable(self, state: SubagentItemState) -> None:
        subagent_id = state.subagent_item.id
        is_coupled = isinstance(state.coupling_state, s.Coupled) and subagent_id in self._reachable_subagents
        if is_coupled and not state.subagent_item.disabled and not state.is_detaching:
            self.put(self.usable_subagents, subagent_id, None)
        else:
            self.remove(self.usable_subagents, subagent_id)

    def is_local(self, subagent_id: str) -> bool:
        """Is it this process' own Subagent?"""
        return subagent_id == self.local_subagent_id

    def job_resource_paths_of(self, workflow: Workflow) -> tuple[str, ...]:
        """What a Subagent needs to run the workflow's jobs; worked out once per workflow."""
        paths = self._job_resource_paths.get(workflow.id)
        if paths is None:
            paths = self._job_resource_paths[workflow.id] = tuple(sorted(workflow.job_resource_paths()))
        return paths

    # --- snapshots ---

    def copy_objects(self) -> list[Iterable[Any]]:
        return [
            self.copy_journal_state(),
            [] if self.meta is None else [self.meta],
            [] if self.agent_ref is None else [self.agent_ref],
            self.copy_subagents(),
            list(self.subagent_bundles.values()),
            list(self.file_watches.snapshot()),
            list(self.calendars.values()),
            [i.SignedItemAdded(signed=item.signed, item_revision=item.revision) for item in list(self.signed.values())],
            list(self.path_controls.values()),
            list(self.controls.values()),
            self.copy_orders(),
        ]

    def take_over(self, snapshot_object: Any) -> None:
        match snapshot_object:
            case Order():
                self.add_order(snapshot_object)
            case JournalState():
                self.released.update(snapshot_object.user_id_to_released_event_id)
            case ClusterStateSnapshot():
                self.restore_cluster(snapshot_object)
            case AgentMetaState():
                self._set_meta(snapshot_object)
            case AgentRef():
                self._set_agent_ref(snapshot_object)
            case SubagentItemState():
                self.put_subagent(snapshot_object)
            case PathControl():
                self.path_controls[snapshot_object.path] = snapshot_object
            case Control():
                self.controls[snapshot_object.id] = snapshot_object
            case SubagentBundle():
                self.subagent_bundles[snapshot_object.id] = snapshot_object
            case Calendar():
                self.calendars[snapshot_object.path] = snapshot_object
            case FileWatchState() | FileWatchStateFile():
                self.file_watches.restore(snapshot_object)
            case _:
                self._signed_item_attached(None, snapshot_object)


__all__ = ["AgentMetaState", "AgentState", "event_decoder", "snapshot_decoder"]
