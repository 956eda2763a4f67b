"""Admission times of orders and jobs (workflow spec 4.6)."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from stellwerk.language.schedules import AdmissionTimeScheme, time_zone
from stellwerk.language.workflow import Workflow


def zone_of(workflow: Workflow) -> ZoneInfo:
    """The workflow's zone. Raises `ProblemError` when it is unknown here."""
    return time_zone(workflow.definition.time_zone)


def order_day_of(order_id: str) -> date | None:
    """The date of an id like `#2025-06-01#…`; None for ids of another form."""
    if len(order_id) < 12 or order_id[0] != "#" or order_id[11] != "#":
        return None
    try:
        return date.fromisoformat(order_id[1:11])
    except ValueError:
        return None


def is_without_period_start(order_id: str, scheme: AdmissionTimeScheme) -> bool:
    """Does no period of the scheme start on the order's day? Never for order ids without a day."""
    day = order_day_of(order_id)
    return day is not None and not scheme.has_period_start_on(day)
