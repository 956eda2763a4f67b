"""Figures of runs: how many, how long, what failed, where (ui.md S9, S22).

Computed by the database from the rows of a selection in a span of time. A question looks at so many rows and no more,
the newest ones; the answer says since when it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, Subquery, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.history import history_orders
from stellwerk.cockpit.history.selection import Selection

#: Rows that one question looks at: some seconds of a busy machine for percentiles, which have to sort them.
MAXIMUM_ROWS = 200_000
MAXIMUM_BUCKETS = 500
#: Lines of a table of figures.
MAXIMUM_LINES = 200
#: Characters of an error text by which failures are taken for the same.
_ERROR_CHARACTERS = 120
_PERCENTILES = (50, 90, 99)
_SUCCESSFUL, _INCOMPLETE, _FAILED = 0, 1, 2


class Span(msgspec.Struct, frozen=True):
    """Starts from `from_ms` to before `to_ms`. `is_whole` False: what is older than `from_ms` has not been counted."""

    from_ms: int
    to_ms: int
    is_whole: bool = True


class Bucket(msgspec.Struct, frozen=True, rename="camel"):
    """Starts in a part of the span, by outcome."""

    start: int
    successful: int = 0
    incomplete: int = 0
    failed: int = 0


class Durations(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Runs of a workflow or job. Durations in milliseconds, of those that have ended: the half, nine tenths, 99 of 100
    took no longer."""

    workflow: str
    count: int
    successful: int
    failed: int
    job: str | None = None
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    longest: int | None = None
    total: int | None = None


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Failures of the same place with the same error. `last`: start of the newest one."""

    workflow: str
    count: int
    last: int
    job: str | None = None
    error: str | None = None


class AgentLoad(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Tasks of an Agent. `busy`: milliseconds, of all together."""

    agent_id: str
    count: int
    failed: int
    busy: int = 0


class Statistics:
    """Figures of one selection in one span; `await Statistics.of(connection, …)`."""

    def __init__(self, connection: AsyncConnection, selection: Selection, span: Span, rows: Subquery) -> None:
        self._connection = connection
        self._has_jobs = selection.table is not history_orders
        self.span = span
        self._rows = rows

    @classmethod
    async def of(cls, connection: AsyncConnection, selection: Selection, from_ms: int, to_ms: int) -> Statistics:
        table = selection.table.c
        within = [*selection.ranges, *selection.where, table.start_time >= from_ms, table.start_time < to_ms]
        if selection.alternatives:
            within.append(or_(*selection.alternatives))
        newest = select(table.start_time).where(*within).order_by(table.start_time.desc())
        # Where the limit cuts, the same moment is left out as a whole.
        cut = (await connection.execute(newest.offset(MAXIMUM_ROWS).limit(1))).scalar()
        span = Span(from_ms, to_ms) if cut is None else Span(cut + 1, to_ms, is_whole=False)
        duration = (table.end_time - table.start_time).label("ms")
        columns = [table.workflow_name, table.start_time, table.severity, table.error_text, duration]
        if selection.table is not history_orders:
            columns += [table.job_name, table.agent_id]
        rows = select(*columns).where(*within, table.start_time >= span.from_ms).subquery()
        return cls(connection, selection, span, rows)

    async def _all(self, statement: Select[Any]) -> Sequence[Any]:
        found: Sequence[Any] = (await self._connection.execute(statement)).all()
        return found

    def _place(self) -> list[Any]:
        columns = self._rows.c
        return [columns.workflow_name, columns.job_name] if self._has_jobs else [columns.workflow_name]

    async def throughput(self, bucket_ms: int) -> list[Bucket]:
        """Starts per bucket, from the first to the last of the span, empty ones included."""
        columns = self._rows.c
        bucket = ((columns.start_time - literal(self.span.from_ms)) // literal(bucket_ms)).label("bucket")
        counted = select(bucket, columns.severity, func.count().label("number")).group_by(bucket, columns.severity)
        counts = {(row.bucket, row.severity): row.number for row in await self._all(counted)}
        size = -(-(self.span.to_ms - self.span.from_ms) // bucket_ms)
        return [
            Bucket(
                start=self.span.from_ms + number * bucket_ms,
                successful=counts.get((number, _SUCCESSFUL), 0),
                incomplete=counts.get((number, _INCOMPLETE), 0),
                failed=counts.get((number, _FAILED), 0),
            )
            for number in range(size)
        ]

    async def durations(self) -> list[Durations]:
        """By workflow, or by workflow and job; what took most time altogether first."""
        columns, place = self._rows.c, self._place()
        # What has not ended is ranked apart: it has no duration.
        group = [*place, columns.ms.is_(None)]
        rank = func.row_number().over(partition_by=group, order_by=columns.ms).label("rank")
        size = func.count(columns.ms).over(partition_by=group).label("size")
        ranked = select(*place, columns.severity, columns.ms, rank, size).subquery()
        figures = [
            func.min(case((ranked.c.rank * 100 >= ranked.c.size * percent, ranked.c.ms))).label(f"p{percent}")
            for percent in _PERCENTILES
        ]
        place = [ranked.c[column.name] for column in place]
        total = func.sum(ranked.c.ms).label("total")
        statement = (
            select(
                *place,
                func.count().label("number"),
                _number_with(ranked.c.severity, _SUCCESSFUL).label("successful"),
                _number_with(ranked.c.severity, _FAILED).label("failed"),
                *figures,
                func.max(ranked.c.ms).label("longest"),
                total,
            )
            .group_by(*place)
            .order_by(func.coalesce(total, 0).desc(), *place)
            .limit(MAXIMUM_LINES)
        )
        return [
            Durations(
                workflow=row.workflow_name,
                job=row.job_name if self._has_jobs else None,
                count=row.number,
                successful=row.successful,
                failed=row.failed,
                p50=row.p50,
                p90=row.p90,
                p99=row.p99,
                longest=row.longest,
                total=None if row.total is None else int(row.total),
            )
            for row in await self._all(statement)
        ]

    async def failures(self) -> list[Failure]:
        """What failed, by place and error, most often first."""
        columns, place = self._rows.c, self._place()
        error = func.substr(columns.error_text, 1, _ERROR_CHARACTERS).label("error")
        number, last = func.count().label("number"), func.max(columns.start_time).label("last")
        statement = (
            select(*place, error, number, last)
            .where(columns.severity == _FAILED)
            .group_by(*place, error)
            .order_by(number.desc(), last.desc(), *place)
            .limit(MAXIMUM_LINES)
        )
        return [
            Failure(
                workflow=row.workflow_name,
                job=row.job_name if self._has_jobs else None,
                error=row.error,
                count=row.number,
                last=row.last,
            )
            for row in await self._all(statement)
        ]

    async def agents(self) -> list[AgentLoad]:
        """Tasks by Agent, the busiest first. Only of a selection of tasks."""
        columns = self._rows.c
        agent, busy = func.coalesce(columns.agent_id, "").label("agent"), func.coalesce(func.sum(columns.ms), 0)
        statement = (
            select(
                agent,
                func.count().label("number"),
                _number_with(columns.severity, _FAILED).label("failed"),
                busy.label("busy"),
            )
            .group_by(agent)
            .order_by(busy.desc(), agent)
            .limit(MAXIMUM_LINES)
        )
        return [AgentLoad(row.agent, row.number, row.failed, int(row.busy)) for row in await self._all(statement)]


def _number_with(severity: Any, value: int) -> Any:
    return func.coalesce(func.sum(case((severity == value, 1), else_=0)), 0)
