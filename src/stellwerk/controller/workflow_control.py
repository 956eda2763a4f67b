"""ControlWorkflowPath and ControlWorkflow: suspended workflows, skipped labels, breakpoints (orders spec 7.2)."""

from __future__ import annotations

from msgspec.structs import replace

from stellwerk.controller.commands import ControlWorkflow, ControlWorkflowPath
from stellwerk.controller.state_objects import Attachment
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.engine.events import item as i
from stellwerk.engine.state import Control, PathControl
from stellwerk.language.items import ItemKey, agent_key, control_key, path_control_key, workflow_key
from stellwerk.language.positions import WorkflowId, normalize
from stellwerk.values.problems import ProblemError


def control_workflow_path(transaction: ControllerTransaction, command: ControlWorkflowPath) -> None:
    """Always a new revision, sent to each Agent that has the workflow. Raises `ProblemError` UnknownKey."""
    state = transaction.items
    path = command.workflow_path
    versions = state.versions_of(path)
    if not versions:
        raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{path}")
    old = state.path_controls.get(path)
    control = PathControl(path=path) if old is None else old
    skip = dict.fromkeys(control.skip)
    for label, is_skipped in command.skip.items():
        if is_skipped:
            skip[label] = None
        else:
            skip.pop(label, None)
    control = replace(
        control,
        suspended=control.suspended if command.suspend is None else command.suspend,
        skip=tuple(skip),
        item_revision=_next_revision(control.item_revision),
    )
    event = i.UnsignedSimpleItemAdded if old is None else i.UnsignedSimpleItemChanged
    transaction.emit(None, event(item=control))
    _distribute(transaction, path_control_key(path), versions)
    if not command.suspend:
        transaction.touch_orders_of_path(path)


def control_workflow(transaction: ControllerTransaction, command: ControlWorkflow) -> None:
    """Set and remove breakpoints. Raises `ProblemError` for an unknown workflow or position."""
    state = transaction.items
    workflow = state.workflow(command.workflow_id)
    old = state.controls.get(workflow.id)
    control = Control(id=workflow.id) if old is None else old
    for position in (*command.add_breakpoints, *command.remove_breakpoints):
        workflow.instruction(position)
    removed = {normalize(position) for position in command.remove_breakpoints}
    kept = [position for position in control.breakpoints if position not in removed]
    added = [normalize(position) for position in command.add_breakpoints]
    control = replace(
        control,
        breakpoints=tuple(dict.fromkeys([*kept, *added])),
        item_revision=_next_revision(control.item_revision),
    )
    transaction.emit(None, (i.UnsignedItemAdded if old is None else i.UnsignedItemChanged)(item=control))
    _distribute(transaction, control_key(workflow.id), [workflow.id])


def _next_revision(revision: int | None) -> int:
    return 0 if revision is None else revision + 1


def _distribute(transaction: ControllerTransaction, key: ItemKey, versions: list[WorkflowId]) -> None:
    state = transaction.items
    agents: dict[str, None] = {}
    for version in versions:
        for agent_path, attachment in state.attachments_of(workflow_key(version)).items():
            if attachment.state == Attachment.ATTACHED:
                agents[agent_path] = None
    for agent_path in agents:
        transaction.emit(None, i.ItemAttachable(key=key, delegate_id=agent_key(agent_path)))
