"""Periods to start times (services spec 3.4 and 3.6). Pure.

Each period yields wall times for a date; these are placed on the clock of the time zone. What the clock does in spring
and autumn is met twice: by a cycle, which steps in elapsed time and yields what the clock shows, and by each wall time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from stellwerk.language.calendars.local_days import LocalDay, local_day
from stellwerk.language.calendars.model import Period
from stellwerk.language.calendars.wall_times import DAY_SECONDS, duration, single_start, time_of_day
from stellwerk.language.reader import Reader
from stellwerk.values.problems import ProblemError


class Cycle(NamedTuple):
    """Wall times in seconds, and seconds between two starts."""

    begin: int
    end: int
    repeat: int

    def walls(self, day: LocalDay) -> Iterator[int]:
        if self.repeat in (0, DAY_SECONDS):
            return
        if day.is_even:
            yield from range(self.begin, self.end, self.repeat)
            return
        for instant in range(day.instant(self.begin), day.instant(self.end), self.repeat * 1000):
            yield day.wall(instant)


class Wall(NamedTuple):
    """A start on the clock, and by which period."""

    seconds: int
    is_cyclic: bool
    period: Period


class StartTimes:
    """The periods of one assignment, understood."""

    def __init__(self, periods: Sequence[Period], path: str = "$.periods") -> None:
        """Raises `ReadError` with all that is wrong."""
        reader = Reader()
        self._parts = _parts(periods, path, reader)
        reader.result(None)
        self._even: tuple[Wall, ...] | None = None

    def walls(self, day: LocalDay) -> tuple[Wall, ...]:
        """In the order of the periods; the first one that has a wall time keeps it."""
        if not day.is_even:
            return self._walls(day)
        if self._even is None:
            self._even = self._walls(day)
        return self._even

    def _walls(self, day: LocalDay) -> tuple[Wall, ...]:
        found: dict[int, Wall] = {}
        for part, period in self._parts:
            is_cyclic = isinstance(part, Cycle)
            for seconds in part.walls(day) if isinstance(part, Cycle) else (part,):
                found.setdefault(seconds, Wall(seconds, is_cyclic, period))
        return tuple(found.values())

    def instants(self, zone: str, plan_date: int, dates: Iterable[int], period_begin: int) -> dict[int, Wall]:
        """The starts of dates (ordinals, as the calendar yields them) that lie in the plan's day.

        The plan's day begins on `plan_date` at the wall time `period_begin` in the zone and ends a day later at the
        same wall time; where the clock leaps over its begin, at the wall time to which it is moved. Keys are
        milliseconds since the epoch. Of two wall times that become one instant the later one of the list stays.
        Raises `ProblemError` for an unknown time zone.
        """
        plan_day, next_day = local_day(zone, plan_date), local_day(zone, plan_date + 1)
        begin = plan_day.instant(period_begin)
        end = next_day.instant(plan_day.wall(begin))
        found: dict[int, Wall] = {}
        is_passed_over = False
        for ordinal in dates:
            if is_passed_over:
                is_passed_over = False
                continue
            day = local_day(zone, ordinal)
            # Early in the morning of the plan's date still belongs to the day before, and so moves to the next morning.
            is_movable = is_passed_over = ordinal == plan_date and period_begin != 0
            for wall in self.walls(day):
                instant = day.instant(wall.seconds)
                if is_movable and not begin <= instant < end:
                    instant = next_day.instant(wall.seconds)
                if begin <= instant < end:
                    found[instant] = wall
                    is_passed_over = True
        return found


def check_periods(periods: Sequence[Period], path: str, reader: Reader) -> None:
    """The reader gets all that is wrong."""
    _parts(periods, path, reader)


def _parts(periods: Sequence[Period], path: str, reader: Reader) -> list[tuple[int | Cycle, Period]]:
    """Single starts and cycles in their order. A cycle needs `repeat`; absent and empty are the same."""
    found: list[tuple[int | Cycle, Period]] = []
    for index, period in enumerate(periods):
        here = f"{path}[{index}]"
        if period.single_start:
            found.append((_seconds(single_start, period.single_start, 0, f"{here}.singleStart", reader), period))
        if period.repeat:
            begin = _seconds(time_of_day, period.begin, 0, f"{here}.begin", reader)
            end = _seconds(time_of_day, period.end, DAY_SECONDS, f"{here}.end", reader)
            found.append((Cycle(begin, end, _seconds(duration, period.repeat, 0, f"{here}.repeat", reader)), period))
    return found


def _seconds(parse: Callable[[str], int], text: str | None, default: int, path: str, reader: Reader) -> int:
    if not text:
        return default
    try:
        return parse(text)
    except ProblemError as error:
        reader.problem(path, error.problem)
        return default
