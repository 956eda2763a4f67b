"""Schedules: local time, admission times, cycles, order days (workflow spec 7). Pure."""

from stellwerk.language.schedules.admission import AdmissionTimeScheme
from stellwerk.language.schedules.cycle import (
    ChangeCycleState,
    EndCycling,
    KeepWaiting,
    Schedule,
    StartCycle,
)
from stellwerk.language.schedules.local_time import time_zone, to_instant, to_local
from stellwerk.language.schedules.periods import Interval, Period, stays_in_production_day

__all__ = [
    "AdmissionTimeScheme",
    "ChangeCycleState",
    "EndCycling",
    "Interval",
    "KeepWaiting",
    "Period",
    "Schedule",
    "StartCycle",
    "stays_in_production_day",
    "time_zone",
    "to_instant",
    "to_local",
]
