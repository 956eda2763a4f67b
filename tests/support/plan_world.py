"""Released calendars and schedules, and what a person sees of the daily plan, for tests of the Cockpit."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.daily_plan import dpl_orders
from stellwerk.cockpit.database.tables.inventory import inv_released_configurations
from stellwerk.cockpit.inventory.names import folder_of, name_of
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import encode

CONTROLLER_ID = "controller"
EVERY_DAY: dict[str, Any] = {"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}

_ids = itertools.count(1)


def in_days(days: int) -> date:
    """A date of the future, so that nothing of it has passed while a test runs."""
    return datetime.now(UTC).date() + timedelta(days=days)


def schedule(*periods: dict[str, Any], workflows: tuple[str, ...] = ("LOAD",), **members: Any) -> dict[str, Any]:
    """On every day; by default planned automatically."""
    return {
        "workflowNames": list(workflows),
        "planOrderAutomatically": True,
        "calendars": [{"calendarName": "every-day", "timeZone": "Etc/UTC", "periods": list(periods)}],
        **members,
    }


def at(time: str, **members: Any) -> dict[str, Any]:
    return {"singleStart": time, **members}


def each(repeat: str, begin: str, end: str) -> dict[str, Any]:
    return {"begin": begin, "end": end, "repeat": repeat}


class Killed(Exception):
    """Stands for the death of the process: nothing after it is done."""


class DyingWrites:
    """`write` of a process that dies at its n-th transaction, counted from 0: before it commits, or behind."""

    def __init__(self, write: Callable[[], Any], dies_at: int, *, is_behind: bool) -> None:
        self._write = write
        self._dies_at = dies_at
        self._is_behind = is_behind
        self.count = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Any]:
        number, self.count = self.count, self.count + 1
        async with self._write() as connection:
            yield connection
            if number == self._dies_at and not self._is_behind:
                raise Killed
        if number == self._dies_at:
            raise Killed


class PlanWorld:
    """`await world.release("/plans/nightly", schedule(at("02:00")))`, then `await world.generate(day)`."""

    def __init__(self, cockpit: Cockpit, client: Any, controller: Any) -> None:
        self.cockpit = cockpit
        self.client = client
        self.controller = controller

    async def release(self, path: str, content: dict[str, Any], type_: ObjectType = ObjectType.SCHEDULE) -> None:
        row = {
            "type": int(type_),
            "path": path,
            "cid": next(_ids),
            "name": name_of(path),
            "folder": folder_of(path),
            "content": encode(content).decode(),
            "created": 0,
            "modified": 0,
        }
        async with self.cockpit.database.write() as connection:
            await connection.execute(insert(inv_released_configurations), [row])

    async def set(self, **values: Any) -> None:
        """Settings of the section `dailyplan`."""
        text = encode({"dailyplan": {name: {"value": str(value)} for name, value in values.items()}}).decode()
        await self.client.post("settings/store", {"configurationItem": text})

    async def generate(self, *days: date, status: int = 200, **members: Any) -> Any:
        request = {"controllerId": CONTROLLER_ID, "dailyPlanDates": [day.isoformat() for day in days], **members}
        return await self.client.post("daily_plan/orders/generate", request, status=status)

    async def orders(self, *days: date, **members: Any) -> list[dict[str, Any]]:
        request: dict[str, Any] = {"controllerIds": [CONTROLLER_ID], **members}
        if days:
            request |= {"dailyPlanDateFrom": str(days[0]), "dailyPlanDateTo": str(days[-1])}
        items: list[dict[str, Any]] = (await self.client.post("daily_plan/orders", request))["plannedOrderItems"]
        return items

    async def do(self, verb: str, status: int = 200, **members: Any) -> Any:
        request = {"controllerId": CONTROLLER_ID, **members}
        return await self.client.post(f"daily_plan/orders/{verb}", request, status=status)

    async def rows(self) -> list[Any]:
        async with self.cockpit.database.read() as connection:
            return list(await connection.execute(select(dpl_orders).order_by(dpl_orders.c.planned_start)))

    async def check_sound(self) -> list[tuple[str, int]]:
        """(schedule, start) of all planned orders: none is there twice, ids are unique, cycles are whole."""
        rows = await self.rows()
        assert len({row.order_id for row in rows}) == len(rows), [row.order_id for row in rows]
        cycles = Counter(row.main_part for row in rows if row.start_mode == 1)
        for row in rows:
            if row.start_mode == 1:
                size = int(row.order_id.split("-")[4])
                assert cycles[row.main_part] == size, f"{row.order_id}: {cycles[row.main_part]} of {size}"
        keys = [(row.schedule_name, row.planned_start) for row in rows]
        assert len(set(keys)) == len(keys)
        return keys
