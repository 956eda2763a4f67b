"""The schedule of a Cycle instruction: when its cycles start (workflow spec 7.4). Times in epoch milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from stellwerk.language.positions import CycleState
from stellwerk.language.reader import INVALID, DurationMs, Reader
from stellwerk.language.schedules.admission import AdmissionTimeScheme
from stellwerk.language.schedules.local_time import DAY_MS, to_instant, to_local
from stellwerk.language.schedules.periods import Interval

#: `CycleState.scheme_index` before the first cycle.
INITIAL_INDEX = -1
#: No zone changes its clock by more at once.
_LONGEST_SHIFT_MS = DAY_MS + DAY_MS // 24


class Periodic(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Periodic"):
    """At fixed times of the local clock: `k * period + offset`."""

    period_ms: DurationMs = msgspec.field(name="period")
    offsets_ms: tuple[DurationMs, ...] = msgspec.field(name="offsets")

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        repeat = reader.read_struct(cls, value, path)
        if repeat is INVALID:
            return INVALID
        if repeat.period_ms <= 0:
            return reader.problem(f"{path}.period", "must be a positive number of seconds")
        offsets = sorted(repeat.offsets_ms)
        if not offsets or len(set(offsets)) != len(offsets) or offsets[0] < 0 or offsets[-1] >= repeat.period_ms:
            return reader.problem(f"{path}.offsets", "different offsets from 0 to less than the period are expected")
        return replace(repeat, offsets_ms=tuple(offsets))

    def next(self, interval: Interval, state: CycleState, now: int, is_first: bool, zone: ZoneInfo) -> int | None:
        last = max(state.next, interval.start)
        passed = [
            time
            for time in self._times(zone, now - self.period_ms, now)
            if time <= now and (time >= last if is_first else time > last)
        ]
        if passed:
            return max(passed)
        begin = max(now, last)
        coming = [
            time
            for time in self._times(zone, begin, begin + self.period_ms)
            if time > now and (time >= last if is_first else time > last)
        ]
        return min(coming, default=None)

    def _times(self, zone: ZoneInfo, begin: int, end: int) -> Iterator[int]:
        """The instants of the grid from `begin` to `end`, and some around."""
        around = (begin - _LONGEST_SHIFT_MS, begin, end, end + _LONGEST_SHIFT_MS)
        differences = {to_local(time, zone) - time for time in around}
        shift = max(differences) - min(differences)
        low, high = to_local(begin, zone) - shift, to_local(end, zone) + shift
        for base in range(low // self.period_ms * self.period_ms, high + 1, self.period_ms):
            for offset in self.offsets_ms:
                if low <= base + offset <= high:
                    yield to_instant(base + offset, zone)


class Ticking(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Ticking"):
    """At equal distances from the start of the period; missed ticks are skipped."""

    interval_ms: DurationMs = msgspec.field(name="interval")

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        repeat = reader.read_struct(cls, value, path)
        if repeat is not INVALID and repeat.interval_ms <= 0:
            return reader.problem(f"{path}.interval", "must be a positive number of seconds")
        return repeat

    def next(self, interval: Interval, state: CycleState, now: int, is_first: bool, zone: ZoneInfo) -> int | None:
        last = max(state.next, interval.start)
        ticks = (now - last) // self.interval_ms
        if ticks > 0:
            return last + ticks * self.interval_ms
        return last if is_first else last + self.interval_ms

    def skipped(self, next_ms: int, now: int) -> int:
        """The time that has been missed, as a multiple of the interval."""
        return max(0, (now - next_ms) // self.interval_ms) * self.interval_ms


class Continuous(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Continuous"):
    """Again and again, with a pause after the end of each cycle; at most `limit` times in an admission period."""

    pause_ms: DurationMs = msgspec.field(name="pause")
    limit: int | None = None

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        repeat = reader.read_struct(cls, value, path)
        if repeat is INVALID:
            return INVALID
        if repeat.pause_ms < 0:
            return reader.problem(f"{path}.pause", "must not be negative")
        if repeat.limit is not None and repeat.limit < 0:
            return reader.problem(f"{path}.limit", "must not be negative")
        if repeat.pause_ms == 0 and repeat.limit is None:
            return reader.problem(path, "Continuous needs a pause or a limit")
        return repeat

    def next(self, interval: Interval, state: CycleState, now: int, is_first: bool, zone: ZoneInfo) -> int | None:
        if self.limit is not None and (0 if is_first else state.index) >= self.limit:
            return None
        time = max(now, interval.start) + (0 if is_first else self.pause_ms)
        return 0 if time <= now else time


Repeat = Periodic | Ticking | Continuous


class Scheme(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    admission_time_scheme: AdmissionTimeScheme
    repeat: Repeat


class KeepWaiting(msgspec.Struct, frozen=True):
    pass


class StartCycle(msgspec.Struct, frozen=True):
    skipped_ms: int = 0


class ChangeCycleState(msgspec.Struct, frozen=True):
    cycle_state: CycleState


class EndCycling(msgspec.Struct, frozen=True):
    pass


Due = KeepWaiting | StartCycle | ChangeCycleState | EndCycling


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """See the module."""

    schemes: tuple[Scheme, ...]

    def initial_state(self, start: int, end: int) -> CycleState:
        """For the order day `start` to `end`."""
        return CycleState(end=end, scheme_index=INITIAL_INDEX, period_index=INITIAL_INDEX, index=0, next=start)

    def next_state(
        self, state: CycleState, now: int, zone: ZoneInfo, offset_ms: int, only_one_period: bool = False
    ) -> CycleState | None:
        """The state for the next cycle; None when there is none any more."""
        best: tuple[int, int, int] | None = None
        for index, scheme in enumerate(self.schemes):
            for interval, period in scheme.admission_time_scheme.intervals(zone, now, state.end, offset_ms):
                is_first = (index, period) != (state.scheme_index, state.period_index)
                time = scheme.repeat.next(interval, state, now, is_first, zone)
                if time is not None and time < min(state.end, interval.end) and (best is None or time < best[0]):
                    best = (time, index, period)
                # Later intervals of this scheme cannot be earlier than what is found now.
                if best is not None and interval.start > best[0] > 0:
                    break
        if best is None:
            return None
        time, index, period = best
        is_initial = state.scheme_index == INITIAL_INDEX
        has_changed = not is_initial and (index, period) != (state.scheme_index, state.period_index)
        if has_changed and only_one_period:
            return None
        return replace(
            state, scheme_index=index, period_index=period, index=1 if has_changed else state.index + 1, next=time
        )

    def on_due(self, state: CycleState, now: int, zone: ZoneInfo, offset_ms: int, only_one_period: bool = False) -> Due:
        """What to do when the time of a prepared cycle may have come."""
        scheme = self.schemes[state.scheme_index] if 0 <= state.scheme_index < len(self.schemes) else None
        if scheme is not None:
            skipped = scheme.repeat.skipped(state.next, now) if isinstance(scheme.repeat, Ticking) else 0
            if now < state.next + skipped:
                return KeepWaiting()
            if scheme.admission_time_scheme.is_permitted(zone, now, offset_ms):
                return StartCycle(skipped)
        changed = self.next_state(state, now, zone, offset_ms, only_one_period)
        return EndCycling() if changed is None else ChangeCycleState(changed)
