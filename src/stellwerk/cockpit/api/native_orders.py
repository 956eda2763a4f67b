"""Native lists of what is at the Controllers now: `orders`, `counts`, `workflows` (ui.md 4.4). All from live tables."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, and_, case, func, literal, or_, select

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.native_filter import (
    Condition,
    Meaning,
    Paging,
    conditions,
    contains,
    glob,
    instant,
    is_pattern,
)
from stellwerk.cockpit.api.native_page import ListRequest, Page, Rows, permitted, read_page
from stellwerk.cockpit.api.routes import NATIVE, RequestContext, Route
from stellwerk.cockpit.database.tables.history import IS_ROOT, history_orders
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.database.tables.live import live_items, live_orders
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.live.rows import order_row
from stellwerk.cockpit.projection.model import BLOCKED, BY_CODE, BY_TEXT, SCHEDULED, LiveOrder, decode_live_order

PREFIX = NATIVE.removeprefix("/joc/api")
LAST_RUNS = 20

_states = live_orders.c.state


def state_now(now_ms: int) -> Any:
    """The state's number as of now: SCHEDULED and overdue is BLOCKED."""
    overdue = and_(_states == SCHEDULED.code, live_orders.c.scheduled_for < now_ms)
    return case((overdue, literal(BLOCKED.code)), else_=_states)


def _state(now_ms: int) -> Meaning:
    def meaning(value: str) -> Condition:
        state = BY_TEXT.get(value.upper())
        if state is None:
            raise BadRequest(f"q: '{value}' is no state. States: {', '.join(sorted(BY_TEXT)).lower()}")
        overdue = live_orders.c.scheduled_for < now_ms
        if state is BLOCKED:
            return and_(_states == SCHEDULED.code, overdue)
        if state is SCHEDULED:
            return and_(_states == SCHEDULED.code, or_(live_orders.c.scheduled_for.is_(None), ~overdue))
        return _states == state.code

    return meaning


def workflow_meaning(names: WorkflowNames, column: Any) -> Meaning:
    """A workflow by path, bare name or pattern; the tables hold names."""

    def meaning(value: str) -> Condition:
        if "/" not in value:
            return glob(column)(value)
        if not is_pattern(value):
            return glob(column)(value.rsplit("/", 1)[-1])
        return column.in_(workflows_at(names, value))  # type: ignore[no-any-return]

    return meaning


def workflows_at(names: WorkflowNames, value: str) -> list[str]:
    """Names of the workflows whose paths match a pattern."""
    pattern = value if value.startswith(("/", "*")) else "/" + value
    return [name for name, path in names.all_paths().items() if fnmatch.fnmatchcase(path, pattern)]


def _order_conditions(context: RequestContext, query: str, controller_id: str) -> list[Condition]:
    now = context.now_ms()
    table = live_orders.c
    keys: dict[str, Meaning] = {
        "state": _state(now),
        "reason": glob(table.reason),
        "workflow": workflow_meaning(context.services.get(WorkflowNames), table.workflow_path),
        "agent": glob(table.agent_id),
        "job": glob(table.job),
        "order": glob(table.order_id),
        "error": contains(table.error_key),
        "started": instant(table.started, now),
        "changed": instant(table.since, now),
    }
    where = conditions(query, keys, contains(table.order_id, table.workflow_path))
    return [
        *permitted(context, "ctl:orders:view", table.controller_id, controller_id, workflow=table.workflow_path),
        *where,
    ]


_SORTS: dict[str, Any] = {
    "order": live_orders.c.order_id,
    "orderId": live_orders.c.order_id,
    "since": live_orders.c.since,
    "workflow": live_orders.c.workflow_path,
    "state": live_orders.c.state,
    "start": func.coalesce(live_orders.c.started, 0),
    "scheduledFor": func.coalesce(live_orders.c.scheduled_for, 0),
}


