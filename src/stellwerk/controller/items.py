"""`POST item`: changes of items, checked as a whole, applied in one transaction or not at all (orders spec 7.3).

`read_operations` reads the NDJSON lines, verifies signatures and reads the items; `update_items` checks the result
against the state (references, duplicates, versions) and emits the events in the order of orders spec 6.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from stellwerk.controller.state import ControllerState
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.engine.events import item as i
from stellwerk.language.items import (
    AgentRef,
    GlobalBoard,
    ItemKey,
    JobResource,
    LockItem,
    PlannableBoard,
    Signed,
    SubagentItem,
    UnsignedItem,
    agent_key,
    board_key,
    calendar_key,
    job_resource_key,
    lock_key,
    read_signed_item,
    read_unsigned_item,
    split_key,
    subagent_bundle_key,
    subagent_key,
    workflow_key,
)
from stellwerk.language.workflow import Workflow
from stellwerk.values.json import decoder
from stellwerk.values.problems import Problem, ProblemError

#: Raises `ProblemError` when the text is not signed by somebody trusted.
Verify = Callable[[Signed], None]

MAXIMUM_PROBLEMS = 100


class _Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    pass


class AddVersion(_Operation, frozen=True, kw_only=True):
    version_id: str


class AddOrChangeSigned(_Operation, frozen=True, kw_only=True):
    signed_string: Signed


class AddOrChangeSimple(_Operation, frozen=True, kw_only=True):
    item: Any


class RemoveVersioned(_Operation, frozen=True, kw_only=True):
    #: `Workflow:PATH`
    path: str


class DeleteSimple(_Operation, frozen=True, kw_only=True):
    path: ItemKey


_decoder = decoder(AddVersion | AddOrChangeSigned | AddOrChangeSimple | RemoveVersioned | DeleteSimple)
_DELETABLE = frozenset(
    {
        "Agent",
        "Board",
        "Calendar",
        "JobResource",
        "Lock",
        "OrderWatch",
        "PlanSchema",
        "Subagent",
        "SubagentBundle",
    }
)


class Operations:
    """The operations of one request, read and verified."""

    def __init__(self) -> None:
        self.version: str | None = None
        self.workflows: dict[ItemKey, tuple[Workflow, Signed]] = {}
        self.job_resources: dict[ItemKey, tuple[JobResource, Signed]] = {}
        self.simple: dict[ItemKey, UnsignedItem] = {}
        #: Paths of workflows.
        self.removed: list[str] = []
        self.deleted: list[ItemKey] = []
        self.problems: list[Problem] = []

    def add(self, operation: Any, verify: Verify) -> None:
        match operation:
            case AddVersion():
                if self.version is not None:
                    raise ProblemError("Duplicate AddVersion")
                if not operation.version_id or "~" in operation.version_id:
                    raise ProblemError.of("InvalidName", type="VersionId", name=operation.version_id)
                self.version = operation.version_id
            case AddOrChangeSigned():
                verify(operation.signed_string)
                self._add_signed(operation.signed_string)
            case AddOrChangeSimple():
                item = read_unsigned_item(operation.item)
                self._check_unique(item.key)
                self.simple[item.key] = item
            case RemoveVersioned():
                kind, path = split_key(operation.path)
                if kind != "Workflow":
                    raise ProblemError(f"RemoveVersioned: {operation.path} is not a Workflow")
                self.removed.append(path)
            case DeleteSimple():
                kind, name = split_key(operation.path)
                key = f"{kind}:{name}"
                if kind not in _DELETABLE:
                    raise ProblemError.of("UnknownItemPath", path=key)
                self._check_unique(key)
                self.deleted.append(key)

    def _add_signed(self, signed: Signed) -> None:
        item = read_signed_item(signed.string)
        if isinstance(item, JobResource):
            self._check_unique(item.key)
            self.job_resources[item.key] = (item, signed)
            return
        if not item.id.path:
            raise ProblemError.of("EmptyString", type="Workflow")
        key = workflow_key(item.id)
        self._check_unique(key)
        self.workflows[key] = (item, signed)

    def _check_unique(self, key: ItemKey) -> None:
        if key in self.workflows or key in self.job_resources or key in self.simple or key in self.deleted:
            raise ProblemError.of("DuplicateKey", type="ItemKey", key=key)


def read_operations(body: bytes, verify: Verify) -> Operations:
    """Read and verify the lines of a request. Raises `ProblemError` with everything found."""
    operations = Operations()
    problems: list[Problem] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            operations.add(_decoder.decode(line), verify)
        except ProblemError as error:
            problems.append(error.problem)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problems.append(Problem(message=f"JSON DecodingFailure in line {number}: {error}"))
        if len(problems) >= MAXIMUM_PROBLEMS:
            break
    if not problems and (operations.workflows or operations.removed) and operations.version is None:
        problems.append(Problem(message="VersionedItem but AddVersionId operation is missing"))
    for workflow, _ in operations.workflows.values():
        if operations.version is not None and workflow.id.version_id != operations.version:
            problems.append(
                Problem.of("ItemVersionDoesNotMatch", versionId=operations.version, id=f"Workflow:{workflow.id}")
            )
        if workflow.id.path in operations.removed:
            operations.removed.remove(workflow.id.path)
    if problems:
        raise ProblemError(Problem.combined(problems))
    return operations


def update_items(transaction: ControllerTransaction, operations: Operations) -> None:
    """Check and emit. Raises `ProblemError` with everything found; then nothing has changed."""
    state = transaction.items
    workflows = [
        (workflow, signed)
        for workflow, signed in operations.workflows.values()
        if not _is_known(state, workflow, signed)
    ]
    removed = [path for path in operations.removed if path in state.current]
    problems = [*_check_items(state, operations), *_check_version(state, operations, bool(workflows or removed))]
    if problems:
        raise ProblemError(Problem.combined(problems))
    # A Subagent leaves its Agent before the Agent goes.
    for key in sorted(operations.deleted, key=lambda key: not key.startswith("Subagent:")):
        _delete(transaction, key)
    for key, (item, signed) in operations.job_resources.items():
        revision = state.revision(key)
        event: Any = i.SignedItemAdded if item.path not in state.job_resources else i.SignedItemChanged
        transaction.emit(None, event(signed=signed, item_revision=0 if revision is None else revision + 1))
        transaction.touch_item(key)
    for key, simple in operations.simple.items():
        revision = state.revision(key)
        changed: Any = replace(simple, item_revision=0 if revision is None else revision + 1)
        is_new = not state.exists(key)
        simple_event = i.UnsignedSimpleItemAdded if is_new else i.UnsignedSimpleItemChanged
        transaction.emit(None, simple_event(item=changed))
        transaction.touch_item(key)
        if isinstance(simple, LockItem):
            transaction.offer_locks((simple.path,))
    if workflows or removed:
        _change_repository(transaction, operations.version, workflows, removed)


def _change_repository(
    transaction: ControllerTransaction,
    version: str | None,
    workflows: Iterable[tuple[Workflow, Signed]],
    removed: Iterable[str],
) -> None:
    state = transaction.items
    assert version is not None
    transaction.emit(None, i.VersionAdded(version_id=version))
    for path in removed:
        transaction.touch_item(workflow_key(state.current[path]))
        transaction.emit(None, i.VersionedItemRemoved(path=f"Workflow:{path}"))
    for workflow, signed in workflows:
        former = state.current.get(workflow.id.path)
        if former is None:
            transaction.emit(None, i.VersionedItemAdded(signed=signed))
        else:
            transaction.emit(None, i.VersionedItemChanged(signed=signed))
            transaction.touch_item(workflow_key(former))


def _delete(transaction: ControllerTransaction, key: ItemKey) -> None:
    if transaction.items.attachments_of(key):
        transaction.emit(None, i.ItemDeletionMarked(key=key))
        transaction.touch_item(key)
    else:
        transaction.emit(None, i.ItemDeleted(key=key))


def _is_known(state: ControllerState, workflow: Workflow, signed: Signed) -> bool:
    known = state.signed.get(workflow_key(workflow.id))
    return known is not None and known.signed.string == signed.string


# --- checks ---


def _check_version(state: ControllerState, operations: Operations, has_changes: bool) -> Iterable[Problem]:
    if has_changes and operations.version in state.versions:
        yield Problem.of("DuplicateKey", type="VersionId", key=str(operations.version))


def _check_items(state: ControllerState, operations: Operations) -> Iterable[Problem]:
    deleted = set(operations.deleted)
    added = {*operations.job_resources, *operations.simple}
    for key in deleted:
        if not state.exists(key):
            yield Problem.of("UnknownItemKey", key=key)
    for key in added:
        if key in state.deletion_marked:
            yield Problem(message=f"{key} is marked for deletion and cannot be changed before it has been deleted")
    for key, item in operations.simple.items():
        yield from _check_change(state, key, item)

    workflow_paths = {workflow.id.path for workflow, _ in operations.workflows.values()}

    def exists(key: ItemKey) -> bool:
        kind, name = split_key(key)
        if kind == "Workflow" and "~" not in name:
            return name in workflow_paths or (name in state.current and name not in operations.removed)
        if key in added or (key not in deleted and key not in state.deletion_marked and state.exists(key)):
            return True
        # A bundle's id may be that of a Subagent instead (workflow spec 8.7).
        return kind == "SubagentBundle" and exists(subagent_key(name))

    for workflow, _ in operations.workflows.values():
        yield from _missing(f"Workflow:{workflow.id}", references_of_workflow(workflow), exists)
    for key, item in operations.simple.items():
        yield from _missing(key, item.references(), exists)
    if deleted or operations.removed:
        yield from _still_referenced(state, operations, deleted, exists)
    for key in deleted:
        kind, name = split_key(key)
        if kind == "PlanSchema" and state.plans.is_used(name):
            yield Problem(message=f"{key} is in use: it has plans with orders or a status")


def _check_change(state: ControllerState, key: ItemKey, item: UnsignedItem) -> Iterable[Problem]:
    if isinstance(item, AgentRef):
        agent = state.agents.get(item.path)
        if agent is not None and agent.agent_ref.directors[:1] != item.directors[:1]:
            yield Problem(message=f"{key}: the Director cannot be exchanged; delete the Agent and add it again")
    elif isinstance(item, SubagentItem):
        subagent = state.subagents.get(item.id)
        if subagent is not None and subagent.subagent_item.agent_path != item.agent_path:
            yield Problem(message=f"{key}: agentPath cannot be changed; delete the Subagent and add it again")
    elif isinstance(item, GlobalBoard | PlannableBoard):
        board = state.notices.boards.get(item.path)
        if board is not None and type(board) is not type(item):
            yield Problem(
                message=f"{key}: a board becomes global or plannable by ChangePlannableToGlobalBoard or"
                " ChangeGlobalToPlannableBoard only"
            )


def _missing(key: ItemKey, references: Iterable[ItemKey], exists: Callable[[ItemKey], bool]) -> Iterable[Problem]:
    for reference in references:
        if not exists(reference):
            yield Problem.of("MissingReferencedItem", itemKey=key, referencedItemPath=reference)


def _still_referenced(
    state: ControllerState, operations: Operations, deleted: set[ItemKey], exists: Callable[[ItemKey], bool]
) -> Iterable[Problem]:
    items: list[tuple[ItemKey, Iterable[ItemKey], str]] = []
    for workflow in state.workflows.values():
        is_current = state.current.get(workflow.id.path) == workflow.id
        if is_current and workflow.id.path in operations.removed and workflow.id not in state.orders_of_workflow:
            continue
        more = "" if is_current else "(an old version that orders still use)"
        items.append((f"Workflow:{workflow.id}", references_of_workflow(workflow), more))
    items += [(item.key, item.references(), "") for item in state.simple_items() if item.key not in operations.simple]
    gone = deleted | {f"Workflow:{path}" for path in operations.removed}
    for key, references, more in items:
        if key in deleted:
            continue
        for reference in references:
            if _names(reference) & gone and not exists(reference):
                yield Problem.of("ItemIsStillReferenced", itemPath=reference, referencingItemKey=key, moreInfo=more)


def _names(reference: ItemKey) -> set[ItemKey]:
    """The reference, and what else may stand for it."""
    kind, name = split_key(reference)
    return {reference, subagent_key(name)} if kind == "SubagentBundle" else {reference}


def references_of_workflow(workflow: Workflow) -> list[ItemKey]:
    """Keys of the items that must exist for a workflow (workflow spec 1.3)."""
    keys = [agent_key(path) for path in sorted(workflow.agent_paths())]
    keys += [job_resource_key(path) for path in sorted(workflow.job_resource_paths())]
    keys += [lock_key(path) for path in sorted(workflow.lock_paths())]
    keys += [board_key(path) for path in sorted(workflow.board_paths())]
    if workflow.definition.calendar_path is not None:
        keys.append(calendar_key(workflow.definition.calendar_path))
    return keys + [subagent_bundle_key(id_) for id_ in sorted(workflow.subagent_bundle_ids())]
