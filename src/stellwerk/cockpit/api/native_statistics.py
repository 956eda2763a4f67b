"""`stats/throughput`, `stats/durations`, `stats/failures`, `stats/agents` (ui.md 4.4, S22), and the compatible
summaries `orders/overview/summary`, `jobs/overview/summary` (cockpit-api 7)."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, or_, select

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.history_filters import JobsFilter, OrdersFilter
from stellwerk.cockpit.api.history_filters import selected_orders as orders_of_filter
from stellwerk.cockpit.api.history_filters import selected_tasks as tasks_of_filter
from stellwerk.cockpit.api.native_filter import moment
from stellwerk.cockpit.api.native_history import selected_orders, selected_tasks
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.native_page import ListRequest
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.history.selection import Selection
from stellwerk.cockpit.history.statistics import (
    MAXIMUM_BUCKETS,
    AgentLoad,
    Bucket,
    Durations,
    Failure,
    Span,
    Statistics,
)
from stellwerk.cockpit.live.names import WorkflowNames


class StatisticsRequest(msgspec.Struct, rename="camel"):
    """`of`: orders or tasks. `q`: as in their history. `from`, `to`: as in a filter, e.g. `-24h` or `2026-11-01`;
    `bucket`: seconds, by default some 50 buckets."""

    of: str = "orders"
    q: str = ""
    from_: str = msgspec.field(default="-24h", name="from")
    to: str = "now"
    bucket: int = 0
    controller_id: str = ""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Counts starts from `from` to `to`. `isWhole` false: `from` is later than asked for, as there is too much."""

    from_: int = msgspec.field(name="from")
    to: int
    is_whole: bool
    as_of: int


class Throughput(_Answer, frozen=True, kw_only=True, rename="camel"):
    """`bucket`: milliseconds."""

    bucket: int
    buckets: list[Bucket]


class DurationsAnswer(_Answer, frozen=True, kw_only=True, rename="camel"):
    rows: list[Durations]


class FailuresAnswer(_Answer, frozen=True, kw_only=True, rename="camel"):
    rows: list[Failure]


class AgentsAnswer(_Answer, frozen=True, kw_only=True, rename="camel"):
    rows: list[AgentLoad]


