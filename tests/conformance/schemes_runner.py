"""Runs one vector of `data/schemes*.jsonl` against `stellwerk.language.schedules` (CONFORMANCE.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from stellwerk.language.positions import CycleState
from stellwerk.language.reader import INVALID, Reader
from stellwerk.language.schedules import (
    AdmissionTimeScheme,
    ChangeCycleState,
    EndCycling,
    Interval,
    KeepWaiting,
    Period,
    Schedule,
    StartCycle,
    stays_in_production_day,
    time_zone,
)
from stellwerk.language.schedules.cycle import Repeat

Case = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ms(text: str) -> int:
    """An instant, or a local time as if it were UTC."""
    return (datetime.fromisoformat(text.replace("Z", "")).replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def _interval(value: Any) -> Any:
    return None if value is None else [_ms(value["start"]), value["duration"]]


def _shown(interval: Interval | None) -> Any:
    return None if interval is None else [interval.start, interval.duration / 1000]


def _read(type_: Any, value: Any) -> Any:
    reader = Reader()
    return reader.result(reader.read(type_, value, "$"))


def _is_valid(type_: Any, value: Any) -> bool:
    return Reader().read(type_, value, "$") is not INVALID


def _state(value: dict[str, Any]) -> CycleState:
    return CycleState(
        end=_ms(value["end"]),
        scheme_index=value["schemeIndex"],
        period_index=value["periodIndex"],
        index=value["index"],
        next=_ms(value["next"]),
    )


def _state_members(state: CycleState) -> dict[str, int]:
    return {
        "schemeIndex": state.scheme_index,
        "periodIndex": state.period_index,
        "index": state.index,
        "next": state.next,
    }


def _offset(case: Case) -> int:
    return int(case.get("dateOffset", 0) * 1000)


def _scheme(case: Case) -> AdmissionTimeScheme:
    scheme: AdmissionTimeScheme = _read(AdmissionTimeScheme, case["scheme"])
    return scheme


def _found(case: Case, found: Any) -> tuple[Any, Any]:
    actual = [[item.period_index, *_shown(item.interval)] for item in found]
    return actual, [[item["periodIndex"], *_interval(item)] for item in case["result"]]


def _find_local_interval(case: Case) -> tuple[Any, Any]:
    return _shown(_scheme(case).local_interval(_ms(case["from"]), _offset(case))), _interval(case["result"])


def _find_local_intervals(case: Case) -> tuple[Any, Any]:
    return _found(case, _scheme(case).local_intervals(_ms(case["from"]), _ms(case["until"]), _offset(case)))


def _find_time_interval(case: Case) -> tuple[Any, Any]:
    found = _scheme(case).interval(time_zone(case["zone"]), _ms(case["from"]), _offset(case))
    return _shown(found), _interval(case["result"])


def _find_time_intervals(case: Case) -> tuple[Any, Any]:
    zone = time_zone(case["zone"])
    return _found(case, _scheme(case).intervals(zone, _ms(case["from"]), _ms(case["until"]), _offset(case)))


def _find_long_time_interval(case: Case) -> tuple[Any, Any]:
    limit = {} if case.get("limit") is None else {"limit_ms": int(case["limit"] * 1000)}
    found = _scheme(case).long_interval(time_zone(case["zone"]), _ms(case["from"]), _offset(case), **limit)
    return _shown(found), _interval(case["result"])


def _is_permitted(case: Case) -> tuple[Any, Any]:
    return _scheme(case).is_permitted(time_zone(case["zone"]), _ms(case["at"]), _offset(case)), case["result"]


def _admission_at(case: Case) -> tuple[Any, Any]:
    at = _ms(case["at"])
    interval = _scheme(case).interval(time_zone(case["zone"]), at, _offset(case))
    is_admitted = interval is not None and interval.contains(at)
    expected = case["result"]
    actual = {"admitted": is_admitted, "next": None if is_admitted else _shown(interval)}
    return actual, {"admitted": expected["admitted"], "next": _interval(expected.get("next"))}


def _has_period_start(case: Case) -> tuple[Any, Any]:
    return _scheme(case).has_period_start_on(date.fromisoformat(case["date"]), _offset(case)), case["result"]


def _schedule(case: Case) -> Schedule:
    schedule: Schedule = _read(Schedule, case["schedule"])
    return schedule


def _next_cycle_state(case: Case) -> tuple[Any, Any]:
    zone = time_zone(case["zone"])
    found = _schedule(case).next_state(_state(case["cycleState"]), _ms(case["now"]), zone, _offset(case))
    expected = case["result"]
    return found, None if expected is None else _state(expected)


def _on_due(case: Case) -> tuple[Any, Any]:
    zone = time_zone(case["zone"])
    due = _schedule(case).on_due(_state(case["cycleState"]), _ms(case["now"]), zone, _offset(case))
    expected = case["result"]
    match expected["do"]:
        case "KeepWaiting":
            return due, KeepWaiting()
        case "StartCycle":
            return due, StartCycle(int(expected.get("skipped", 0) * 1000))
        case "ChangeCycleState":
            return due, ChangeCycleState(_state(expected["cycleState"]))
    return due, EndCycling()


def _simulate_cycles(case: Case) -> tuple[Any, Any]:
    schedule, zone = _schedule(case), time_zone(case["zone"])
    now = _ms(case["start"])
    # The start itself is not served again: the state is that of a cycle of the first period, at `start`.
    state = CycleState(end=_ms(case["end"]), next=now)
    starts: list[int] = []
    while len(starts) < case["take"]:
        following = schedule.next_state(state, now, zone, _offset(case))
        if following is None:
            break
        state = following
        now = max(now, state.next)
        starts.append(now)
    return starts, [_ms(text) for text in case["result"]]


def _simulate_cycle_states(case: Case) -> tuple[Any, Any]:
    schedule, zone = _schedule(case), time_zone(case["zone"])
    now = _ms(case["start"])
    state = schedule.initial_state(now, _ms(case["end"]))
    found: list[Any] = []
    while True:
        following = schedule.next_state(state, now, zone, _offset(case), case["onlyOnePeriod"])
        if following is None:
            break
        state = following
        found.append({"arrival": now, **_state_members(state)})
        now = max(now, state.next) + int(case["cycleDuration"] * 1000)
    expected = [{**item, "arrival": _ms(item["arrival"]), "next": _ms(item["next"])} for item in case["result"]]
    return found, expected


def _stays(case: Case) -> tuple[Any, Any]:
    return stays_in_production_day(_read(Period, case["period"]), _offset(case)), case["result"]


_KINDS: Final[dict[str, Callable[[Case], tuple[Any, Any]]]] = {
    "findLocalInterval": _find_local_interval,
    "findLocalIntervals": _find_local_intervals,
    "findTimeInterval": _find_time_interval,
    "findTimeIntervals": _find_time_intervals,
    "findLongTimeInterval": _find_long_time_interval,
    "isPermitted": _is_permitted,
    "admissionAt": _admission_at,
    "hasPeriodStartForDay": _has_period_start,
    "nextCycleState": _next_cycle_state,
    "onNextCycleIsDue": _on_due,
    "simulateCycles": _simulate_cycles,
    "simulateCycleStates": _simulate_cycle_states,
    "validPeriod": lambda case: (_is_valid(Period, case["period"]), case["result"]),
    "validRepeat": lambda case: (_is_valid(Repeat, case["repeat"]), case["result"]),
    "staysInProductionDay": _stays,
}


def run(case: Case) -> str | None:
    """None if all is as expected, else the difference."""
    actual, expected = _KINDS[case["kind"]](case)
    if actual == expected:
        return None
    return f"expected {msgspec.to_builtins(expected)}, but it is {msgspec.to_builtins(actual)}"
