"""`/daily_plan/projections/*`: the forecast of the coming months (cockpit-api 7, 8; cockpit-services 4.8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from stellwerk.cockpit.api.daily_plan import folders_of, permitted_controllers
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.daily_plan.news import PROJECTED, PlanNews
from stellwerk.cockpit.daily_plan.projections import Projections
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.start_times import plan_date
from stellwerk.cockpit.inventory.names import is_in_folder, name_of

#: Whether an item of a projection is wanted.
Wants = Callable[[dict[str, Any]], bool]


class ProjectionsFilter(msgspec.Struct, rename="camel"):
    controller_ids: list[str] = []
    schedule_paths: list[str] = []
    schedule_folders: list[Folder] = []
    workflow_paths: list[str] = []
    workflow_folders: list[Folder] = []
    without_start_time: bool = False


class ProjectionsRequest(ProjectionsFilter):
    date_from: str | None = None
    date_to: str | None = None


class ProjectionsDayRequest(ProjectionsFilter, kw_only=True):
    date: str


async def calendar(context: RequestContext, request: ProjectionsRequest) -> dict[str, Any]:
    """Year → month → date: how many orders start."""
    return await _years(context, request, with_periods=False)


async def dates(context: RequestContext, request: ProjectionsRequest) -> dict[str, Any]:
    """Year → month → date: what starts when. `withoutStartTime`: what does not start."""
    return await _years(context, request, with_periods=True)


async def _years(context: RequestContext, request: ProjectionsRequest, *, with_periods: bool) -> dict[str, Any]:
    projections = context.services.get(Projections)
    settings = context.services.get(DailyPlanSettings).read()
    first, last = settings.projected_dates(context.now_ms())
    first = plan_date(request.date_from, "dateFrom") if request.date_from else first
    last = plan_date(request.date_to, "dateTo") if request.date_to else last
    years: dict[str, dict[str, dict[str, Any]]] = {}
    frame, meta = await _frame(context, request)
    for day, by_controller in (await projections.days(first, last)).items():
        shown = _day(by_controller, meta, _wants(context, request), is_inverted=request.without_start_time)
        if not with_periods:
            shown = {name: value for name, value in shown.items() if name not in ("periods", "nonPeriods")}
        months = years.setdefault(day[:4], {})
        months.setdefault(day[:7], {})[day] = shown
    return {**frame, "years": years, "meta": meta}


async def day(context: RequestContext, request: ProjectionsDayRequest) -> dict[str, Any]:
    """One date: what starts when."""
    asked: date = plan_date(request.date, "date")
    frame, meta = await _frame(context, request)
    days = await context.services.get(Projections).days(asked, asked)
    by_controller = days.get(asked.isoformat(), {})
    shown = _day(by_controller, meta, _wants(context, request), is_inverted=request.without_start_time)
    return {**frame, **shown, "meta": meta}


async def recreate(context: RequestContext, request: NoRequest) -> Ok:
    """Compute the projections anew; answers when they are stored."""
    await context.services.get(Projections).rebuild(context.database.write)
    await context.services.get(PlanNews).tell("", PROJECTED)
    return context.ok()


async def _frame(context: RequestContext, request: ProjectionsFilter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Times, and what is known of the schedules that are wanted."""
    ids = await permitted_controllers(context, request.controller_ids, None, "ctl:orders:view")
    created, known = await context.services.get(Projections).meta()
    now = context.now_ms()
    wants = _wants(context, request)
    meta = {
        controller_id: {
            path: item
            for path, item in schedules.items()
            if any(wants({"schedule": path, "workflow": workflow}) for workflow in item["workflowPaths"])
        }
        for controller_id, schedules in known.items()
        if controller_id in ids
    }
    frame = {"deliveryDate": timestamp(now), "surveyDate": timestamp(now if created is None else created)}
    return frame, meta


def _wants(context: RequestContext, request: ProjectionsFilter) -> Wants:
    checks = [
        (member, {name_of(path) for path in paths}, folders_of(folders))
        for member, paths, folders in (
            ("schedule", request.schedule_paths, request.schedule_folders),
            ("workflow", request.workflow_paths, request.workflow_folders),
        )
    ]

    def wants(item: dict[str, Any]) -> bool:
        for member, names, folders in checks:
            path = item[member]
            is_asked = name_of(path) in names or any(is_in_folder(path, f, recursive=below) for f, below in folders)
            if (names or folders) and not is_asked:
                return False
            if not folder_permitted(context, path):
                return False
        return True

    return wants


def _day(by_controller: dict[str, Any], meta: dict[str, Any], wants: Wants, *, is_inverted: bool) -> dict[str, Any]:
    """`periods`: what starts; `nonPeriods` (inverted view only): schedules and workflows of which nothing starts."""
    parts = {id_: part for id_, part in by_controller.items() if id_ in meta}
    items = [item for part in parts.values() for item in part["items"] if wants(item)]
    shown: dict[str, Any] = {"planned": any(part["planned"] for part in parts.values())}
    if not is_inverted:
        shown["numOfOrders"] = sum(item["orders"] for item in items)
        shown["periods"] = [_period_item(item) for item in items]
        return shown
    starting = {(item["schedule"], item["workflow"]) for item in items}
    idle = [
        {"schedule": path, "workflow": workflow}
        for controller_id in parts
        for path, schedule in meta[controller_id].items()
        for workflow in schedule["workflowPaths"]
        if (path, workflow) not in starting
    ]
    return shown | {"numOfNonPeriods": len(idle), "nonPeriods": idle}


def _period_item(item: dict[str, Any]) -> dict[str, Any]:
    period = item["period"]
    if "singleStart" in period:
        period = {"singleStart": timestamp(period["singleStart"])}
    return {name: value for name, value in item.items() if name != "orders"} | {"period": period}


def _reading(path: str, request: type, handler: Any) -> Route:
    return Route(f"/daily_plan/projections/{path}", request, dict[str, Any], "ctl:orders:view", False, handler)


ROUTES = [
    _reading("calendar", ProjectionsRequest, calendar),
    _reading("dates", ProjectionsRequest, dates),
    _reading("date", ProjectionsDayRequest, day),
    _reading("day", ProjectionsDayRequest, day),
    Route(
        "/daily_plan/projections/recreate",
        NoRequest,
        Ok,
        "ctl:orders:view",
        True,
        recreate,
        category="DAILYPLAN",
    ),
]
