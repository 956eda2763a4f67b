"""`addOrdersDateFrom`, `cancelOrdersDateFrom`: the daily plan follows what is deployed and released."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import date

from stellwerk.cockpit.api.routes import RequestContext
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.renewal import PlanRenewal, Scope
from stellwerk.cockpit.daily_plan.start_times import plan_date

#: All that has not started and is due from now on.
NOW = "now"


@asynccontextmanager
async def renewed_plan(
    context: RequestContext,
    first: str | None,
    *,
    controller_ids: Iterable[str] | None = None,
    workflows: Iterable[str] = (),
    schedules: Iterable[str] = (),
    include_late: bool = False,
) -> AsyncIterator[None]:
    """The body changes workflows or schedules (by name): their orders are taken back before, and planned again after.

    `first`: `now`, or the first date; None: nothing is done with the plan. Without `controller_ids` at all Controllers.
    Raises `BulkError` if a Controller does not give orders back; then the body is not run.
    """
    if not first or not (workflows or schedules):
        yield
        return
    day: date | None = None if first == NOW else plan_date(first, "date of the daily plan")
    ids = controller_ids or await context.services.get(ControllerConnections).registered()
    scopes = [
        Scope(
            controller_id=id_,
            workflows=frozenset(workflows),
            schedules=frozenset(schedules),
            first=day,
            include_late=include_late,
        )
        for id_ in ids
    ]
    renewal = context.services.get(PlanRenewal)
    try:
        for scope in scopes:
            await renewal.take_back(scope)
        yield
    finally:
        for scope in scopes:
            await renewal.plan_again(scope, context.account)
        await context.services.get(PlanNews).tell("")
