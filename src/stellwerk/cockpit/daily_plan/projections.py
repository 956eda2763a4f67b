"""Projections: which schedules start when over the coming months, computed once and stored (cockpit-services 4.8).

Dates that have a plan show its orders, other dates what released schedules would start. The rows: one per month with
`{"yyyy-MM-dd": {controllerId: {planned, items: […]}}}`, and one, id 0, with what is known of schedules. What the API
shows is made of them when it is asked: it depends on what the caller may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, func, select

from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.generation import OpenWrite
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import AT_ONCE, PlanSource, PlanSources
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import dpl_orders, dpl_projections, dpl_submissions
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan import PlanSettings, SchedulePlan
from stellwerk.values.json import decode, encode

META = 0

#: What starts on a date: schedule, order name, workflow, period, number of orders.
DayItems = list[dict[str, Any]]


class _Part(NamedTuple):
    """One Controller's share."""

    controller_id: str
    source: PlanSource
    plans: list[SchedulePlan]
    period_begin: int


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
        """Compute all months anew; a second call meanwhile waits for the first.

        Month by month, each encoded as it is made and stored: one month is in memory at a time.
        """
        async with self._rebuilding:
            settings = self._settings.read()
            first, last = settings.projected_dates(self._clock.now_ms())
            parts = [
                await self._part(controller_id, settings) for controller_id in await self._connections.registered()
            ]
            meta = {part.controller_id: _meta(part.source) for part in parts}
            months: list[int] = []
            begin = first
            while begin <= last:
                end = min(last, (begin.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1))
                month = await self._month(parts, meta, begin, end)
                months.append(begin.year * 100 + begin.month)
                await self._store(months[-1], month, write)
                begin = end + timedelta(days=1)
            await self._store(META, meta, write)
            async with write() as connection:
                stale = dpl_projections.c.id.not_in([META, *months])
                await connection.execute(delete(dpl_projections).where(stale))

    async def _part(self, controller_id: str, settings: PlanSettings) -> _Part:
        source = await self._sources.read(controller_id)
        plans: list[SchedulePlan] = []
        for number, schedule in enumerate(source.schedules):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # planning is computation: others get their turn
            plans.append(SchedulePlan(schedule, source.calendars, source.workflows_with_variables))
        return _Part(controller_id, source, plans, settings.period_begin_seconds)

    async def _month(
        self, parts: list[_Part], meta: Mapping[str, Any], first: date, last: date
    ) -> dict[str, dict[str, Any]]:
        """Date → Controller → its items, encoded."""
        month: dict[str, dict[str, Any]] = {}
        for part in parts:
            planned = await self._planned(part.controller_id, first, last)
            for number in range((last - first).days + 1):
                day = first + timedelta(days=number)
                own = planned.get(day.isoformat())
                items = await _computed(part, day) if own is None else own
                _count(meta[part.controller_id], items)
                content = {"planned": own is not None, "items": items}
                month.setdefault(day.isoformat(), {})[part.controller_id] = msgspec.Raw(encode(content))
        return month

    async def _planned(self, controller_id: str, first: date, last: date) -> dict[str, DayItems]:
        """Date → its planned orders; dates that have a plan."""
        orders, dates = dpl_orders.c, dpl_submissions.c
        within = (dates.controller_id == controller_id) & dates.submission_for_date.between(
            first.isoformat(), last.isoformat()
        )
        shown = (
            dates.submission_for_date,
            orders.schedule_name,
            orders.schedule_folder,
            orders.workflow_name,
            orders.workflow_folder,
            orders.order_name,
            orders.period_begin,
            orders.period_end,
            orders.repeat_interval,
        )
        found: dict[str, DayItems] = {}
        query = (
            select(*shown, func.min(orders.planned_start).label("start"), func.count().label("count"))
            .join(dpl_orders, orders.submission_history_id == dates.id)
            .where(within)
            .group_by(*shown, orders.main_part)
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

    async def _store(self, id_: int, content: Any, write: OpenWrite) -> None:
        row = {"id": id_, "content": encode(content), "created": self._clock.now_ms()}
        async with write() as connection:
            await connection.execute(self._database.upsert(dpl_projections, ["id"]), [row])

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


async def _computed(part: _Part, day: date) -> DayItems:
    """What released schedules would start: a cycle is one item."""
    items: DayItems = []
    for number, plan in enumerate(part.plans):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)  # planning is computation: others get their turn
        planned = plan.day(day, part.period_begin)
        cycles: dict[tuple[Any, ...], dict[str, Any]] = {}
        for order in planned.orders:
            folder = part.source.workflow_folders.get(order.workflow)
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


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"
