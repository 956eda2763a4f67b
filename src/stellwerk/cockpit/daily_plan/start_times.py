"""When a planned order shall start instead: `scheduledFor` of changes (cockpit-services 4.7). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.start_times import scheduled_for_ms
from stellwerk.language.calendars.local_days import LocalDay
from stellwerk.language.schedules.local_time import time_zone, to_local
from stellwerk.values.problems import ProblemError

_CURRENT = re.compile(r"cur\s*([+-])\s*(?:(\d{1,9})|(\d{1,6}):(\d{1,2})(?::(\d{1,2}))?)\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class NewStart(NamedTuple):
    """`of(present start)` is the start, in milliseconds since the epoch."""

    of: Callable[[int], int]
    is_relative: bool = False
    #: Another date, the same time of day.
    date: date | None = None
    is_now: bool = False


def new_start(text: str, zone: str | None, now_ms: int) -> NewStart:
    """Of `2026-01-31 12:00:00` (in `zone`, default UTC), `now`, `now + 3600`, `now + 01:00`, `never`, `cur - 00:30`,
    `2026-01-31` (the same time of day). Raises `BadRequest` for other forms."""
    text = text.strip()
    current = _CURRENT.match(text)
    if current is not None:
        sign, plain, hours, minutes, seconds = current.groups()
        total = int(plain) if plain is not None else int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
        offset = (-total if sign == "-" else total) * 1000
        return NewStart(lambda start: start + offset, is_relative=True)
    if _DATE.match(text):
        day = plan_date(text, "scheduledFor")
        local = _zone(zone)
        return NewStart(
            lambda start: LocalDay(local, day.toordinal()).instant(to_local(start, local) // 1000 % 86400), date=day
        )
    if text.startswith("cur"):
        raise BadRequest(f"scheduledFor '{text}' is not understood: give 'cur + HH:mm:ss' or 'cur - <seconds>'")
    instant = scheduled_for_ms(text, now_ms, zone)
    return NewStart(lambda start: now_ms if instant is None else instant, is_now=instant is None)


def plan_date(text: str, name: str) -> date:
    """Raises `BadRequest` for what is no date `yyyy-MM-dd`."""
    try:
        if not _DATE.match(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}: '{text}' is no date; give e.g. 2026-01-31") from None


def _zone(name: str | None) -> ZoneInfo:
    try:
        return time_zone(name or "Etc/UTC")
    except ProblemError as error:
        raise BadRequest(f"timeZone: {error.problem}") from None
