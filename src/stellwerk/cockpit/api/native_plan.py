"""Native `plan/day`: the frame of one day of the daily plan (ui.md S8): when it begins and ends, who has planned it,
when the service runs next. The orders themselves are those of the compatible `/daily_plan/orders`."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.daily_plan import permitted_controllers
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.daily_plan.service import LAST_RUN
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.start_times import plan_date
from stellwerk.cockpit.database.tables.daily_plan import dpl_submissions
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.values.problems import ProblemError


class DayRequest(msgspec.Struct):
    """`date`: yyyy-mm-dd; absent: today."""

    date: str | None = None


class DayPlan(msgspec.Struct, frozen=True, rename="camel"):
    """That a Controller's orders of the day have been planned. `is_complete`: not broken off. `created`: epoch ms."""

    controller_id: str
    created: int
    is_complete: bool


class Day(msgspec.Struct, frozen=True, rename="camel"):
    """Times are epoch milliseconds. `last_run`, `next_run`: of the service; absent: never, switched off."""

    date: str
    today: str
    time_zone: str
    begin: int
    end: int
    days_ahead_plan: int
    days_ahead_submit: int
    plans: list[DayPlan]
    last_run: int | msgspec.UnsetType = msgspec.UNSET
    next_run: int | msgspec.UnsetType = msgspec.UNSET


async def day(context: RequestContext, request: DayRequest) -> Day:
    """The frame of a date, for those Controllers that the caller may see."""
    settings = context.services.get(DailyPlanSettings).read()
    now = context.now_ms()
    try:
        date = plan_date(request.date, "date") if request.date else settings.plan_date(now)
        begin, end = settings.bounds(date)
        today = settings.plan_date(now)
        next_run = settings.next_run(now) if settings.days_ahead_plan > 0 else msgspec.UNSET
    except ProblemError as error:
        raise BadRequest(f"settings of the daily plan: {error.problem}") from None
    ids = await permitted_controllers(context, [], None, "ctl:orders:view")
    async with context.database.read() as connection:
        plans = await connection.execute(_plans(ids, date.isoformat()))
        last_run = await connection.scalar(
            select(joc_variables.c.numeric_value).where(joc_variables.c.name == LAST_RUN)
        )
    return Day(
        date=date.isoformat(),
        today=today.isoformat(),
        time_zone=settings.time_zone,
        begin=begin,
        end=end,
        days_ahead_plan=settings.days_ahead_plan,
        days_ahead_submit=settings.days_ahead_submit,
        plans=[DayPlan(row.controller_id, row.created, row.complete) for row in plans],
        last_run=msgspec.UNSET if last_run is None else last_run,
        next_run=next_run,
    )


def _plans(controller_ids: list[str], date: str) -> Any:
    table = dpl_submissions.c
    return (
        select(table.controller_id, table.created, table.complete)
        .where(table.controller_id.in_(controller_ids), table.submission_for_date == date)
        .order_by(table.controller_id)
    )


ROUTES = [Route(f"{PREFIX}/plan/day", DayRequest, Day, "joc:dailyplan:view", False, day, method="GET")]
