"""The daily plan: which orders schedules start on which day (services spec 4). Pure: no clock, no database.

Must not know: Controllers, what has been planned before, who may see what.
"""

from stellwerk.language.daily_plan.order_ids import OrderGroup, main_part, order_groups, with_number
from stellwerk.language.daily_plan.plan import DailyPlan, DayOfSchedule, PlannedOrder, SchedulePlan
from stellwerk.language.daily_plan.registry import Calendars
from stellwerk.language.daily_plan.schedule import (
    Assignment,
    OrderParameterisation,
    Schedule,
    read_schedule,
    schedule_problems,
)
from stellwerk.language.daily_plan.settings import PlanSettings

__all__ = [
    "Assignment",
    "Calendars",
    "DailyPlan",
    "DayOfSchedule",
    "OrderGroup",
    "OrderParameterisation",
    "PlanSettings",
    "PlannedOrder",
    "Schedule",
    "SchedulePlan",
    "main_part",
    "order_groups",
    "read_schedule",
    "schedule_problems",
    "with_number",
]
