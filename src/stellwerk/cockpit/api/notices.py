"""`/notice*`: boards with their notices, posting and deleting (cockpit-api 2.3, Notices; 8, Board_Board)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, ControllerObjectNotFound, FolderDenied, MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted, require_workflow
from stellwerk.cockpit.api.notes import note_marks
from stellwerk.cockpit.api.order_views import order_view
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import IN_SYNC, NOT_IN_SYNC, Folder
from stellwerk.cockpit.controllers.notice_boards import KnownPlace, NoticeBoards
from stellwerk.cockpit.controllers.plans import GLOBAL
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import Deployed
from stellwerk.cockpit.inventory.names import folder_of, is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType

_POSTED = {"_text": "POSTED", "severity": 0}
_EXPECTED = {"_text": "EXPECTED", "severity": 5}
_ANNOUNCED = {"_text": "ANNOUNCED", "severity": 8}


class BoardsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notice_board_paths: list[str] = []
    folders: list[Folder] = []
    plan_schema_ids: list[str] = []
    notice_space_keys: list[str] = []
    compact: bool = False
    limit: int = 10_000


class BoardRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notice_board_path: str
    plan_schema_ids: list[str] = []
    notice_space_keys: list[str] = []
    compact: bool = False
    limit: int = 10_000


class NoticeIds(msgspec.Struct, rename="camel"):
    notice_board_path: str
    notice_ids: list[str] = []


class PostRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notices: list[NoticeIds] = []
    notice_board_paths: list[str] = []
    notice_id: str | None = None
    end_of_life: str | None = None
    time_zone: str | None = None


class DeleteRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notices: list[NoticeIds] = []
    notice_board_path: str | None = None
    notice_ids: list[str] = []


class ExpectedNotices(msgspec.Struct, rename="camel"):
    notice_board_path: str
    workflow_paths: list[str]


class PostExpectedRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    expected_notices: list[ExpectedNotices]
    end_of_life: str | None = None
    time_zone: str | None = None


class ModifyRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notice_board_path: str
    notice_id: str
    end_of_life: str | None = None
    time_zone: str | None = None


class Boards(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    notice_boards: list[dict[str, Any]]


class Board(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    notice_board: dict[str, Any]


async def boards(context: RequestContext, request: BoardsRequest) -> Boards:
    """The deployed notice boards with their notices and the orders that expect some."""
    await context.services.get(Registry).controller(request.controller_id)
    folders = [(normalized(entry.folder), entry.recursive) for entry in request.folders]
    names = {name_of(path) for path in request.notice_board_paths}

    def is_wanted(name: str, path: str) -> bool:
        if names:
            return name in names
        return not folders or any(is_in_folder(path, folder, recursive=recursive) for folder, recursive in folders)

    chosen = [
        item for item in await deployed_boards(context, request.controller_id) if is_wanted(item[0].name, item[1])
    ]
    now = timestamp(context.now_ms())
    return Boards(now, now, await _views(context, request, chosen))


async def board(context: RequestContext, request: BoardRequest) -> Board:
    """One notice board."""
    await context.services.get(Registry).controller(request.controller_id)
    name = name_of(request.notice_board_path)
    await _check_folders(context, [request.notice_board_path])
    chosen = [item for item in await deployed_boards(context, request.controller_id) if item[0].name == name]
    if not chosen:
        raise ControllerObjectNotFound(
            f"the notice board '{request.notice_board_path}' is not deployed to Controller '{request.controller_id}'"
        )
    [view] = await _views(context, request, chosen)
    now = timestamp(context.now_ms())
    return Board(now, now, view)


async def deployed_boards(context: RequestContext, controller_id: str) -> list[tuple[Deployed, str]]:
    """The boards that the caller may see, with their inventory paths."""
    found = await context.services.get(Deployer).current(controller_id, [ObjectType.NOTICEBOARD])
    paths = await context.services.get(Inventory).paths_of(ObjectType.NOTICEBOARD)
    with_paths = [(item, paths.get(item.name, item.path)) for item in found]
    return [(item, path) for item, path in with_paths if folder_permitted(context, path)]


async def _views(
    context: RequestContext, request: BoardsRequest | BoardRequest, chosen: list[tuple[Deployed, str]]
) -> list[dict[str, Any]]:
    service = context.services.get(NoticeBoards)
    known = await service.boards(request.controller_id)
    places = await service.places(request.controller_id, [item.name for item, _ in chosen])
    workflow_paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    notes = await note_marks(context, ObjectType.NOTICEBOARD)
    left = request.limit if request.limit >= 0 else None
    views = []
    for item, path in sorted(chosen, key=lambda pair: pair[1]):
        shown = [place for place in places[item.name] if _is_in_plans(request, place)]
        notices = [_notice_view(context, place, workflow_paths, is_compact=request.compact) for place in shown[:left]]
        views.append(
            {
                "path": path,
                "versionDate": timestamp(item.deployment_date),
                "state": IN_SYNC if item.name in known else NOT_IN_SYNC,
                "numOfNotices": len(shown),
                "numOfPostedNotices": sum(place.place.has_notice for place in shown),
                "numOfExpectedNotices": sum(bool(place.expecting) for place in shown),
                "numOfAnnouncements": sum(place.place.is_announced for place in shown),
                "numOfExpectingOrders": sum(len(place.expecting) for place in shown),
                "notices": notices,
                **({"hasNote": notes[item.name]} if item.name in notes else {}),
            }
        )
    return views


def _is_in_plans(request: BoardsRequest | BoardRequest, place: KnownPlace) -> bool:
    schema, key = place.plan_id or GLOBAL
    return (not request.plan_schema_ids or schema in request.plan_schema_ids) and (
        not request.notice_space_keys or key in request.notice_space_keys
    )


def _notice_view(
    context: RequestContext, known: KnownPlace, workflow_paths: dict[str, str], *, is_compact: bool
) -> dict[str, Any]:
    state = _POSTED if known.place.has_notice else _ANNOUNCED if known.place.is_announced else _EXPECTED
    view: dict[str, Any] = {"id": known.text, "key": known.key, "state": state}
    if known.place.end_of_life is not None:
        view["endOfLife"] = timestamp(known.place.end_of_life)
    visible = [
        order
        for order in known.expecting
        if folder_permitted(context, workflow_paths.get(order.workflow_path, "/" + order.workflow_path))
    ]
    view["expectingOrderIds"] = [order.order_id for order in visible]
    view["expectingOrders"] = [
        order_view(order, context.now_ms(), workflow_paths, is_compact=is_compact) for order in visible
    ]
    return view


async def post(context: RequestContext, request: PostRequest) -> Ok:
    """Post notices on boards: orders that expect them go on."""
    notices = [(entry.notice_board_path, id_) for entry in request.notices for id_ in entry.notice_ids]
    if not notices:
        if not request.notice_board_paths:
            raise MissingParameter("noticeBoardPaths")
        if not request.notice_id:
            raise MissingParameter("noticeId")
        notices = [(path, request.notice_id) for path in request.notice_board_paths]
    await _post(context, request.controller_id, notices, request.end_of_life, request.time_zone)
    return context.ok()


async def post_one(context: RequestContext, request: ModifyRequest) -> Ok:
    """Post one notice."""
    notice = (request.notice_board_path, request.notice_id)
    await _post(context, request.controller_id, [notice], request.end_of_life, request.time_zone)
    return context.ok()


async def post_expected(context: RequestContext, request: PostExpectedRequest) -> Ok:
    """Post the notices that orders of some workflows expect at boards."""
    for path in {path for entry in request.expected_notices for path in entry.workflow_paths}:
        await require_workflow(context, path)
    places = await context.services.get(NoticeBoards).places(
        request.controller_id, [name_of(entry.notice_board_path) for entry in request.expected_notices]
    )
    notices: dict[tuple[str, str], None] = {}
    for entry in request.expected_notices:
        workflows = {name_of(path) for path in entry.workflow_paths}
        for place in places[name_of(entry.notice_board_path)]:
            if any(order.workflow_path in workflows for order in place.expecting):
                notices[entry.notice_board_path, place.text] = None
    if not notices:
        raise ControllerObjectNotFound("No orders of these workflows expect notices at these boards.")
    await _post(context, request.controller_id, list(notices), request.end_of_life, request.time_zone)
    return context.ok()


async def _post(
    context: RequestContext,
    controller_id: str,
    notices: list[tuple[str, str]],
    end_of_life: str | None,
    time_zone: str | None,
) -> None:
    await _check_folders(context, [path for path, _ in notices])
    now_ms = context.now_ms()
    end_ms = instant_ms(end_of_life, now_ms, time_zone=time_zone)
    if end_ms is not None and end_ms <= now_ms:
        end_ms = None  # an end in the past is no end (cockpit-api 2.3)
    await context.services.get(NoticeBoards).post(controller_id, notices, end_of_life_ms=end_ms)


async def delete(context: RequestContext, request: DeleteRequest) -> Ok:
    """Take notices from boards."""
    notices = [(entry.notice_board_path, id_) for entry in request.notices for id_ in entry.notice_ids]
    if request.notice_board_path:
        notices += [(request.notice_board_path, id_) for id_ in request.notice_ids]
    if not notices:
        raise BadRequest("no notices given: name noticeBoardPath and noticeIds")
    await _check_folders(context, [path for path, _ in notices])
    await context.services.get(NoticeBoards).delete(request.controller_id, notices)
    return context.ok()


async def delete_one(context: RequestContext, request: ModifyRequest) -> Ok:
    """Take one notice from its board."""
    await _check_folders(context, [request.notice_board_path])
    notice = (request.notice_board_path, request.notice_id)
    await context.services.get(NoticeBoards).delete(request.controller_id, [notice])
    return context.ok()


async def _check_folders(context: RequestContext, paths: Iterable[str]) -> None:
    """Raises `FolderDenied` for a board that lies where the caller may not look."""
    known = await context.services.get(Inventory).paths_of(ObjectType.NOTICEBOARD)
    for path in paths:
        full = known.get(name_of(path), normalized(path))
        if not folder_permitted(context, full):
            raise FolderDenied(folder_of(full))


def _changing(path: str, request: type, permission: str, handler: Any) -> Route:
    return Route(path, request, Ok, permission, True, handler, category="CONTROLLER")


ROUTES = [
    Route("/notice/boards", BoardsRequest, Boards, "ctl:noticeboards:view", False, boards),
    Route("/notice/board", BoardRequest, Board, "ctl:noticeboards:view", False, board),
    _changing("/notices/post", PostRequest, "ctl:noticeboards:post", post),
    _changing("/notice/post", ModifyRequest, "ctl:noticeboards:post", post_one),
    _changing("/notices/post/expected", PostExpectedRequest, "ctl:noticeboards:post", post_expected),
    _changing("/notices/delete", DeleteRequest, "ctl:noticeboards:delete", delete),
    _changing("/notice/delete", ModifyRequest, "ctl:noticeboards:delete", delete_one),
]
