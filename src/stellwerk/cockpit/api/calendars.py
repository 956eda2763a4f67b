"""Released calendars and schedules, their dates and start times (cockpit-api 7, 8; cockpit-services 3), and national
holidays for the calendar editor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import regex
from sqlalchemy import select

from stellwerk.cockpit.api.errors import BadRequest, FolderDenied, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import REGEX_SECONDS, Folder
from stellwerk.cockpit.calendars.national_holidays import countries, national_holidays
from stellwerk.cockpit.daily_plan.sources import PlanSources
from stellwerk.cockpit.daily_plan.start_times import plan_date
from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_released_configurations
from stellwerk.cockpit.inventory.names import is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.calendars import read_calendar, resolve
from stellwerk.language.daily_plan import Calendars, SchedulePlan, read_schedule
from stellwerk.language.reader import ReadError
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

_CALENDARS = (ObjectType.WORKINGDAYSCALENDAR, ObjectType.NONWORKINGDAYSCALENDAR)
#: Days of one question for start times.
_MAXIMUM_DAYS = 3700


class CalendarsFilter(msgspec.Struct, rename="camel"):
    calendar_paths: list[str] = []
    compact: bool = False
    type: str | None = None
    regex: str | None = None
    folders: list[Folder] = []


class CalendarDatesFilter(msgspec.Struct, rename="camel"):
    calendar: Any = None
    id: int | None = None
    path: str | None = None
    date_from: str | None = None
    date_to: str | None = None


class Dates(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    dates: list[str]
    with_excludes: list[str]


class SchedulesSelector(msgspec.Struct, rename="camel"):
    controller_ids: list[str] = []
    schedule_paths: list[str] = []
    workflow_paths: list[str] = []
    folders: list[Folder] = []


class ScheduleSelector(msgspec.Struct, rename="camel"):
    controller_id: str
    selector: SchedulesSelector = msgspec.field(default_factory=SchedulesSelector)


class ScheduleRunTimeRequest(msgspec.Struct, rename="camel"):
    calendars: Any = None
    non_working_day_calendars: Any = None
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None


class HolidaysRequest(msgspec.Struct, rename="camel"):
    country: str
    first_year: int
    last_year: int | None = None
    subdivision: str | None = None
    language: str | None = None


async def calendars(context: RequestContext, request: CalendarsFilter) -> dict[str, Any]:
    """Released calendars by path."""
    types = _CALENDARS if not request.type else (_calendar_type(request.type),)
    rows = await released_objects(context, types, request.calendar_paths, request.folders)
    rows = _matching(request.regex, rows)
    items = []
    for row in rows:
        content = decode(row.content)
        item = {"id": row.cid, "path": row.path, "name": row.name, "type": ObjectType(row.type).name}
        shown = ("title", "from", "to") if request.compact else tuple(content)
        items.append({name: content[name] for name in shown if content.get(name) is not None} | item)
    return {"deliveryDate": timestamp(context.now_ms()), "calendars": items}


async def released_dates(context: RequestContext, request: CalendarDatesFilter) -> Dates:
    """The dates of a released calendar, or of one that is given."""
    return await _dates(context, request, inv_released_configurations)


async def draft_dates(context: RequestContext, request: CalendarDatesFilter) -> Dates:
    """The dates of a calendar as it stands in the inventory, or of one that is given."""
    return await _dates(context, request, inv_configurations)


async def _dates(context: RequestContext, request: CalendarDatesFilter, table: Any) -> Dates:
    content = request.calendar
    if content is None:
        if request.path is None and request.id is None:
            raise BadRequest("calendar object is undefined: give path, id or calendar")
        content = await _stored_calendar(context, request, table)
    others = await _non_working(context, table)
    today = datetime.fromtimestamp(context.now_ms() / 1000, UTC).date()
    try:
        found = resolve(
            read_calendar(content),
            request.date_from or None,
            request.date_to or None,
            today=today,
            non_working_day_calendars=others,
        )
    except ReadError as error:
        raise BadRequest(str(error)) from None
    return Dates(
        timestamp(context.now_ms()),
        [day.isoformat() for day in found.dates],
        [day.isoformat() for day in found.with_excludes],
    )


async def _stored_calendar(context: RequestContext, request: CalendarDatesFilter, table: Any) -> Any:
    wanted = (
        table.c.name == name_of(request.path)
        if request.path is not None
        else (table.c.cid if "cid" in table.c else table.c.id) == request.id
    )
    query = select(table.c.path, table.c.content).where(table.c.type.in_([int(item) for item in _CALENDARS]), wanted)
    async with context.database.read() as connection:
        row = (await connection.execute(query)).first()
    if row is None or row.content is None:
        raise ObjectNotFound(f"Couldn't find the calendar '{request.path or request.id}'")
    if not folder_permitted(context, row.path):
        raise FolderDenied(row.path)
    return decode(row.content)


async def _non_working(context: RequestContext, table: Any) -> dict[str, Any]:
    """Those that can be excluded: by name. One that cannot be read is as if it were not there."""
    query = select(table.c.name, table.c.content).where(
        table.c.type == int(ObjectType.NONWORKINGDAYSCALENDAR), table.c.content.is_not(None)
    )
    found: dict[str, Any] = {}
    async with context.database.read() as connection:
        for row in await connection.execute(query):
            try:
                found[row.name] = read_calendar(decode(row.content))
            except ReadError:
                continue  # who refers to it is told that it does not exist
    return found


async def schedules(context: RequestContext, request: ScheduleSelector) -> dict[str, Any]:
    """Released schedules by path."""
    selector = request.selector
    workflows = {name_of(path) for path in selector.workflow_paths}
    items = []
    for row in await released_objects(context, (ObjectType.SCHEDULE,), selector.schedule_paths, selector.folders):
        content = decode(row.content)
        if not workflows or workflows & set(content.get("workflowNames") or [content.get("workflowName")]):
            items.append(content | {"path": row.path, "name": row.name})
    return {"deliveryDate": timestamp(context.now_ms()), "schedules": items}


async def runtime(context: RequestContext, request: ScheduleRunTimeRequest) -> dict[str, Any]:
    """The start times of assignments of released calendars, date by date, as UTC instants.

    Differs from the plan as specified: a period without `whenHoliday` is suppressed on non-working days.
    """
    first = (
        plan_date(request.date_from, "dateFrom")
        if request.date_from
        else datetime.fromtimestamp(context.now_ms() / 1000, UTC).date()
    )
    last = plan_date(request.date_to, "dateTo") if request.date_to else date(first.year, 12, 31)
    if (last - first).days > _MAXIMUM_DAYS:
        raise BadRequest(f"more than {_MAXIMUM_DAYS} days are asked for: ask for less at once")
    known = await context.services.get(PlanSources).calendars(lambda path: folder_permitted(context, path))
    try:
        schedule = read_schedule(
            {
                "path": "/runtime",
                "workflowNames": ["runtime"],
                "calendars": [_suppressed(item, request.time_zone) for item in request.calendars or []],
                "nonWorkingDayCalendars": request.non_working_day_calendars or [],
            }
        )
    except ReadError as error:
        raise BadRequest(str(error)) from None
    return {"deliveryDate": timestamp(context.now_ms()), "dates": await _start_times(schedule, known, first, last)}


async def _start_times(schedule: Any, known: Calendars, first: date, last: date) -> dict[str, Any]:
    plan = SchedulePlan(schedule, known)
    dates: dict[str, Any] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        planned = plan.day(day, 0)
        if planned.problems:
            raise BadRequest("; ".join(f"{item.path}: {item.problem}" for item in planned.problems))
        periods: dict[Any, dict[str, Any]] = {}
        for order in planned.orders:
            start = timestamp(order.scheduled_for)
            if not order.is_cyclic:
                periods[order.scheduled_for] = {"singleStart": start}
                continue
            # A cycle is one period, from its first start to its end.
            period = order.period
            key = (order.assignment, encode(period))
            periods.setdefault(key, {"begin": start, "end": start, "repeat": period.repeat})["end"] = start
        if periods:
            dates[day.isoformat()] = {"periods": list(periods.values())}
        if number % 50 == 0:
            await asyncio.sleep(0)  # others get their turn
    return dates


def _suppressed(item: Any, zone: str | None) -> Any:
    if not isinstance(item, dict):
        return item
    periods = [
        {"whenHoliday": "SUPPRESS", **period} if isinstance(period, dict) else period
        for period in item.get("periods") or []
    ]
    return {**({"timeZone": zone} if zone else {}), **item, "periods": periods}


async def holiday_countries(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """Countries of which national holidays are known, with their regions."""
    known = await asyncio.to_thread(countries)
    items = [{"code": item.code, "subdivisions": list(item.subdivisions)} for item in known]
    return {"deliveryDate": timestamp(context.now_ms()), "countries": items}


async def holidays(context: RequestContext, request: HolidaysRequest) -> dict[str, Any]:
    """National holidays of whole years, to be stored in a calendar."""
    try:
        found = await asyncio.to_thread(
            national_holidays,
            request.country,
            request.first_year,
            request.last_year or request.first_year,
            subdivision=request.subdivision,
            language=request.language,
        )
    except ProblemError as error:
        raise BadRequest(str(error.problem)) from None
    items = [{"date": item.date.isoformat(), "name": item.name} for item in found]
    return {"deliveryDate": timestamp(context.now_ms()), "holidays": items}


async def released_objects(
    context: RequestContext, types: Iterable[ObjectType], paths: list[str], folders: list[Folder]
) -> list[Any]:
    """By path: those named, else those in the folders, else all; only what is permitted."""
    table = inv_released_configurations
    query = select(table).where(table.c.type.in_([int(item) for item in types])).order_by(table.c.path)
    names = {name_of(path) for path in paths}
    async with context.database.read() as connection:
        rows = list(await connection.execute(query))
    if names:
        rows = [row for row in rows if row.name in names]
    elif folders:
        choices = [(normalized(item.folder), item.recursive) for item in folders]
        rows = [row for row in rows if any(is_in_folder(row.path, folder, recursive=deep) for folder, deep in choices)]
    return [row for row in rows if folder_permitted(context, row.path)]


def _matching(pattern: str | None, rows: list[Any]) -> list[Any]:
    if not pattern:
        return rows
    try:
        compiled = regex.compile(pattern)
        return [row for row in rows if compiled.search(row.path, timeout=REGEX_SECONDS)]
    except regex.error as error:
        raise BadRequest(f"regex '{pattern}' is not valid: {error}") from None
    except TimeoutError:
        raise BadRequest(f"regex '{pattern}' takes too long") from None


def _calendar_type(text: str) -> ObjectType:
    type_ = ObjectType.of(text)
    if type_ not in _CALENDARS:
        raise BadRequest(f"type '{text}' is no type of calendars")
    return type_


def _reading(path: str, request: type, answer: Any, permission: str | None, handler: Any) -> Route:
    return Route(path, request, answer, permission, False, handler)


ROUTES = [
    _reading("/calendars", CalendarsFilter, dict[str, Any], "joc:calendars:view", calendars),
    _reading("/calendar/dates", CalendarDatesFilter, Dates, "joc:calendars:view", released_dates),
    _reading("/inventory/calendar/dates", CalendarDatesFilter, Dates, "joc:inventory:view", draft_dates),
    _reading("/schedules", ScheduleSelector, dict[str, Any], "ctl:orders:view", schedules),
    _reading("/schedule/runtime", ScheduleRunTimeRequest, dict[str, Any], None, runtime),
    _reading("/stellwerk/holidays/countries", NoRequest, dict[str, Any], "joc:inventory:view", holiday_countries),
    _reading("/stellwerk/holidays", HolidaysRequest, dict[str, Any], "joc:inventory:view", holidays),
]
