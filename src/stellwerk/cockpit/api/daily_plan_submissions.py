"""Which dates have a plan, and what has been submitted when (cockpit-api 7; cockpit-services 4.7, 4.9)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import case, func, select

from stellwerk.cockpit.api.daily_plan import permitted_controllers
from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.daily_plan.changes import PlanChanges
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.start_times import plan_date
from stellwerk.cockpit.database.tables.daily_plan import dpl_history, dpl_submissions


class SubmissionsFilter(msgspec.Struct, rename="camel"):
    date_to: str
    date_from: str | None = None


class SubmissionsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    filter: SubmissionsFilter


class DeleteFilter(msgspec.Struct, rename="camel"):
    date_for: str | None = None
    date_from: str | None = None
    date_to: str | None = None


class SubmissionsDeleteRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    filter: DeleteFilter


class MainRequest(msgspec.Struct, rename="camel"):
    controller_id: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    submitted: bool | None = None
    limit: int = 5000


class DateRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    date: str
    submitted: bool | None = None
    limit: int = 5000


class DateOrdersRequest(DateRequest):
    submission_time: str | None = None


async def submissions(context: RequestContext, request: SubmissionsRequest) -> dict[str, Any]:
    """The dates that have a plan."""
    table = dpl_submissions.c
    query = (
        select(dpl_submissions)
        .where(
            table.controller_id == request.controller_id,
            table.submission_for_date <= plan_date(request.filter.date_to, "filter.dateTo").isoformat(),
        )
        .order_by(table.submission_for_date)
    )
    if request.filter.date_from:
        first = plan_date(request.filter.date_from, "filter.dateFrom").isoformat()
        query = query.where(table.submission_for_date >= first)
    async with context.database.read() as connection:
        items = [
            {
                "controllerId": row.controller_id,
                "submissionHistoryId": row.id,
                "dailyPlanDate": row.submission_for_date,
                "submissionTime": timestamp(row.created),
            }
            for row in await connection.execute(query)
        ]
    return {"deliveryDate": timestamp(context.now_ms()), "submissionHistoryItems": items}


async def delete_submissions(context: RequestContext, request: SubmissionsDeleteRequest) -> Ok:
    """Forget the plans of dates, so that they can be planned anew; nothing is done if any order is submitted."""
    first, last = request.filter.date_from, request.filter.date_to
    if request.filter.date_for:
        first = last = request.filter.date_for
    if not last:
        raise MissingParameter("filter.dateFor")
    await context.services.get(PlanChanges).delete_submissions(
        request.controller_id, plan_date(first, "filter.dateFrom") if first else None, plan_date(last, "filter.dateTo")
    )
    await context.services.get(PlanNews).tell(request.controller_id)
    return context.ok()


async def history(context: RequestContext, request: MainRequest) -> dict[str, Any]:
    """How many orders have been submitted, or refused, of which plan dates."""
    ids = await permitted_controllers(context, [], request.controller_id, "ctl:orders:view")
    table, now = dpl_history.c, context.now_ms()
    query = (
        select(table.daily_plan_date, table.controller_id, func.count().label("total"), _submitted())
        .where(table.controller_id.in_(ids))
        .group_by(table.daily_plan_date, table.controller_id)
        .order_by(table.daily_plan_date.desc(), table.controller_id)
    )
    for text, is_end in ((request.date_from, False), (request.date_to, True)):
        instant = instant_ms(text, now, is_end=is_end)
        if instant is not None:
            day = timestamp(instant)[:10]
            query = query.where(table.daily_plan_date < day if is_end else table.daily_plan_date >= day)
    query = _only(query, request.submitted)
    dates: dict[str, dict[str, Any]] = {}
    async with context.database.read() as connection:
        for row in await connection.execute(_limited(query, request.limit)):
            item = dates.setdefault(
                row.daily_plan_date,
                {"date": row.daily_plan_date, "countTotal": 0, "countSubmitted": 0, "controllers": []},
            )
            item["countTotal"] += row.total
            item["countSubmitted"] += row.submitted
            counts = {"countTotal": row.total, "countSubmitted": row.submitted}
            item["controllers"].append({"controllerId": row.controller_id, **counts})
    return {"deliveryDate": timestamp(now), "dates": list(dates.values())}


async def history_submissions(context: RequestContext, request: DateRequest) -> dict[str, Any]:
    """The submissions of a plan date: orders that were sent together."""
    table = dpl_history.c
    query = (
        select(table.submission_time, func.count().label("total"), _submitted())
        .where(table.controller_id == request.controller_id, table.daily_plan_date == _date(request.date))
        .group_by(table.submission_time)
        .order_by(table.submission_time.desc())
    )
    query = _only(query, request.submitted)
    async with context.database.read() as connection:
        items = [
            {
                "submissionTime": timestamp(row.submission_time),
                "countTotal": row.total,
                "countSubmitted": row.submitted,
            }
            for row in await connection.execute(_limited(query, request.limit))
        ]
    return {"deliveryDate": timestamp(context.now_ms()), "submissionTimes": items}


async def history_orders(context: RequestContext, request: DateOrdersRequest) -> dict[str, Any]:
    """The orders of one submission, and why some were refused."""
    table = dpl_history.c
    query = (
        select(dpl_history)
        .where(table.controller_id == request.controller_id, table.daily_plan_date == _date(request.date))
        .order_by(table.scheduled_for, table.id)
    )
    if request.submission_time:
        time = instant_ms(request.submission_time, context.now_ms())
        query = query.where(table.submission_time == time)
    query = _only(query, request.submitted)
    items, errors = [], []
    async with context.database.read() as connection:
        for row in await connection.execute(_limited(query, request.limit)):
            path = f"{row.workflow_folder.rstrip('/')}/{row.workflow_name}"
            is_permitted = folder_permitted(context, path)
            item: dict[str, Any] = {"orderId": row.order_id, "submitted": row.submitted, "permitted": is_permitted}
            if is_permitted:
                item |= {"scheduledFor": timestamp(row.scheduled_for), "workflowPath": path}
                if row.message:
                    errors.append(f"{row.order_id}: {row.message}")
            items.append(item)
    now = timestamp(context.now_ms())
    return {"deliveryDate": now, "orders": items, "warnMessages": [], "errorMessages": errors}


def _submitted() -> Any:
    return func.sum(case((dpl_history.c.submitted, 1), else_=0)).label("submitted")


def _only(query: Any, submitted: bool | None) -> Any:
    return query if submitted is None else query.where(dpl_history.c.submitted == submitted)


def _limited(query: Any, limit: int) -> Any:
    if limit < -1:
        raise BadRequest(f"limit {limit} is not possible: give a number, or -1 for all")
    return query if limit == -1 else query.limit(limit)


def _date(text: str) -> str:
    return plan_date(text, "date").isoformat()


def _reading(path: str, request: type, permission: str, handler: Any) -> Route:
    return Route(path, request, dict[str, Any], permission, False, handler)


ROUTES = [
    _reading("/daily_plan/submissions", SubmissionsRequest, "joc:dailyplan:view", submissions),
    Route(
        "/daily_plan/submissions/delete",
        SubmissionsDeleteRequest,
        Ok,
        "joc:dailyplan:manage",
        True,
        delete_submissions,
        category="DAILYPLAN",
    ),
    _reading("/daily_plan/history", MainRequest, "ctl:orders:view", history),
    _reading("/daily_plan/history/submissions", DateRequest, "ctl:orders:view", history_submissions),
    _reading("/daily_plan/history/submissions/orders", DateOrdersRequest, "ctl:orders:view", history_orders),
]
