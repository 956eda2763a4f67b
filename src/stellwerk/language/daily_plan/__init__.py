"""The daily plan: which orders schedules start on which day (services spec 4). Pure: no clock, no database.

Must not know: Controllers, what has been planned before, who may see what.
"""

from stellwerk.language.daily_plan.plan import DailyPlan, DayOfSchedule, PlannedOrder, SchedulePlan
from stellwerk.language.daily_plan.registry import Calendars
from stellwerk.language.daily_plan.schedule import (
    Assignment,
    OrderParameterisation,
    Schedule,
    read_schedule,
    schedule_problems,
)

__all__ = [
    "Assignment",
    "Calendars",
    "DailyPlan",
    "DayOfSchedule",
    "OrderParameterisation",
    "PlannedOrder",
    "Schedule",
    "SchedulePlan",
    "read_schedule",
    "schedule_problems",
]
