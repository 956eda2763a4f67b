"""Locks, calendars and file watches (workflow spec 8.1, 8.4, 8.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from stellwerk.language.expressions import quote_string
from stellwerk.language.expressions.java_date_elements import DateFormatError
from stellwerk.language.expressions.java_dates import check_pattern as check_date_pattern
from stellwerk.language.expressions.java_dates import parse_date
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.items.base import (
    Item,
    ItemKey,
    agent_key,
    calendar_key,
    check_expression,
    check_pattern,
    lock_key,
    order_watch_key,
    workflow_key,
)
from stellwerk.language.names import check_name
from stellwerk.language.reader import Reader, milliseconds
from stellwerk.language.schedules.local_time import DAY_MS, WEEK_MS, local_midnight, to_instant
from stellwerk.language.schedules.periods import Interval
from stellwerk.values.problems import ProblemError


class LockItem(Item, frozen=True, kw_only=True, tag="Lock"):
    path: str
    limit: int = 1
    item_revision: int | None = None

    @property
    def key(self) -> ItemKey:
        return lock_key(self.path)

    def check(self, reader: Reader) -> None:
        if self.limit < 0:
            reader.problem("$.limit", "a limit must not be negative")


class Calendar(Item, frozen=True, kw_only=True):
    """Maps an order id to the day (or week) in which the order may cycle (workflow spec 7.2, 8.4)."""

    path: str
    order_id_pattern: str
    period_date_pattern: str
    #: Seconds.
    date_offset: int | Decimal = 0
    item_revision: int | None = None

    @property
    def key(self) -> ItemKey:
        return calendar_key(self.path)

    @property
    def date_offset_ms(self) -> int:
        return milliseconds(self.date_offset)

    @property
    def is_weekly(self) -> bool:
        return self.period_date_pattern.startswith("Y")

    def check(self, reader: Reader) -> None:
        if not 0 <= self.date_offset_ms < (WEEK_MS if self.is_weekly else DAY_MS):
            reader.problem("$.dateOffset", "Invalid dateOffset: it must be shorter than the calendar's day or week")
        check_pattern(reader, "$.orderIdPattern", self.order_id_pattern, groups=1)
        try:
            check_date_pattern(self.period_date_pattern)
        except (DateFormatError, ProblemError) as error:
            reader.problem("$.periodDatePattern", str(error))

    def order_day(self, order_id: str, zone: ZoneInfo) -> Interval:
        """The order's day or week as instants. Raises `ProblemError` when the id does not say it."""
        groups = java_regex(self.order_id_pattern).groups(order_id)
        if groups is None:
            raise ProblemError(
                f"Order:{order_id} does not match the pattern {self.order_id_pattern!r} of Calendar:{self.path}"
            )
        try:
            day: date = parse_date(groups[1] or "", self.period_date_pattern)
        except DateFormatError as error:
            raise ProblemError(f"Calendar:{self.path} and Order:{order_id}: {error}") from error
        following = day + timedelta(days=7 if self.is_weekly else 1)
        offset = self.date_offset_ms
        return Interval(
            to_instant(local_midnight(day) + offset, zone), to_instant(local_midnight(following) + offset, zone)
        )


DEFAULT_FILE_PATTERN = r"[^.].*"


class FileWatch(Item, frozen=True, kw_only=True):
    """A directory at an Agent of which each file becomes an order (workflow spec 8.5)."""

    path: str
    workflow_path: str
    agent_path: str
    directory_expr: str
    #: Java regular expression for the whole name of the file.
    pattern: str | None = None
    order_expr: str | None = None
    #: Old: gives the order id only.
    order_id_expression: str | None = None
    #: Seconds for which a file must be unchanged.
    delay: int | Decimal = 0
    item_revision: int | None = None

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("directoryExpr") is None and isinstance(value.get("directory"), str):
            return {**value, "directoryExpr": quote_string(value["directory"])}
        return value

    @property
    def key(self) -> ItemKey:
        return order_watch_key(self.path)

    def references(self) -> Iterator[ItemKey]:
        return iter((workflow_key(self.workflow_path), agent_key(self.agent_path)))

    @property
    def delay_ms(self) -> int:
        return milliseconds(self.delay)

    @property
    def file_pattern(self) -> str:
        return self.pattern or DEFAULT_FILE_PATTERN

    def check(self, reader: Reader) -> None:
        for name, member in (("workflowPath", self.workflow_path), ("agentPath", self.agent_path)):
            if problem := check_name("Workflow" if name == "workflowPath" else "Agent", member):
                reader.problem(f"$.{name}", problem)
        check_expression(reader, "$.directoryExpr", self.directory_expr)
        check_pattern(reader, "$.pattern", self.file_pattern)
        if self.order_expr is not None:
            check_expression(reader, "$.orderExpr", self.order_expr)
        if self.order_id_expression is not None:
            check_expression(reader, "$.orderIdExpression", self.order_id_expression)
            if self.order_expr is not None:
                reader.problem("$.orderIdExpression", "must not stand together with orderExpr")
        if self.delay < 0:
            reader.problem("$.delay", "must not be negative")
