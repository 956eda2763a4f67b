"""How rows of history are found fast: newest first, whatever the filter (ui.md S9).

A list is read in one of two ways. Without anything selective the index on the start time is walked until the page is
full. With a condition that has an index of its own - the workflow is one of a few, the job, the state - each value is
an *alternative*: the newest rows of each are read by its index, and the newest of all are the page. A database left to
itself would read all rows of these workflows and sort them, or walk past millions of others.

Counts are bounded the same way: so many rows are looked at and no more. Only what an index serves belongs into
`alternatives` and `ranges`; everything else into `where`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, Table, and_, case, func, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import UnaryExpression

Condition = ColumnElement[bool]

#: More values than this are no alternatives any more: the walk by time finds rows of them soon.
MAXIMUM_ALTERNATIVES = 50
#: Rows that are read for one page, over all alternatives.
_MAXIMUM_READ = 100_000
#: Rows that are looked at in order to count.
_MAXIMUM_COUNTED = 50_000


class Selection(msgspec.Struct, frozen=True):
    """Which rows of `history_orders` or `history_order_steps` are wanted."""

    table: Table
    #: Conditions that an index with the start time holds for all rows, and ranges of the start time.
    ranges: Sequence[Condition] = ()
    #: At least one holds, and no row fulfils two. Empty: there is no such condition.
    alternatives: Sequence[Condition] = ()
    where: Sequence[Condition] = ()

    def page(self, order: Sequence[Any], limit: int, behind: Sequence[Condition] = ()) -> Select[Any]:
        """`limit` rows in the order given, which is by start time and id; `behind`: after those of the last page."""
        table = self.table
        few = len(self.alternatives) <= MAXIMUM_ALTERNATIVES and len(self.alternatives) * limit <= _MAXIMUM_READ
        if len(self.alternatives) < 2 or not few:
            conditions = self._conditions(or_(*self.alternatives) if self.alternatives else None)
            return select(table).where(*conditions, *behind).order_by(*order).limit(limit)
        ids = union_all(
            *(
                select(
                    select(table.c.id)
                    .where(*self._conditions(alternative), *behind)
                    .order_by(*order)
                    .limit(limit)
                    .subquery()
                )
                for alternative in self.alternatives
            )
        )
        return select(table).where(table.c.id.in_(ids)).order_by(*order).limit(limit)

    def _conditions(self, alternative: Condition | None) -> list[Condition]:
        return [*self.ranges, *([] if alternative is None else [alternative]), *self.where]

    async def count(self, connection: AsyncConnection, maximum: int) -> tuple[int, bool]:
        """How many rows there are, up to `maximum`, and whether that is the exact number."""
        alternatives = self.alternatives if 0 < len(self.alternatives) <= MAXIMUM_ALTERNATIVES else [None]
        where = self.where if alternatives[0] is not None else [*self.where, *self._any_alternative()]
        looked_at = _MAXIMUM_COUNTED if where else maximum + 1
        each = max(1, looked_at // len(alternatives)) if where else looked_at
        start = self.table.c.start_time
        hit = case((and_(true(), *where), 1), else_=0).label("hit")
        total, is_exact = 0, True
        for alternative in alternatives:
            conditions = [*self.ranges, *([] if alternative is None else [alternative])]
            window = (
                select(hit).select_from(self.table).where(*conditions).order_by(start.desc()).limit(each).subquery()
            )
            counted = select(func.count().label("looked_at"), func.coalesce(func.sum(window.c.hit), 0).label("found"))
            row = (await connection.execute(counted.select_from(window))).one()
            total += int(row.found)
            is_exact = is_exact and row.looked_at < each
            if total > maximum:
                break
        return min(total, maximum), is_exact and total <= maximum

    def _any_alternative(self) -> list[Condition]:
        return [or_(*self.alternatives)] if self.alternatives else []


class _Unindexed(UnaryExpression[Any]):
    """A column as a value: its index is not what the statement is to be driven by."""

    inherit_cache = True


@compiles(_Unindexed, "sqlite")
def _unary_plus(element: Any, compiler: Any, **options: Any) -> str:
    # https://sqlite.org/optoverview.html, "Disqualifying WHERE clause terms using unary +"
    return f"+{compiler.process(element.element, **options)}"


@compiles(_Unindexed)
def _plain(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.element, **options))


def unindexed(column: Any) -> Any:
    """`column` in a condition that holds for many rows: SQLite, which keeps no figures of how many, takes `IN` for
    selective and would sort all of them."""
    return _Unindexed(column, operator=None, type_=column.type)
