"""`stellwerk plan`, `plan diff`, `calendar`, `schedule`: what starts when, of the Cockpit or of files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from stellwerk.author.plan_files import PlanObjects, Start, difference, read_files, released
from stellwerk.cli.output import CommandError, print_json, print_table, time_text
from stellwerk.cli.rest import Cockpit
from stellwerk.language.calendars import resolve
from stellwerk.language.reader import ReadError
from stellwerk.values.problems import ProblemError

#: Days that are shown if no end is given.
DEFAULT_DAYS = 30
_MAXIMUM_DAYS = 3700


def days(first: str | None, last: str | None) -> tuple[date, date]:
    """Both included; absent: today, and 30 days on. Raises `CommandError`."""
    try:
        begin = date.fromisoformat(first) if first else datetime.now(UTC).date()
        end = date.fromisoformat(last) if last else begin + timedelta(days=DEFAULT_DAYS - 1)
    except ValueError as error:
        raise CommandError(f"{error}", "write dates as 2026-01-31", 2) from error
    if not 0 <= (end - begin).days <= _MAXIMUM_DAYS:
        raise CommandError(f"from {begin} to {end} are no days, or too many", "let --to be after --from", 2)
    return begin, end


def of_files(paths: Sequence[Path]) -> PlanObjects:
    """Raises `CommandError` for what does not exist or cannot be read."""
    try:
        found = read_files(paths)
    except FileNotFoundError as error:
        raise CommandError(f"{error} does not exist", "name files, or folders that hold them", 2) from error
    except ProblemError as error:
        raise CommandError(str(error.problem), "correct the file", 1) from error
    if not found.schedules and not found.working and not found.non_working:
        raise CommandError("there are no schedules or calendars here", "*.schedule.json, *.calendar.json", 2)
    return found


def starts_of(objects: PlanObjects, first: date, last: date) -> list[Start]:
    try:
        return objects.starts(first, last)
    except ProblemError as error:
        raise CommandError(str(error.problem), "correct the schedule or its calendars") from error


# --- plan -------------------------------------------------------------------------------------------------------------


def plan_of_files(paths: Sequence[Path], first: date, last: date, as_json: bool) -> None:
    """What the schedules of files would start."""
    _print_starts(starts_of(of_files(paths), first, last), first, last, as_json)


async def plan(cockpit: Cockpit, first: date, last: date, as_json: bool) -> None:
    """The Cockpit's projection: what is planned, and what will be."""
    answer = await cockpit.post("daily_plan/projections/dates", {"dateFrom": str(first), "dateTo": str(last)})
    if not answer["years"]:
        # Nothing has been computed yet, or a run was long ago.
        await cockpit.post("daily_plan/projections/recreate")
        answer = await cockpit.post("daily_plan/projections/dates", {"dateFrom": str(first), "dateTo": str(last)})
    by_day = {
        day: shown for months in answer["years"].values() for dates in months.values() for day, shown in dates.items()
    }
    if as_json:
        print_json({"computed": answer["surveyDate"], "dates": by_day})
        return
    counts = {date.fromisoformat(day): shown.get("numOfOrders", 0) for day, shown in by_day.items()}
    rows = [
        (day, _period_text(item["period"]), item["schedule"], item["scheduleOrderName"], item["workflow"], state)
        for day, shown in sorted(by_day.items())
        for state in ["planned" if shown["planned"] else "forecast"]
        for item in shown.get("periods", ())
    ]
    print_table(("Date", "Start", "Schedule", "Order", "Workflow", ""), rows, "nothing starts")
    _print_months(counts, first, last)


async def plan_difference(cockpit: Cockpit, paths: Sequence[Path], first: date, last: date, as_json: bool) -> None:
    """What the Cockpit's released schedules would start differently with the objects of files in their places."""
    known = await cockpit.post("schedules", {"controllerId": cockpit.target.controller_id})
    calendars = await cockpit.post("calendars")
    try:
        old = released(known["schedules"], calendars["calendars"])
    except ReadError as error:
        raise CommandError(f"what is released cannot be read: {error}") from error
    print_difference(old, old.overlaid(of_files(paths)), first, last, as_json)


def print_difference(old: PlanObjects, new: PlanObjects, first: date, last: date, as_json: bool) -> None:
    changes = difference(starts_of(old, first, last), starts_of(new, first, last))
    if as_json:
        print_json({"changes": [{"change": sign, **_json(start)} for sign, start in changes]})
        return
    rows = [(sign, *_cells(start)) for sign, start in changes]
    print_table(("", "Date", "Start", "Schedule", "Order", "Workflow"), rows, "nothing changes")


# --- calendar, schedule -----------------------------------------------------------------------------------------------


