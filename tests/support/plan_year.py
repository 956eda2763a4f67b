"""Months of a site's daily plan on a clock that jumps from run to run, with a Cockpit that dies again and again.

What must be planned is computed here once more, from weekdays, days of the month, wall times and time zones alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from plan_world import CONTROLLER_ID, Killed, PlanWorld

from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.controllers.orders import OrderService
from stellwerk.cockpit.daily_plan.generation import Generator
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.projections import Projections
from stellwerk.cockpit.daily_plan.selection import PLANNED_STATE, PlanFilter, PlanReader
from stellwerk.cockpit.daily_plan.service import DailyPlanService
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import PlanSources
from stellwerk.cockpit.daily_plan.submission import Submitter
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.daily_plan import PlanSettings

ZONES = ("Europe/Berlin", "America/New_York")
SETTINGS = PlanSettings(time_zone=ZONES[0])
#: Among them those that do not exist, and that exist twice, on the days on which the clocks change.
TIMES = ("00:00", "01:30", "02:30", "03:00", "12:15", "23:59")


class Days(msgspec.Struct, frozen=True):
    """A calendar: days of the week (0: Sunday), or days of the month."""

    name: str
    weekdays: frozenset[int] = frozenset()
    monthdays: frozenset[int] = frozenset()

    def content(self) -> dict[str, Any]:
        if self.monthdays:
            return {"includes": {"monthdays": [{"days": sorted(self.monthdays)}]}}
        return {"includes": {"weekdays": [{"days": sorted(self.weekdays)}]}}

    def contains(self, day: date) -> bool:
        return day.day in self.monthdays if self.monthdays else day.isoweekday() % 7 in self.weekdays


class Job(msgspec.Struct, frozen=True):
    """A schedule with single starts on one calendar."""

    name: str
    days: Days
    zone: str
    times: tuple[str, ...]

    def content(self) -> dict[str, Any]:
        periods = [{"singleStart": at} for at in self.times]
        calendar = {"calendarName": self.days.name, "timeZone": self.zone, "periods": periods}
        return {"workflowNames": ["LOAD"], "planOrderAutomatically": True, "calendars": [calendar]}

    def starts(self, day: date) -> Iterator[int]:
        """Milliseconds. A time that the day does not have is moved by the gap; of two equal ones it is the first."""
        if self.days.contains(day):
            for at in self.times:
                local = datetime.combine(day, time.fromisoformat(at), ZoneInfo(self.zone))
                yield int(local.timestamp() * 1000)


def site(schedules: int, calendars: int, chance: random.Random) -> list[Job]:
    days = [
        Days(f"month-{number}", monthdays=frozenset(chance.sample(range(1, 32), 3)))
        if number % 4 == 0
        else Days(f"week-{number}", weekdays=frozenset(chance.sample(range(7), chance.randint(1, 6))))
        for number in range(calendars)
    ]
    return [
        Job(f"s{number:03}", days[number % calendars], ZONES[number // calendars % 2], tuple(chance.sample(TIMES, 2)))
        for number in range(schedules)
    ]


class YearClock:
    """The wall clock; whoever runs the year sets it."""

    now = 0

    def now_ms(self) -> int:
        return self.now

    def zone(self) -> str:
        return "UTC"


class Deaths:
    """A `Fence` of a Cockpit that dies at its n-th transaction from now on, before it commits or behind."""

    def __init__(self, fence: Fence) -> None:
        self.database = fence.database
        self._write = fence.write
        self._left: int | None = None
        self._is_behind = False
        self.count = 0

    def plan(self, transactions: int | None, is_behind: bool) -> None:
        self._left, self._is_behind = transactions, is_behind

    def _strike(self) -> None:
        self._left = None
        self.count += 1
        raise Killed

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        if self._left is not None:
            self._left -= 1
        async with self._write() as connection:
            yield connection
            if self._left == -1 and not self._is_behind:
                self._strike()
        if self._left == -1:
            self._strike()


class Year:
    """`await year.begin()`, then `await year.run(first, days)` and `await year.check()`."""

    def __init__(self, world: PlanWorld, jobs: list[Job], seed: int) -> None:
        self.world = world
        self.jobs = jobs
        self.clock = YearClock()
        self.chance = random.Random(seed)
        get = world.cockpit.services.get
        self.deaths = Deaths(get(Fence))
        self.lost = 0
        self._order_ids = OrderIds(world.cockpit.database, self.clock)
        self._runs = 0
        #: When each order arrived, on the clock of the year.
        self.arrived: dict[str, int] = {}
        #: Days without a Cockpit.
        self.down: set[date] = set()
        self._planned: set[date] = set()

    async def begin(self) -> None:
        for days in {job.days.name: job.days for job in self.jobs}.values():
            await self.world.release(f"/days/{days.name}", days.content(), ObjectType.WORKINGDAYSCALENDAR)
        for job in self.jobs:
            await self.world.release(f"/plans/{job.name}", job.content())

    def _service(self) -> DailyPlanService:
        """Of a Cockpit that has just started."""
        cockpit = self.world.cockpit
        get, database = cockpit.services.get, cockpit.database
        settings = get(DailyPlanSettings)
        generator = Generator(database, self.clock, self._order_ids, get(PlanSources), settings)
        connections, arrivals = get(ControllerConnections), get(Arrivals)
        self._runs += 1
        submitter = Submitter(
            database,
            self.clock,
            connections,
            get(OrderService),
            self._order_ids,
            arrivals,
            "member",
            f"run-{self._runs}",
        )
        projections = Projections(database, self.clock, connections, get(PlanSources), settings)
        return DailyPlanService(
            self.deaths,  # type: ignore[arg-type]  # what the service uses of a Fence
            self.clock,
            connections,
            generator,
            submitter,
            get(PlanReader),
            projections,
            settings,
            get(PlanNews),
        )

    async def run(self, first: date, count: int, *, deaths_per_day: float, down: range = range(0)) -> None:
        """Daily runs at half past eleven in the evening before `first` and on. `down`: days without any."""
        service = self._service()
        for number in range(count):
            day = first + timedelta(days=number - 1)
            if number in down:
                self.down.add(day)
                continue
            self.clock.now = int(datetime.combine(day, time(23, 30), ZoneInfo(ZONES[0])).timestamp() * 1000)
            self._planned.update(SETTINGS.dates_to_plan(self.clock.now))
            dies = self.chance.random() < deaths_per_day
            self.deaths.plan(self.chance.randrange(6) if dies else None, self.chance.random() < 0.5)
            if self.chance.random() < deaths_per_day / 2:
                self.world.controller.lost_answers = 1
                self.lost += 1
            service = await self._one_day(service)
            self.world.controller.lost_answers = 0
            self.deaths.plan(None, False)

    async def _one_day(self, service: DailyPlanService) -> DailyPlanService:
        is_done = False
        while not is_done:
            try:
                is_done = await service.run(SETTINGS)
            except Killed:
                service = self._service()
            for order_id in self.world.controller.added[len(self.arrived) :]:
                assert order_id not in self.arrived, f"{order_id} was sent twice"
                self.arrived[order_id] = self.clock.now
            self.clock.now += 1000
        return service

    async def check(self) -> Counter[str]:
        """Each order that had to be planned is there once; each is at the Controller in time and once, or late."""
        expected = {(job.name, start) for job in self.jobs for day in self._planned for start in job.starts(day)}
        rows = await self.world.rows()
        found = [(row.schedule_name, row.planned_start) for row in rows]
        assert len(found) == len(set(found)), [key for key, count in Counter(found).items() if count > 1][:5]
        assert set(found) == expected, (sorted(expected - set(found))[:5], sorted(set(found) - expected)[:5])
        scheduled = {
            command["order"]["id"]: command["order"]["scheduledFor"]
            for command in self.world.controller.commands
            if command["TYPE"] == "AddOrder"
        }
        assert set(scheduled) == set(self.arrived) == {row.order_id for row in rows if row.submitted}
        counts: Counter[str] = Counter()
        for row in rows:
            if row.submitted:
                assert scheduled[row.order_id] == row.planned_start
                assert self.arrived[row.order_id] <= row.planned_start, f"{row.order_id} arrived late"
                counts["in time"] += 1
            elif row.planned_start <= self.clock.now:
                day = datetime.fromtimestamp(row.planned_start / 1000, UTC).date()
                assert any(abs((day - down).days) <= 1 for down in self.down), f"{row.order_id} was never sent"
                counts["late"] += 1
            else:
                counts["ahead"] += 1
        return counts

    async def reported_late(self) -> int:
        """How many orders the Cockpit says are late."""
        reader = self.world.cockpit.services.get(PlanReader)
        filter_ = PlanFilter(controller_ids=[CONTROLLER_ID], states=[PLANNED_STATE], late=True)
        return len(await reader.select(filter_, self.clock.now))
