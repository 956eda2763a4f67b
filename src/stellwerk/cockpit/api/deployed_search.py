"""Searches among what is deployed or released: `/workflows|locks|notice/boards|calendars/search`, and quick searches
for these and for schedules (cockpit-api 1.7, 3, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.calendars import released_objects
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import sync_state
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import Deployed
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.search import MINIMUM_LENGTH, matches, matches_advanced, quick_matches
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import CALENDARS, ObjectType
from stellwerk.values.json import decode

_INSTRUCTION_STATES = ("SKIPPED", "STOPPED")


class SearchRequest(msgspec.Struct, rename="camel"):
    search: str | None = None
    folders: list[str] = []
    advanced: dict[str, Any] | None = None


class DeployedSearchRequest(SearchRequest, kw_only=True):
    controller_id: str


class WorkflowSearchRequest(DeployedSearchRequest, kw_only=True):
    """`states`: of synchronisation. `instructionStates`: some instruction is SKIPPED or STOPPED."""

    states: list[str] = []
    instruction_states: list[str] = []


class QuickSearchRequest(msgspec.Struct, rename="camel"):
    search: str
    controller_id: str | None = None
    token: str | None = None
    quit: bool = False


class DeployedQuickSearchRequest(QuickSearchRequest, kw_only=True):
    controller_id: str


class SearchAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    results: list[dict[str, Any]]


class QuickSearchAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    token: str
    results: list[dict[str, Any]]


class Found(msgspec.Struct, frozen=True):
    """What can be found: an object that is deployed to a Controller, or released (then without one)."""

    type: ObjectType
    path: str
    name: str
    title: str | None
    content: Any
    controller_id: str | None = None

    @property
    def view(self) -> dict[str, Any]:
        """`ResponseBaseSearchItem`."""
        return {"path": self.path, "name": self.name, "objectType": self.type.name}

    @property
    def full_view(self) -> dict[str, Any]:
        """`ResponseSearchItem`."""
        is_deployed = self.controller_id is not None
        view = self.view | {
            "title": self.title,
            "valid": True,
            "deleted": False,
            "deployed": is_deployed,
            "released": not is_deployed,
            "controllerId": self.controller_id,
            "permitted": True,
        }
        return {name: value for name, value in view.items() if value is not None}


async def _deployed(context: RequestContext, controller_id: str, type_: ObjectType) -> list[tuple[Deployed, Found]]:
    await context.services.get(Registry).controller(controller_id)
    found = await context.services.get(Deployer).current(controller_id, [type_])
    paths = await context.services.get(Inventory).paths_of(type_)
    return [
        (item, Found(type_, path, item.name, item.title, decode(item.inv_content), controller_id))
        for item in found
        if folder_permitted(context, path := paths.get(item.name, item.path))
    ]


async def _released(context: RequestContext, types: Sequence[ObjectType]) -> list[Found]:
    return [
        Found(ObjectType(row.type), row.path, row.name, row.title, decode(row.content))
        for row in await released_objects(context, types, [], [])
    ]


def _chosen(request: SearchRequest, found: Sequence[Found]) -> list[Found]:
    folders = [names.normalized(folder) for folder in request.folders]
    chosen = [
        item
        for item in found
        if (not folders or any(names.is_in_folder(item.path, folder, recursive=True) for folder in folders))
        and matches(request.search, item.name, item.title)
        and (not request.advanced or matches_advanced(item.type, item.content, request.advanced))
    ]
    return sorted(chosen, key=lambda item: item.path)


def _answer(context: RequestContext, chosen: Sequence[Found]) -> SearchAnswer:
    return SearchAnswer(timestamp(context.now_ms()), [item.full_view for item in chosen])


async def workflows(context: RequestContext, request: WorkflowSearchRequest) -> SearchAnswer:
    """Deployed workflows by name or title, folder, state, and what is in them."""
    unknown = set(request.instruction_states) - set(_INSTRUCTION_STATES)
    if unknown:
        raise BadRequest(f"instructionStates: unknown {', '.join(sorted(unknown))}; known: SKIPPED, STOPPED")
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    found = []
    for deployed, item in await _deployed(context, request.controller_id, ObjectType.WORKFLOW):
        if request.states and sync_state(deployed, known)["_text"] not in request.states:
            continue
        is_skipped = bool(known.skipped.get(deployed.name))
        is_stopped = bool(known.stopped.get((deployed.name, deployed.commit_id)))
        has_state = {"SKIPPED": is_skipped, "STOPPED": is_stopped}
        if not request.instruction_states or any(has_state[state] for state in request.instruction_states):
            found.append(item)
    return _answer(context, _chosen(request, found))


def _search(type_: ObjectType, summary: str) -> Any:
    async def handler(context: RequestContext, request: DeployedSearchRequest) -> SearchAnswer:
        found = await _deployed(context, request.controller_id, type_)
        return _answer(context, _chosen(request, [item for _, item in found]))

    handler.__doc__ = summary
    return handler


async def calendars(context: RequestContext, request: SearchRequest) -> SearchAnswer:
    """Released calendars by name or title, and folder."""
    return _answer(context, _chosen(request, await _released(context, CALENDARS)))


# --- quick searches ---------------------------------------------------------------------------------------------------


def _quick(context: RequestContext, request: QuickSearchRequest, found: Sequence[Found]) -> QuickSearchAnswer:
    """The token of the former answer is only echoed: each search is fast enough by itself."""
    results = [] if request.quit else [item.view for item in quick_matches(request.search, found)]
    return QuickSearchAnswer(timestamp(context.now_ms()), request.token or "-", results)


def _check_quick(request: QuickSearchRequest) -> None:
    if not request.quit and len(request.search) < MINIMUM_LENGTH:
        raise BadRequest(f"search: give at least {MINIMUM_LENGTH} characters")


def _quick_deployed(type_: ObjectType, summary: str) -> Any:
    async def handler(context: RequestContext, request: DeployedQuickSearchRequest) -> QuickSearchAnswer:
        _check_quick(request)
        found = await _deployed(context, request.controller_id, type_)
        return _quick(context, request, [item for _, item in found])

    handler.__doc__ = summary
    return handler


def _quick_released(types: Sequence[ObjectType], summary: str) -> Any:
    async def handler(context: RequestContext, request: QuickSearchRequest) -> QuickSearchAnswer:
        _check_quick(request)
        return _quick(context, request, await _released(context, types))

    handler.__doc__ = summary
    return handler


_LOCKS, _BOARDS, _WORKFLOWS = "ctl:locks:view", "ctl:noticeboards:view", "ctl:workflows:view"


def _searching(path: str, request: type, permission: str, handler: Any) -> Route:
    answer = QuickSearchAnswer if issubclass(request, QuickSearchRequest) else SearchAnswer
    return Route(path, request, answer, permission, False, handler)


ROUTES = [
    _searching("/workflows/search", WorkflowSearchRequest, _WORKFLOWS, workflows),
    _searching("/locks/search", DeployedSearchRequest, _LOCKS, _search(ObjectType.LOCK, "Deployed locks by name.")),
    _searching(
        "/notice/boards/search",
        DeployedSearchRequest,
        _BOARDS,
        _search(ObjectType.NOTICEBOARD, "Deployed notice boards by name."),
    ),
    _searching("/calendars/search", SearchRequest, "joc:calendars:view", calendars),
    _searching(
        "/workflows/quick/search",
        DeployedQuickSearchRequest,
        _WORKFLOWS,
        _quick_deployed(ObjectType.WORKFLOW, "Deployed workflows whose names begin with a text."),
    ),
    _searching(
        "/locks/quick/search",
        DeployedQuickSearchRequest,
        _LOCKS,
        _quick_deployed(ObjectType.LOCK, "Deployed locks whose names begin with a text."),
    ),
    _searching(
        "/notice/boards/quick/search",
        DeployedQuickSearchRequest,
        _BOARDS,
        _quick_deployed(ObjectType.NOTICEBOARD, "Deployed notice boards whose names begin with a text."),
    ),
    _searching(
        "/calendars/quick/search",
        QuickSearchRequest,
        "joc:calendars:view",
        _quick_released(CALENDARS, "Released calendars whose names begin with a text."),
    ),
    _searching(
        "/schedules/quick/search",
        QuickSearchRequest,
        "ctl:orders:view",
        _quick_released((ObjectType.SCHEDULE,), "Released schedules whose names begin with a text."),
    ),
]
