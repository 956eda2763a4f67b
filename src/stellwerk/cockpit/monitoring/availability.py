"""Times in which a component was there → what the API says of a range of time (cockpit-services 6.4). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec


class Period(msgspec.Struct, frozen=True):
    """`end` None: it is still there. `is_known` False: the end is the last that was heard of it."""

    begin: int
    end: int | None
    is_known: bool = True
    message: str | None = None


def entries(periods: Sequence[Period], first: int, end: int, now_ms: int) -> dict[str, Any]:
    """The periods (in the order of time) cut to the range, their sum in milliseconds and its share in percent."""
    found: list[dict[str, Any]] = []
    total = 0
    for number, period in enumerate(periods):
        # One that never ended, but was followed by another, ended then at the latest.
        following = periods[number + 1].begin if number + 1 < len(periods) else now_ms
        until = min(period.end if period.end is not None else following, following)
        begin, stop = max(period.begin, first), min(until, end)
        if stop <= begin:
            continue
        total += stop - begin
        entry: dict[str, Any] = {
            "readyTime": _text(begin),
            "lastKnownTime": _text(stop),
            "totalRunningTime": stop - begin,
            "isRunning": period.end is None and number + 1 == len(periods) and end >= now_ms,
        }
        if period.end is not None and period.end <= end:
            entry["shutdownTime" if period.is_known and period.message is None else "lostTime"] = _text(period.end)
        if period.message is not None:
            entry["message"] = period.message
        found.append(entry)
    share = round(100 * total / (end - first), 2) if end > first else 0.0
    return {"entries": found, "totalRunningTime": total, "availability": share}


def _text(milliseconds: int) -> str:
    instant = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
