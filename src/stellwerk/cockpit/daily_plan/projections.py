"""Projections: which schedules start when over the coming months, computed once and stored (cockpit-services 4.8).

Dates that have a plan show its orders, other dates what released schedules would start. The rows: one per month with
`{"yyyy-MM-dd": {planned, numOfOrders, periods: […], numOfNonPeriods, nonPeriods: […]}}`, and one, id 0, with what is
known of schedules. `nonPeriods` are schedules that start nothing on a date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select

from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.generation import OpenWrite
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import PlanSource, PlanSources
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import dpl_orders, dpl_projections, dpl_submissions
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan import DailyPlan
from stellwerk.values.json import decode, encode

META = 0
_logger = structlog.get_logger(__name__)

#: Date → what starts on it, by Controller: `{controllerId: [period item, …]}`.
DayItems = list[dict[str, Any]]


class Projections:
    """Rebuilds and reads forecasts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        connections: ControllerConnections,
        sources: PlanSources,
        settings: DailyPlanSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._connections = connections
        self._sources = sources
        self._settings = settings
        self._rebuilding = asyncio.Lock()

    async def rebuild(self, write: OpenWrite) -> None:
        """Compute all months anew; a second call meanwhile waits for the first."""
        async with self._rebuilding:
            settings = await self._settings.read()
            first, last = settings.projected_dates(self._clock.now_ms())
            months: dict[int, dict[str, Any]] = {}
            meta: dict[str, Any] = {}
            for controller_id in await self._connections.registered():
                source = await self._sources.read(controller_id)
                known = meta[controller_id] = _meta(source)
                planned = await self._planned(controller_id, first, last)
                plan = DailyPlan(
                    source.schedules, source.calendars, settings.period_begin_seconds, source.workflows_with_variables
                )
                for number in range((last - first).days + 1):
                    day = first + timedelta(days=number)
                    own = planned.get(day.isoformat())
                    items = _computed(plan, source, day) if own is None else own
                    _count(known, items)
                    _add(months, day, controller_id, items, is_planned=own is not None)
                    await asyncio.sleep(0)  # planning is computation: others get their turn
            await self._store(months, meta, write)

    async def _planned(self, controller_id: str, first: date, last: date) -> dict[str, DayItems]:
        """Date → its planned orders; dates that have a plan."""
        orders, dates = dpl_orders.c, dpl_submissions.c
        within = (dates.controller_id == controller_id) & dates.submission_for_date.between(
            first.isoformat(), last.isoformat()
        )
        found: dict[str, DayItems] = {}
        query = (
            select(
                dates.submission_for_date,
                orders.schedule_name,
                orders.schedule_folder,
                orders.workflow_name,
                orders.workflow_folder,
                orders.order_name,
                orders.period_begin,
                orders.period_end,
                orders.repeat_interval,
                func.min(orders.planned_start).label("start"),
                func.count().label("count"),
            )
            .join(dpl_orders, orders.submission_history_id == dates.id)
            .where(within)
            .group_by(
                dates.submission_for_date,
                orders.schedule_name,
                orders.schedule_folder,
                orders.workflow_name,
                orders.workflow_folder,
                orders.order_name,
                orders.period_begin,
                orders.period_end,
                orders.repeat_interval,
                orders.main_part,
            )
            .order_by("start")
        )
        async with self._database.read() as connection:
            for day in (await connection.execute(select(dates.submission_for_date).where(within))).scalars():
                found[day] = []
            for row in await connection.execute(query):
                period: dict[str, Any] = {"singleStart": row.start}
                if row.repeat_interval is not None:
                    period = {"begin": row.period_begin, "end": row.period_end, "repeat": row.repeat_interval}
                found[row.submission_for_date].append(
                    {
                        "schedule": _join(row.schedule_folder, row.schedule_name),
                        "scheduleOrderName": row.order_name,
                        "workflow": _join(row.workflow_folder, row.workflow_name),
                        "period": period,
                        "orders": row.count,
                    }
                )
        return found

    async def _store(self, months: Mapping[int, Any], meta: Any, write: OpenWrite) -> None:
        now = self._clock.now_ms()
        rows = [
            {"id": id_, "content": encode(content), "created": now} for id_, content in {META: meta, **months}.items()
        ]
        async with write() as connection:
            await connection.execute(delete(dpl_projections))
            await connection.execute(insert(dpl_projections), rows)

    async def meta(self) -> tuple[int | None, dict[str, Any]]:
        """When the projections were computed (None: never), and Controller → schedule → what is known of it."""
        query = select(dpl_projections).where(dpl_projections.c.id == META)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (None, {}) if row is None else (row.created, decode(row.content))

    async def days(self, first: date, last: date) -> dict[str, dict[str, Any]]:
        """Date → `{controllerId: {planned, items}}`, ascending."""
        table = dpl_projections.c
        query = (
            select(table.content)
            .where(table.id.between(first.year * 100 + first.month, last.year * 100 + last.month))
            .order_by(table.id)
        )
        found: dict[str, dict[str, Any]] = {}
        async with self._database.read() as connection:
            for content in (await connection.execute(query)).scalars():
                found.update(decode(content))
        return {day: value for day, value in found.items() if first.isoformat() <= day <= last.isoformat()}


def _computed(plan: DailyPlan, source: PlanSource, day: date) -> DayItems:
    """What released schedules would start: a cycle is one item."""
    items: DayItems = []
    for planned in plan.day(day):
        cycles: dict[tuple[Any, ...], dict[str, Any]] = {}
        for order in planned.orders:
            folder = source.workflow_folders.get(order.workflow)
            if folder is None:
                continue
            period = order.period
            key: tuple[Any, ...] = (order.workflow, order.order_name, order.scheduled_for)
            if order.is_cyclic:
                key = (order.workflow, order.order_name, period.begin, period.end, period.repeat)
            if key in cycles:
                cycles[key]["orders"] += 1
                continue
            shown: dict[str, Any] = {"singleStart": order.scheduled_for}
            if order.is_cyclic:
                shown = {"begin": period.begin, "end": period.end, "repeat": period.repeat}
            cycles[key] = {
                "schedule": planned.schedule.path,
                "scheduleOrderName": order.order_name,
                "workflow": _join(folder, order.workflow),
                "period": shown,
                "orders": 1,
            }
        items += cycles.values()
    return items


def _meta(source: PlanSource) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for schedule in source.schedules:
        workflows = {
            _join(source.workflow_folders[name], name): {"avg": source.durations.get(name, 0) // 1000}
            for name in schedule.workflow_names
            if name in source.workflow_folders
        }
        if workflows:
            found[schedule.path] = {
                "workflowPaths": list(workflows),
                "workflows": workflows,
                "orderNames": [name for name, _ in schedule.orders()],
                "totalOrders": 0,
                "excludedFromProjection": not schedule.plan_order_automatically,
            }
    return found


def _count(meta: dict[str, Any], items: DayItems) -> None:
    for item in items:
        known = meta.get(item["schedule"])
        if known is not None:
            known["totalOrders"] += item["orders"]


def _add(
    months: dict[int, dict[str, Any]], day: date, controller_id: str, items: DayItems, *, is_planned: bool
) -> None:
    month = months.setdefault(day.year * 100 + day.month, {})
    month.setdefault(day.isoformat(), {})[controller_id] = {"planned": is_planned, "items": items}


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"