async def orders(context: RequestContext, request: ListRequest) -> Page:
    """Orders at the Controllers, filtered, sorted, paged."""
    sort = request.sort or "-since"
    name = sort.removeprefix("-")
    if name not in _SORTS:
        raise BadRequest(f"sort: '{name}' is not possible here; give one of {', '.join(sorted(_SORTS))}")
    key = _SORTS[name]
    paging = Paging(
        [(key, sort.startswith("-")), (live_orders.c.controller_id, False), (live_orders.c.order_id, False)]
    )
    statement: Select[Any] = select(
        live_orders.c.data, live_orders.c.controller_id, live_orders.c.order_id, key.label("sort_key")
    )
    where = _order_conditions(context, request.q, request.controller_id)
    page = await read_page(
        context,
        Rows(statement, where),
        paging,
        request,
        lambda row: (row.controller_id, decode_live_order(row.data)),
        lambda row: (row.sort_key, row.controller_id, row.order_id),
    )
    return msgspec.structs.replace(page, rows=await shown(context, page.rows))


async def shown(context: RequestContext, found: list[tuple[str, LiveOrder]]) -> list[Any]:
    """Native rows of live orders."""
    names = context.services.get(WorkflowNames)
    await names.prepare(order for _, order in found)
    now = context.now_ms()
    return [order_row(controller_id, order, now, names) for controller_id, order in found]


class CountsRequest(msgspec.Struct, rename="camel"):
    by: str = "state"
    q: str = ""
    controller_id: str = ""


class Counts(msgspec.Struct, frozen=True, rename="camel"):
    counts: dict[str, int]
    as_of: int


async def counts(context: RequestContext, request: CountsRequest) -> Counts:
    """Numbers of orders by state, workflow, Agent or folder."""
    now = context.now_ms()
    columns: dict[str, Any] = {
        "state": state_now(now),
        "workflow": live_orders.c.workflow_path,
        "folder": live_orders.c.workflow_path,
        "agent": live_orders.c.agent_id,
    }
    if request.by not in columns:
        raise BadRequest(f"by: '{request.by}' is not possible; give one of {', '.join(columns)}")
    key = columns[request.by].label("counted")
    where = _order_conditions(context, request.q, request.controller_id)
    async with context.database.read() as connection:
        rows = (await connection.execute(select(key, func.count()).where(*where).group_by(key))).all()
    names = context.services.get(WorkflowNames)
    result: dict[str, int] = {}
    for value, count in rows:
        if request.by == "state":
            name = BY_CODE[value].text if value in BY_CODE else "UNKNOWN"
        elif request.by == "workflow":
            name = names.path(value)
        elif request.by == "folder":
            name = names.path(value).rsplit("/", 1)[0] or "/"
        else:
            name = value or ""
        result[name] = result.get(name, 0) + count
    return Counts(counts=result, as_of=now)


