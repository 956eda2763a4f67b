"""Ids of orders that the Cockpit issues: `#2026-01-31#P86080012300-name` (services spec 4.2). Pure.

`#<plan date>#<kind><number>-`, 25 characters, is the main part; all orders of a cycle share it, and it addresses them.
The number is (epoch milliseconds · 100 + counter) without its first four digits; who issues ids takes care that no
number comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

from stellwerk.language.daily_plan.plan import PlannedOrder

#: Planned single start, planned start of a cycle, added by a person.
Kind = Literal["P", "C", "T"]
_MAIN_PART = re.compile(r"(#\d{4}-\d{2}-\d{2}#[A-Z])\d{10,11}-", re.ASCII)
_DIGITS_DROPPED = 4


def _main_part(day: date, kind: Kind, number: int) -> str:
    return f"#{day.isoformat()}#{kind}{str(number)[_DIGITS_DROPPED:]}-"


def added_order_id(day: date, number: int, order_name: str) -> str:
    """Of an order that a person adds on this day."""
    return _main_part(day, "T", number) + order_name


def main_part(order_id: str) -> str | None:
    """What the orders of a cycle have in common; None for ids that the Cockpit has not issued."""
    found = _MAIN_PART.match(order_id)
    return None if found is None else found.group()


def is_cyclic(main_part: str) -> bool:
    """Whether a main part is that of a cycle."""
    return main_part.rsplit("#", 1)[-1].startswith("C")


def with_number(order_id: str, number: int) -> str:
    """The id of an order that replaces another one. Raises `ValueError` for ids that the Cockpit has not issued."""
    found = _MAIN_PART.match(order_id)
    if found is None:
        raise ValueError(f"{order_id} is not an id that the Cockpit has issued")
    return f"{found.group(1)}{str(number)[_DIGITS_DROPPED:]}-{order_id[found.end() :]}"


class OrderGroup(NamedTuple):
    """A single start, or a cycle: the starts of one workflow and order name by one period on one day."""

    date: date
    orders: tuple[PlannedOrder, ...]

    def order_ids(self, number: int) -> list[str]:
        """In the order of the starts. One number for all: of cycles it is the place in the cycle that differs."""
        first = self.orders[0]
        if not first.is_cyclic:
            return [_main_part(self.date, "P", number) + first.order_name]
        main, size = _main_part(self.date, "C", number), len(self.orders)
        return [f"{main}{index:05}-{size}-{order.order_name}" for index, order in enumerate(self.orders, 1)]


def order_groups(day: date, orders: Iterable[PlannedOrder]) -> list[OrderGroup]:
    """By first start. `orders`: of one schedule, by start; only those that will be added, as a cycle counts them."""
    groups: dict[tuple[object, ...], list[PlannedOrder]] = {}
    for order in orders:
        period = order.period
        cycle = (period.begin, period.end, period.repeat) if order.is_cyclic else order.scheduled_for
        groups.setdefault((order.is_cyclic, order.workflow, order.order_name, cycle), []).append(order)
    return [OrderGroup(day, tuple(group)) for group in groups.values()]