def calendar_of_file(file: Path, folders: Sequence[Path], first: date, last: date, as_json: bool) -> None:
    """The dates of a calendar's file; calendars that it excludes are looked for beside it and in `folders`."""
    own = of_files([file])
    found = {**own.working, **own.non_working}
    if len(found) != 1:
        raise CommandError(f"{file} is no calendar", "name a file *.calendar.json", 2)
    others = of_files([file.parent, *folders]).non_working
    try:
        [calendar] = found.values()
        resolution = resolve(calendar, str(first), str(last), today=first, non_working_day_calendars=others)
    except ProblemError as error:
        raise CommandError(f"{file}: {error.problem}", "correct the file") from error
    _print_dates(resolution.dates, resolution.with_excludes, first, last, as_json)


async def calendar(cockpit: Cockpit, name: str, first: date, last: date, as_json: bool) -> None:
    """The dates of a released calendar."""
    answer = await cockpit.post("calendar/dates", {"path": name, "dateFrom": str(first), "dateTo": str(last)})
    dates, excluded = (tuple(map(date.fromisoformat, answer[key])) for key in ("dates", "withExcludes"))
    _print_dates(dates, excluded, first, last, as_json)


def schedule_of_file(file: Path, folders: Sequence[Path], first: date, last: date, as_json: bool) -> None:
    """The start times of a schedule's file; its calendars are looked for beside it and in `folders`."""
    own = of_files([file])
    if len(own.schedules) != 1:
        raise CommandError(f"{file} is no schedule", "name a file *.schedule.json", 2)
    all_ = of_files([file.parent, *folders])
    objects = PlanObjects(own.schedules, all_.working, all_.non_working)
    _print_starts(starts_of(objects, first, last), first, last, as_json)


async def schedule(cockpit: Cockpit, name: str, first: date, last: date, as_json: bool) -> None:
    """The start times of a released schedule."""
    selector = {"schedulePaths": [name]}
    known = await cockpit.post("schedules", {"controllerId": cockpit.target.controller_id, "selector": selector})
    if not known["schedules"]:
        raise CommandError(f"there is no released schedule {name!r}", "name one by path or name, or give a file")
    calendars = await cockpit.post("calendars")
    try:
        objects = released(known["schedules"], calendars["calendars"])
    except ReadError as error:
        raise CommandError(f"what is released cannot be read: {error}") from error
    _print_starts(starts_of(objects, first, last), first, last, as_json)


# --- output -----------------------------------------------------------------------------------------------------------


def _json(start: Start) -> dict[str, Any]:
    at = datetime.fromtimestamp(start.at / 1000, UTC)
    return {
        "date": str(start.plan_date),
        "start": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "schedule": start.schedule,
        "orderName": start.order_name,
        "workflow": start.workflow,
        "cyclic": start.is_cyclic,
    }


def _cells(start: Start) -> tuple[str, ...]:
    return str(start.plan_date), time_text(start.at), start.schedule, start.order_name, start.workflow


def _print_starts(starts: Sequence[Start], first: date, last: date, as_json: bool) -> None:
    if as_json:
        print_json({"starts": [_json(start) for start in starts]})
        return
    rows = map(_cells, starts)
    print_table(("Date", "Start", "Schedule", "Order", "Workflow"), rows, "nothing starts")
    _print_months(Counter(start.plan_date for start in starts), first, last)


def _print_dates(dates: Iterable[date], excluded: Iterable[date], first: date, last: date, as_json: bool) -> None:
    if as_json:
        print_json({"dates": [str(day) for day in dates], "withExcludes": [str(day) for day in excluded]})
        return
    _print_months(dict.fromkeys(dates, None), first, last, excluded=set(excluded))


def _period_text(period: Mapping[str, Any]) -> str:
    if "singleStart" in period:
        return time_text(period["singleStart"])
    repeat = period.get("repeat")
    text = str(timedelta(seconds=repeat)) if isinstance(repeat, int) else str(repeat)
    return f"{period.get('begin') or '00:00:00'} to {period.get('end') or '24:00:00'} every {text}"


def _print_months(
    marked: Mapping[date, int | None], first: date, last: date, *, excluded: set[date] | None = None
) -> None:
    """Each month as a table from Monday to Sunday: marked days with their counts, `x` for those that are excluded."""
    month = first.replace(day=1)
    while month <= last:
        following = (month + timedelta(days=31)).replace(day=1)
        print(f"\n{month:%B %Y}")
        print("  ".join(f"{name:>7}" for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")))
        cells = [" " * 7] * month.weekday()
        for number in range((following - month).days):
            day = month + timedelta(days=number)
            cells.append(_cell(day, marked, excluded or set(), is_asked=first <= day <= last))
        for start in range(0, len(cells), 7):
            print("  ".join(cells[start : start + 7]).rstrip())
        month = following


def _cell(day: date, marked: Mapping[date, int | None], excluded: set[date], *, is_asked: bool) -> str:
    if not is_asked:
        return f"{'.':>7}"
    if day in excluded:
        return f"{day.day} x".rjust(7)
    count = marked.get(day, 0)
    if count is None:
        return f"[{day.day}]".rjust(7)
    return (f"{day.day}:{count}" if count else f"{day.day}  ").rjust(7)