class WorkflowRow(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A row of `N:workflows` and of the topic `workflow:<path>`."""

    key: str
    controller_id: str
    path: str
    version_id: str
    counts: dict[str, dict[str, int]]
    sync: dict[str, str]
    rev: int
    #: The inventory's object: does it differ from what is deployed?
    draft: dict[str, bool] | None = None
    title: str | None = None
    deployed_at: int | None = None
    last_runs: list[dict[str, Any]] = []
    nodes: dict[str, Any] | None = None


async def workflows(context: RequestContext, request: ListRequest) -> Page:
    """Deployed workflows with the numbers of their orders and their last runs."""
    names = context.services.get(WorkflowNames)
    sort = request.sort or "path"
    if sort.removeprefix("-") not in ("path", "name"):
        raise BadRequest("sort: workflows are sorted by path or -path")
    keys = {"workflow": workflow_meaning(names, live_items.c.path)}
    where = [
        live_items.c.type == "Workflow",
        live_items.c.is_current,
        *permitted(
            context,
            "ctl:workflows:view",
            live_items.c.controller_id,
            request.controller_id,
            workflow=live_items.c.path,
        ),
        *conditions(request.q, keys, contains(live_items.c.path)),
    ]
    statement: Select[Any] = select(
        live_items.c.controller_id, live_items.c.path, live_items.c.version_id, live_items.c.event_id
    )
    paging = Paging([(live_items.c.path, sort.startswith("-")), (live_items.c.controller_id, False)])
    page = await read_page(
        context, Rows(statement, where), paging, request, lambda row: row, lambda row: (row.path, row.controller_id)
    )
    return msgspec.structs.replace(page, rows=await workflow_rows(context, page.rows, with_nodes=False))


async def workflow_rows(context: RequestContext, found: Iterable[Any], *, with_nodes: bool) -> list[WorkflowRow]:
    """Rows of items `(controller_id, path, version_id, event_id)`; counts and runs in one query each."""
    items = list(found)
    names = context.services.get(WorkflowNames)
    wanted = sorted({item.path for item in items})
    now = context.now_ms()
    state = state_now(now).label("shown_state")
    position = live_orders.c.workflow_position if with_nodes else literal("").label("workflow_position")
    runs = (
        select(
            history_orders.c.controller_id,
            history_orders.c.workflow_name,
            history_orders.c.id,
            history_orders.c.order_id,
            history_orders.c.start_time,
            history_orders.c.end_time,
            history_orders.c.severity,
            func.row_number()
            .over(
                partition_by=(history_orders.c.controller_id, history_orders.c.workflow_name),
                order_by=history_orders.c.id.desc(),
            )
            .label("rank"),
        )
        .where(
            history_orders.c.workflow_name.in_(wanted),
            IS_ROOT,
            history_orders.c.end_time.is_not(None),
            history_orders.c.start_time > now - 30 * 86_400_000,
        )
        .subquery()
    )
    async with context.database.read() as connection:
        counted = await connection.execute(
            select(live_orders.c.controller_id, live_orders.c.workflow_path, position, state, func.count())
            .where(live_orders.c.workflow_path.in_(wanted))
            .group_by(live_orders.c.controller_id, live_orders.c.workflow_path, position, state)
        )
        by_state: dict[tuple[str, str], dict[str, int]] = {}
        nodes: dict[tuple[str, str], dict[str, Any]] = {}
        for controller_id, path, where, code, count in counted:
            name = BY_CODE[code].text if code in BY_CODE else "UNKNOWN"
            states = by_state.setdefault((controller_id, path), {})
            states[name] = states.get(name, 0) + count
            if with_nodes:
                node = nodes.setdefault((controller_id, path), {}).setdefault(where, {"byState": {}})
                node["byState"][name] = count
        last_runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for run in await connection.execute(select(runs).where(runs.c.rank <= LAST_RUNS).order_by(runs.c.id)):
            last_runs.setdefault((run.controller_id, run.workflow_name), []).append(
                {
                    "historyId": run.id,
                    "orderId": run.order_id,
                    "end": run.end_time,
                    "ms": run.end_time - run.start_time,
                    "outcome": "SUCCESSFUL" if run.severity == 0 else "FAILED",
                }
            )
        inventory = {
            row.name: row
            for row in await connection.execute(
                select(inv_configurations.c.name, inv_configurations.c.title, inv_configurations.c.deployed).where(
                    inv_configurations.c.type == int(ObjectType.WORKFLOW), inv_configurations.c.name.in_(wanted)
                )
            )
        }
    rows: list[WorkflowRow] = []
    for item in items:
        key = (item.controller_id, item.path)
        stored = inventory.get(item.path)
        rows.append(
            WorkflowRow(
                key=names.path(item.path),
                controller_id=item.controller_id,
                path=names.path(item.path),
                version_id=item.version_id,
                counts={"byState": by_state.get(key, {})},
                sync={"_text": "IN_SYNC"},
                rev=now,
                draft={"differs": not stored.deployed} if stored is not None else None,
                title=stored.title if stored is not None else None,
                deployed_at=item.event_id // 1000,
                last_runs=last_runs.get(key, []),
                nodes=nodes.get(key, {}) if with_nodes else None,
            )
        )
    return rows


ROUTES = [
    Route(f"{PREFIX}/orders", ListRequest, Page, "ctl:orders:view", False, orders, method="GET"),
    Route(f"{PREFIX}/counts", CountsRequest, Counts, "ctl:orders:view", False, counts, method="GET"),
    Route(f"{PREFIX}/workflows", ListRequest, Page, "ctl:workflows:view", False, workflows, method="GET"),
]
