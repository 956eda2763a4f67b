"""One page of a native list: filter, key-set cursor, bounded total (ui.md 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.folders import visible_workflows
from stellwerk.cockpit.api.native_filter import Condition, Paging, decode_cursor, encode_cursor
from stellwerk.cockpit.api.routes import RequestContext

MAXIMUM_LIMIT = 500
#: Beyond this many rows the total is a bound ("more than"), not a count.
EXACT_TOTAL = 10_000


class ListRequest(msgspec.Struct, rename="camel"):
    """Query of all native lists."""

    q: str = ""
    sort: str = ""
    cursor: str = ""
    limit: int = 200
    controller_id: str = ""


class Page(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`total` is exact unless `totalIsExact` is false: then there are at least so many."""

    rows: list[Any]
    total: int
    as_of: int
    total_is_exact: bool = msgspec.field(name="totalIsExact")
    next: str | None = None
    prev: str | None = None


class Source(Protocol):
    """Where the rows of a list come from."""

    def page(self, order: Sequence[Any], limit: int, behind: Sequence[Condition]) -> Select[Any]:
        """`limit` rows in this order that fulfil `behind`."""
        ...

    async def count(self, connection: AsyncConnection, maximum: int) -> tuple[int, bool]:
        """The number of rows up to `maximum`, and whether it is exact."""
        ...


class Rows:
    """Rows of a statement that fulfil conditions; the database finds out how."""

    def __init__(self, statement: Select[Any], where: Sequence[Condition]) -> None:
        self._statement = statement.where(*where)

    def page(self, order: Sequence[Any], limit: int, behind: Sequence[Condition]) -> Select[Any]:
        return self._statement.where(*behind).order_by(*order).limit(limit)

    async def count(self, connection: AsyncConnection, maximum: int) -> tuple[int, bool]:
        counted = (
            self._statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
            .limit(maximum + 1)
            .subquery()
        )
        total = (await connection.execute(select(func.count()).select_from(counted))).scalar_one()
        return min(total, maximum), total <= maximum


async def read_page(
    context: RequestContext,
    source: Source,
    paging: Paging,
    request: ListRequest,
    to_row: Callable[[Any], Any],
    sort_values: Callable[[Any], Sequence[Any]],
) -> Page:
    """Read one page. `sort_values` gives the values of the paging columns of a database row."""
    limit = max(1, min(request.limit, MAXIMUM_LIMIT))
    backwards, values = decode_cursor(request.cursor) if request.cursor else (False, [])
    behind = [paging.after(values, backwards=backwards)] if values else []
    async with context.database.read() as connection:
        page = source.page(paging.order(backwards=backwards), limit + 1, behind)
        found = (await connection.execute(page)).all()
        total, total_is_exact = await source.count(connection, EXACT_TOTAL)
    has_more = len(found) > limit
    found = found[:limit]
    if backwards:
        found = found[::-1]
    has_next, has_prev = (bool(values), has_more) if backwards else (has_more, bool(values))
    return Page(
        rows=[to_row(row) for row in found],
        total=total,
        total_is_exact=total_is_exact,
        as_of=context.now_ms(),
        next=encode_cursor("next", sort_values(found[-1])) if found and has_next else None,
        prev=encode_cursor("prev", sort_values(found[0])) if found and has_prev else None,
    )


def permitted(
    context: RequestContext, permission: str, column: Any, controller_id: str = "", *, workflow: Any = None
) -> list[Condition]:
    """Only rows of Controllers for which the session has the permission, and of workflows that it may see.

    `workflow`: the column with the workflow's name, for rows that have one.
    """
    conditions: list[Condition] = [column == controller_id] if controller_id else []
    if workflow is not None:
        conditions += visible_workflows(context, workflow, column)
    permissions = context.session.permissions
    if permissions.allows(permission, None):
        denied = [one for one in permissions.controller_ids() if not permissions.allows(permission, one)]
        return [*conditions, column.not_in(denied)] if denied else conditions
    return [
        *conditions,
        column.in_([one for one in permissions.controller_ids() if permissions.allows(permission, one)]),
    ]
