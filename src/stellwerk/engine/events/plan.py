"""Events of plans (orders spec 6.8). The key is a PlanId; that of PlanSchemaChanged the schema's id."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec


class _PlanEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    pass


class PlanSchemaChanged(_PlanEvent, frozen=True, kw_only=True):
    #: Seconds.
    finished_plan_retention_period: int | Decimal | None = None
    named_values: dict[str, Any] | None = None


class PlanOpened(_PlanEvent, frozen=True, kw_only=True):
    pass


class PlanClosed(_PlanEvent, frozen=True, kw_only=True):
    pass


class PlanFinished(_PlanEvent, frozen=True, kw_only=True):
    """It was closed, and its last order is gone. `at` in epoch milliseconds."""

    at: int


class PlanDeleted(_PlanEvent, frozen=True, kw_only=True):
    pass


AnyPlanEvent = PlanSchemaChanged | PlanOpened | PlanClosed | PlanFinished | PlanDeleted