#: Usual widths of buckets, in seconds.
_WIDTHS = (10, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
_USUAL_BUCKETS = 60


def _asked(context: RequestContext, request: StatisticsRequest) -> tuple[Selection, int, int]:
    """The rows, and from when to when."""
    if request.of not in ("orders", "tasks"):
        raise BadRequest(f"of: '{request.of}' has no statistics; give orders or tasks")
    now = context.now_ms()
    # `now` is behind what has started just now.
    begin, end = moment(request.from_, now), now + 1 if request.to == "now" else moment(request.to, now)
    if begin >= end:
        raise BadRequest("from: it has to be before 'to'")
    listed = ListRequest(q=request.q, controller_id=request.controller_id)
    selected = selected_orders if request.of == "orders" else selected_tasks
    return selected(context, listed), begin, end


def _members(context: RequestContext, span: Span) -> dict[str, int | bool]:
    return {"from_": span.from_ms, "to": span.to_ms, "is_whole": span.is_whole, "as_of": context.now_ms()}


async def throughput(context: RequestContext, request: StatisticsRequest) -> Throughput:
    """Starts by outcome over time."""
    selection, begin, end = _asked(context, request)
    seconds = request.bucket or next(
        (width for width in _WIDTHS if (end - begin) // (width * 1000) < _USUAL_BUCKETS), _WIDTHS[-1]
    )
    if request.bucket < 0 or (end - begin) // (seconds * 1000) >= MAXIMUM_BUCKETS:
        raise BadRequest(f"bucket: give so many seconds that there are at most {MAXIMUM_BUCKETS} buckets")
    width = seconds * 1000
    # Buckets begin at round times.
    begin -= begin % width
    async with context.database.read() as connection:
        statistics = await Statistics.of(connection, selection, begin, end)
        buckets = await statistics.throughput(width)
    return Throughput(bucket=width, buckets=buckets, **_members(context, statistics.span))  # type: ignore[arg-type]


async def durations(context: RequestContext, request: StatisticsRequest) -> DurationsAnswer:
    """Number and durations of runs by workflow, or by workflow and job; what took most time first."""
    selection, begin, end = _asked(context, request)
    names = context.services.get(WorkflowNames)
    async with context.database.read() as connection:
        statistics = await Statistics.of(connection, selection, begin, end)
        found = await statistics.durations()
    rows = [msgspec.structs.replace(row, workflow=names.path(row.workflow)) for row in found]
    return DurationsAnswer(rows=rows, **_members(context, statistics.span))  # type: ignore[arg-type]


async def failures(context: RequestContext, request: StatisticsRequest) -> FailuresAnswer:
    """What failed, by place and error; most often first."""
    selection, begin, end = _asked(context, request)
    names = context.services.get(WorkflowNames)
    async with context.database.read() as connection:
        statistics = await Statistics.of(connection, selection, begin, end)
        found = await statistics.failures()
    rows = [msgspec.structs.replace(row, workflow=names.path(row.workflow)) for row in found]
    return FailuresAnswer(rows=rows, **_members(context, statistics.span))  # type: ignore[arg-type]


async def agents(context: RequestContext, request: StatisticsRequest) -> AgentsAnswer:
    """Tasks by Agent; the busiest first."""
    selection, begin, end = _asked(context, msgspec.structs.replace(request, of="tasks"))
    async with context.database.read() as connection:
        statistics = await Statistics.of(connection, selection, begin, end)
        found = await statistics.agents()
    return AgentsAnswer(rows=found, **_members(context, statistics.span))  # type: ignore[arg-type]


# --- compatible


class OrdersOverView(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    orders: dict[str, int]


class JobsOverView(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    jobs: dict[str, int]


async def orders_summary(context: RequestContext, request: OrdersFilter) -> OrdersOverView:
    """How many orders have succeeded, and how many have failed."""
    now = timestamp(context.now_ms())
    return OrdersOverView(now, now, await _outcomes(context, orders_of_filter(context, request)))


async def jobs_summary(context: RequestContext, request: JobsFilter) -> JobsOverView:
    """The same of tasks."""
    now = timestamp(context.now_ms())
    return JobsOverView(now, now, await _outcomes(context, tasks_of_filter(context, request)))


async def _outcomes(context: RequestContext, selection: Selection) -> dict[str, int]:
    severity = selection.table.c.severity
    conditions = [*selection.ranges, *selection.where]
    if selection.alternatives:
        conditions.append(or_(*selection.alternatives))
    counted = select(severity, func.count().label("number")).where(*conditions).group_by(severity)
    async with context.database.read() as connection:
        counts = {row.severity: row.number for row in await connection.execute(counted)}
    return {"successful": counts.get(0, 0), "failed": counts.get(2, 0)}


_VIEW = "ctl:orders:view"
ROUTES = [
    Route(f"{PREFIX}/stats/throughput", StatisticsRequest, Throughput, _VIEW, False, throughput, method="GET"),
    Route(f"{PREFIX}/stats/durations", StatisticsRequest, DurationsAnswer, _VIEW, False, durations, method="GET"),
    Route(f"{PREFIX}/stats/failures", StatisticsRequest, FailuresAnswer, _VIEW, False, failures, method="GET"),
    Route(f"{PREFIX}/stats/agents", StatisticsRequest, AgentsAnswer, _VIEW, False, agents, method="GET"),
    Route("/orders/overview/summary", OrdersFilter, OrdersOverView, _VIEW, False, orders_summary),
    Route("/jobs/overview/summary", JobsFilter, JobsOverView, _VIEW, False, jobs_summary),
]
