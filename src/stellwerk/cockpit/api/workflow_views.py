"""`/workflow/state`, `/workflow/order_templates`, `/workflow/dependencies`, `/workflows/boards`: what a deployed
workflow has to do with others (cockpit-api 7, 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from stellwerk.cockpit.api.calendars import released_objects
from stellwerk.cockpit.api.folders import folder_permitted, require_workflow
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import WorkflowAnswer, WorkflowRequest, sync_state, workflow
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.inventory.workflow_uses import Uses, uses_of
from stellwerk.values.json import decode


class WorkflowPathRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_path: str


class ControllerRequest(msgspec.Struct, rename="camel"):
    controller_id: str


class WorkflowState(msgspec.Struct, frozen=True, rename="camel"):
    """Which Agents have confirmed a suspension is not known here: `confirmedAgentNames` is left out."""

    delivery_date: str
    survey_date: str
    state: dict[str, Any]


class Schedules(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    schedules: list[dict[str, Any]]


class WorkflowsBoards(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    posting_workflows: list[dict[str, Any]]
    expecting_workflows: list[dict[str, Any]]
    consuming_workflows: list[dict[str, Any]]


class KnownWorkflow(msgspec.Struct, frozen=True):
    """The current version of a deployed workflow that the caller may see."""

    name: str
    path: str
    version_id: str
    uses: Uses

    @property
    def id(self) -> dict[str, str]:
        """`WorkflowIdAndTags`."""
        return {"path": self.path, "versionId": self.version_id}


async def known_workflows(context: RequestContext, controller_id: str) -> list[KnownWorkflow]:
    """The current versions of the workflows at a Controller that the caller may see, by path."""
    deployed = await context.services.get(Deployer).current(controller_id, [ObjectType.WORKFLOW])
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    found = [
        KnownWorkflow(item.name, path, item.commit_id, uses_of(decode(item.inv_content)))
        for item in deployed
        if folder_permitted(context, path := paths.get(item.name, item.path))
    ]
    return sorted(found, key=lambda item: item.path)


async def state(context: RequestContext, request: WorkflowRequest) -> WorkflowState:
    """Whether the Controller has a workflow as it is here."""
    await context.services.get(Registry).controller(request.controller_id)
    wanted = request.workflow_id
    await require_workflow(context, wanted.path)
    deployed = await context.services.get(Deployer).workflow(
        request.controller_id, wanted.path, wanted.version_id or None
    )
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    now = timestamp(context.now_ms())
    return WorkflowState(now, now, sync_state(deployed, known))


async def order_templates(context: RequestContext, request: WorkflowPathRequest) -> Schedules:
    """The released schedules that start orders of a workflow, with the orders' parameters."""
    await context.services.get(Registry).controller(request.controller_id)
    await require_workflow(context, request.workflow_path)
    name = name_of(request.workflow_path)
    views = []
    for row in await released_objects(context, (ObjectType.SCHEDULE,), [], []):
        content = decode(row.content)
        if name in (content.get("workflowNames") or [content.get("workflowName")]):
            view = {"path": row.path, "name": row.name, "title": content.get("title")}
            view["orderParameterisations"] = content.get("orderParameterisations") or []
            views.append({name: value for name, value in view.items() if value is not None})
    return Schedules(timestamp(context.now_ms()), views)


async def dependencies(context: RequestContext, request: WorkflowRequest) -> WorkflowAnswer:
    """A workflow with those that it is tied to: by notice boards, and by the orders that they add."""
    answer = await workflow(context, request)
    others = await known_workflows(context, request.controller_id)
    name = name_of(answer.workflow["path"])
    # Of the version that is asked for, which need not be the current one.
    deployed = await context.services.get(Deployer).workflow(request.controller_id, name, answer.workflow["versionId"])
    own = uses_of(decode(deployed.inv_content))

    def by_board(boards: Iterable[str], partners: Callable[[Uses], frozenset[str]]) -> dict[str, Any]:
        return {board: [item.id for item in others if board in partners(item.uses)] for board in sorted(boards)}

    view = answer.workflow | {
        "postNoticeBoards": by_board(own.posts, lambda uses: uses.expects | uses.consumes),
        "expectedNoticeBoards": by_board(own.expects, lambda uses: uses.posts),
        "consumeNoticeBoards": by_board(own.consumes, lambda uses: uses.posts),
        "addOrderToWorkflows": [item.id for item in others if item.name in own.adds_orders_to],
        "addOrderFromWorkflows": [item.id for item in others if name in item.uses.adds_orders_to],
    }
    return msgspec.structs.replace(answer, workflow=view)


def board_view(item: KnownWorkflow) -> dict[str, Any]:
    """`WorkflowBoards`."""
    uses = item.uses
    members = {"postNotices": uses.posts, "expectNotices": uses.expects, "consumeNotices": uses.consumes}
    return item.id | {member: sorted(names) for member, names in members.items()}


async def boards(context: RequestContext, request: ControllerRequest) -> WorkflowsBoards:
    """The workflows that post, expect and consume notices, and on which boards."""
    await context.services.get(Registry).controller(request.controller_id)
    known = await known_workflows(context, request.controller_id)
    now = timestamp(context.now_ms())
    return WorkflowsBoards(
        delivery_date=now,
        survey_date=now,
        posting_workflows=[board_view(item) for item in known if item.uses.posts],
        expecting_workflows=[board_view(item) for item in known if item.uses.expects],
        consuming_workflows=[board_view(item) for item in known if item.uses.consumes],
    )


def _reading(path: str, request: type, answer: type, handler: Any) -> Route:
    return Route(path, request, answer, "ctl:workflows:view", False, handler)


ROUTES = [
    _reading("/workflow/state", WorkflowRequest, WorkflowState, state),
    _reading("/workflow/status", WorkflowRequest, WorkflowState, state),
    _reading("/workflow/order_templates", WorkflowPathRequest, Schedules, order_templates),
    _reading("/workflow/dependencies", WorkflowRequest, WorkflowAnswer, dependencies),
    _reading("/workflows/boards", ControllerRequest, WorkflowsBoards, boards),
]
