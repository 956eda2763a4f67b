"""The filter language of the native lists (ui.md 4.3) and key-set paging, as SQL conditions.

`query = { term }`, terms ANDed, `,` is OR, `-` negates; `key:value` or free text. An unknown key is an error that names
the nearest one. A list says which keys it has and what each means for its table.
"""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, and_, false, func, not_, or_

from stellwerk.cockpit.api.errors import BadRequest

Condition = ColumnElement[bool]
#: From one value of a term to a condition; raises `BadRequest` for values that make no sense.
Meaning = Callable[[str], Condition]

_TERM = re.compile(r'(-?)(?:([a-z]+):)?((?:"[^"]*"|[^\s"])+)')
_VALUE = re.compile(r'"([^"]*)"|([^,"]+)')
_RELATIVE = re.compile(r"([+-]?\d+)([smhdw])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_COMPARE = re.compile(r"(>=|<=|>|<)?(.+)$")


class Term(msgspec.Struct, frozen=True):
    """One term of a query; without a key it is free text."""

    key: str
    values: list[str]
    is_negated: bool

    def condition(self, meaning: Meaning) -> Condition:
        condition = or_(false(), *(meaning(one) for one in self.values))
        # A column without a value fulfils no term, so it fulfils its negation.
        return not_(func.coalesce(condition, false())) if self.is_negated else condition

    @property
    def are_exact(self) -> bool:
        """Values are wanted, and none is a pattern."""
        return not self.is_negated and not any(is_pattern(value) for value in self.values)


def terms(query: str, keys: Collection[str]) -> list[Term]:
    """The terms of a query. Raises `BadRequest` for a key that the list does not have."""
    found: list[Term] = []
    for minus, key, value in _TERM.findall(query):
        if key and key not in keys:
            nearest = difflib.get_close_matches(key, keys, 1, 0.0)
            hint = f" Did you mean '{nearest[0]}:'?" if nearest else ""
            raise BadRequest(f"q: there is no key '{key}:' in this list.{hint} Known: {', '.join(sorted(keys))}")
        values = [quoted or plain for quoted, plain in _VALUE.findall(value)] if key else [value.strip('"')]
        if not values:
            raise BadRequest(f"q: '{key}:' needs a value")
        found.append(Term(key, values, bool(minus)))
    return found


def conditions(query: str, keys: Mapping[str, Meaning], text: Meaning) -> list[Condition]:
    """The conditions of a query; `text` is the meaning of free text."""
    return [term.condition(keys[term.key] if term.key else text) for term in terms(query, keys)]


def is_pattern(value: str) -> bool:
    return "*" in value or "?" in value


def glob(column: Any) -> Meaning:
    """Equality, or a pattern with `*` and `?`; without regard to case."""

    def meaning(value: str) -> Condition:
        if is_pattern(value):
            return ilike(column, value)
        return column.ilike(_escaped(value), escape="\\")  # type: ignore[no-any-return]

    return meaning


def contains(*columns: Any) -> Meaning:
    """Free text: a part of one of the columns."""

    def meaning(value: str) -> Condition:
        pattern = value if is_pattern(value) else f"*{value}*"
        return or_(*(ilike(column, pattern) for column in columns))

    return meaning


def ilike(column: Any, pattern: str) -> Condition:
    text = _escaped(pattern).replace("*", "%").replace("?", "_")
    return column.ilike(text, escape="\\")  # type: ignore[no-any-return]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def instant(column: Column[int], now_ms: int) -> Meaning:
    """`>-2h`, `<=2026-11-24T06:00`, `today`; without an operator: at or after."""

    def meaning(value: str) -> Condition:
        operator, text = _COMPARE.match(value).groups()  # type: ignore[union-attr]  # matches any text but the empty one
        return _compare(column, operator or ">=", moment(text, now_ms))

    return meaning


def number(column: Any) -> Meaning:
    """`12`, `>0`."""

    def meaning(value: str) -> Condition:
        operator, text = _COMPARE.match(value).groups()  # type: ignore[union-attr]
        try:
            return _compare(column, operator or "=", int(text))
        except ValueError:
            raise BadRequest(f"q: '{value}' is not a number") from None

    return meaning


def moment(text: str, now_ms: int) -> int:
    """Milliseconds of a point in time: relative to now, `now`, `today`, or ISO 8601 (UTC without offset)."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if text == "now":
        return now_ms
    if text == "today":
        return int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
    relative = _RELATIVE.match(text)
    if relative is not None:
        moved = now + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        return int(moved.timestamp() * 1000)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"q: '{text}' is not a time; give e.g. -2h, today or 2026-11-24T06:00") from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def _compare(column: Any, operator: str, value: int) -> Condition:
    comparisons: dict[str, Callable[[], Any]] = {
        ">": lambda: column > value,
        ">=": lambda: column >= value,
        "<": lambda: column < value,
        "<=": lambda: column <= value,
        "=": lambda: column == value,
    }
    return comparisons[operator]()  # type: ignore[no-any-return]


class Paging:
    """Key-set paging over sort columns that end with a unique one."""

    def __init__(self, columns: Sequence[tuple[Any, bool]]) -> None:
        #: (column, is descending)
        self.columns = list(columns)

    def order(self, *, backwards: bool = False) -> list[Any]:
        return [column.desc() if descending != backwards else column.asc() for column, descending in self.columns]

    def after(self, values: Sequence[Any], *, backwards: bool = False) -> Condition:
        """Rows behind (or before) the row with these sort values. Null sorts nowhere: sort columns are not null."""
        if len(values) != len(self.columns):
            raise BadRequest("cursor: it does not fit this list; leave it out to begin at the first page")
        alternatives: list[Condition] = []
        for index, (column, descending) in enumerate(self.columns):
            same = [other == value for (other, _), value in zip(self.columns[:index], values, strict=False)]
            forward = column < values[index] if descending != backwards else column > values[index]
            alternatives.append(and_(*same, forward))
        first, descending = self.columns[0]
        # What an index can be entered by; the alternatives cannot.
        bound = first <= values[0] if descending != backwards else first >= values[0]
        return and_(bound, or_(*alternatives))


def encode_cursor(direction: str, values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([direction, *values])).rstrip(b"=").decode()


def decode_cursor(text: str) -> tuple[bool, list[Any]]:
    """(backwards, sort values)"""
    try:
        direction, *values = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        raise BadRequest("cursor: it is not one that this list has given") from None
    return direction == "prev", values
