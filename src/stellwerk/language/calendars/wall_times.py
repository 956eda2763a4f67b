"""Times of day and durations as people write them in periods (services spec 3.4).

A wall time is a number: seconds since midnight on the clock, 86,400 is the end of the day.
"""

from __future__ import annotations

import re

from stellwerk.values.problems import ProblemError

DAY_SECONDS = 86_400
_TIME_OF_DAY = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d))?)?", re.ASCII)
_FROM_THE_RIGHT = re.compile(r"(?:(?:(\d\d?):)?(\d\d?):)?(\d\d?)", re.ASCII)


def time_of_day(text: str) -> int:
    """`HH`, `HH:MM` or `HH:MM:SS` up to `24:00:00`; after `+` parts count from the right. Raises `ProblemError`."""
    if text.startswith("+"):
        return duration(text[1:])
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise ProblemError(f"'{text}' must have the format HH:MM or HH:MM:SS")
    return _seconds(text, *found.groups(default="0"))


def single_start(text: str) -> int:
    """A time of day, but not the end of the day. Raises `ProblemError`."""
    seconds = time_of_day(text)
    if seconds == DAY_SECONDS:
        raise ProblemError(f"'{text}' is the end of the day: an order can only start until 23:59:59")
    return seconds


def duration(text: str) -> int:
    """Seconds of `SS`, `MM:SS` or `HH:MM:SS`, up to a day; parts may have one digit. Raises `ProblemError`."""
    found = _FROM_THE_RIGHT.fullmatch(text)
    if found is None:
        raise ProblemError(f"'{text}' must have the format HH:MM:SS, MM:SS or SS")
    return _seconds(text, *found.groups(default="0"))


def _seconds(text: str, hours: str, minutes: str, seconds: str) -> int:
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    if int(minutes) > 59 or int(seconds) > 59 or total > DAY_SECONDS:
        raise ProblemError(f"'{text}' is more than 24 hours, 59 minutes or 59 seconds")
    return total
