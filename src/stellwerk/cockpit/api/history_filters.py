"""The filters of `orders/history`, `tasks/history` and the summaries of both (cockpit-api 1.6, 1.7, 8), as selections.

Ids and paths override `folders`; all else is ANDed. What is excluded wins over what is asked for. Tags of
workflows are those of now; the history keeps none of orders: who asks for some finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Table, and_, false, or_, select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.routes import RequestContext
from stellwerk.cockpit.database.tables.history import IS_ROOT, history_order_steps, history_orders, is_severity
from stellwerk.cockpit.database.tables.tags import inv_taggings, inv_tags
from stellwerk.cockpit.history.selection import MAXIMUM_ALTERNATIVES, Condition, Selection, unindexed
from stellwerk.cockpit.inventory.names import is_in_folder, name_of
from stellwerk.cockpit.inventory.tag_names import TagKind, names_of
from stellwerk.cockpit.live.names import WorkflowNames

#: Rows of one answer; `limit: -1` is as many.
MAXIMUM_ROWS = 10_000
_SEVERITY = {"SUCCESSFUL": 0, "INCOMPLETE": 1, "FAILED": 2}
_CRITICALITIES = ("MINOR", "NORMAL", "MAJOR", "CRITICAL")


class Folder(msgspec.Struct):
    folder: str
    recursive: bool = False


class OrderPath(msgspec.Struct, rename="camel"):
    workflow_path: str
    order_id: str | None = None


class JobPath(msgspec.Struct, rename="camel"):
    workflow_path: str
    job: str | None = None


class OrdersFilter(msgspec.Struct, rename="camel"):
    """`compact`: without the orders' arguments."""

    controller_id: str = ""
    orders: list[OrderPath] = []
    exclude_workflows: list[str] = []
    compact: bool = False
    order_id: str | None = None
    workflow_path: str | None = None
    workflow_name: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    completed_date_from: str | None = None
    completed_date_to: str | None = None
    time_zone: str | None = None
    folders: list[Folder] = []
    limit: int = MAXIMUM_ROWS
    history_states: list[str] = []
    history_ids: list[int] = []
    workflow_tags: list[str] = []
    order_tags: list[str] = []
    without_workflow_tags: bool = False


class TaskIdOfOrder(msgspec.Struct, rename="camel"):
    history_id: int
    position: str


class JobsFilter(msgspec.Struct, rename="camel"):
    controller_id: str = ""
    jobs: list[JobPath] = []
    exclude_jobs: list[JobPath] = []
    job_name: str | None = None
    workflow_path: str | None = None
    workflow_name: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    completed_date_from: str | None = None
    completed_date_to: str | None = None
    time_zone: str | None = None
    folders: list[Folder] = []
    limit: int = MAXIMUM_ROWS
    history_states: list[str] = []
    criticalities: list[str] = []
    task_ids: list[int] = []
    history_ids: list[TaskIdOfOrder] = []
    workflow_tags: list[str] = []
    order_tags: list[str] = []
    order_id: str | None = None
    without_workflow_tags: bool = False


def row_limit(limit: int) -> int:
    return MAXIMUM_ROWS if limit < 0 else min(limit, MAXIMUM_ROWS)


def selected_orders(context: RequestContext, request: OrdersFilter) -> Selection:
    """Started orders that are no children of others."""
    table = history_orders.c
    asked: list[Sequence[Condition]] = []
    where: list[Condition] = []
    if request.history_ids:
        asked.append([table.id.in_(request.history_ids)])
    if request.order_id:
        asked.append([table.order_id == request.order_id])
    if request.orders:
        asked.append([_is_order(one) for one in request.orders])
    if request.exclude_workflows:
        excluded = [name_of(path) for path in request.exclude_workflows]
        where.append(unindexed(table.workflow_name).not_in(excluded))
    return _selection(context, request, history_orders, [IS_ROOT], asked, where)


def selected_tasks(context: RequestContext, request: JobsFilter) -> Selection:
    """Attempts of jobs."""
    table = history_order_steps.c
    asked: list[Sequence[Condition]] = []
    where: list[Condition] = []
    if request.task_ids:
        asked.append([table.id.in_(request.task_ids)])
    if request.history_ids:
        asked.append(
            [(table.ho_id == one.history_id) & (table.workflow_position == one.position) for one in request.history_ids]
        )
    if request.order_id:
        asked.append([table.order_id == request.order_id])
    if request.jobs:
        asked.append([_is_job(one) for one in request.jobs])
    where += [~_is_job(one) for one in request.exclude_jobs]
    if request.criticalities:
        where.append(_is_critical(request.criticalities))
    return _selection(context, request, history_order_steps, [], asked, where)


class _Filter(Protocol):
    """What both requests have in common."""

    controller_id: str
    workflow_path: str | None
    workflow_name: str | None
    date_from: str | None
    date_to: str | None
    completed_date_from: str | None
    completed_date_to: str | None
    time_zone: str | None
    folders: list[Folder]
    history_states: list[str]
    workflow_tags: list[str]
    order_tags: list[str]


def _selection(
    context: RequestContext,
    request: _Filter,
    table: Table,
    ranges: Sequence[Condition],
    asked: list[Sequence[Condition]],
    where: Sequence[Condition],
) -> Selection:
    """`asked`: alternatives of ids and names, the most selective ones first."""
    names = context.services.get(WorkflowNames)
    column = table.c.workflow_name
    if request.workflow_path:
        asked.append([column == name_of(request.workflow_path)])
    if request.workflow_name:
        asked.append([column == request.workflow_name])
    ranges, where = [*ranges, *_dates(context, request, table)], [*where]
    where += permitted(
        context, "ctl:orders:view", table.c.controller_id, request.controller_id, workflow=unindexed(column)
    )
    if request.workflow_tags:
        where.append(unindexed(column).in_(_tagged(request.workflow_tags)))
    if request.order_tags:
        where.append(false())
    if request.folders and not asked:
        _add_folders(names, request.folders, column, asked, where)
    job = getattr(request, "job_name", None)
    if job and asked:
        where.append(unindexed(table.c.job_name) == job)
    elif job:
        asked.append([table.c.job_name == job])
    states = _states(table, request.history_states)
    if len(states) == 1:
        ranges += states
    elif states:
        asked.append(states)
    # What is found by its index is the first; the others only have to hold.
    alternatives, *others = asked or [[]]
    where += [or_(*conditions) for conditions in others]
    return Selection(table, ranges, alternatives, where)


def _tagged(tags: Sequence[str]) -> Any:
    """Names of the workflows that have one of the tags."""
    return (
        select(inv_taggings.c.workflow_name)
        .join(inv_tags, inv_tags.c.id == inv_taggings.c.tag_id)
        .where(
            inv_tags.c.kind == int(TagKind.WORKFLOW), inv_tags.c.name.in_(names_of(tags)), inv_taggings.c.job_name == ""
        )
    )


def _add_folders(
    names: WorkflowNames,
    folders: Sequence[Folder],
    column: Any,
    asked: list[Sequence[Condition]],
    where: list[Condition],
) -> None:
    """A workflow that the inventory does not have lies in the root folder."""
    if any(one.folder == "/" and one.recursive for one in folders):
        return
    paths = names.all_paths()
    found = sorted(
        name
        for name, path in paths.items()
        if any(is_in_folder(path, one.folder, recursive=one.recursive) for one in folders)
    )
    if any(one.folder == "/" for one in folders):
        outside = unindexed(column).not_in(list(paths))
        where.append(or_(unindexed(column).in_(found), outside))
    elif len(found) <= MAXIMUM_ALTERNATIVES:
        asked.append([column == name for name in found] or [false()])
    else:
        where.append(unindexed(column).in_(found))


def _dates(context: RequestContext, request: _Filter, table: Table) -> list[Condition]:
    start, end, now = table.c.start_time, table.c.end_time, context.now_ms()
    limits: tuple[tuple[str | None, bool, Callable[[int], Condition]], ...] = (
        (request.date_from, False, lambda value: start >= value),
        (request.date_to, True, lambda value: start < value),
        (request.completed_date_from, False, lambda value: end >= value),
        # What has ended before has begun before: the index is on the start.
        (request.completed_date_to, True, lambda value: and_(end < value, start < value)),
    )
    found: list[Condition] = []
    for text, is_end, condition in limits:
        value = instant_ms(text, now, time_zone=request.time_zone, is_end=is_end, is_past=True)
        if value is not None:
            found.append(condition(value))
    return found


def _states(table: Table, states: Sequence[str]) -> list[Condition]:
    _require_known("historyStates", states, _SEVERITY)
    return [is_severity(table, _SEVERITY[state]) for state in dict.fromkeys(states)]


def _is_critical(criticalities: Sequence[str]) -> Condition:
    _require_known("criticalities", criticalities, _CRITICALITIES)
    column = history_order_steps.c.criticality
    condition: Condition = column.in_(criticalities)
    return or_(condition, column.is_(None)) if "NORMAL" in criticalities else condition


def _require_known(member: str, values: Sequence[str], known: Any) -> None:
    unknown = set(values) - set(known)
    if unknown:
        raise BadRequest(f"{member}: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")


def _is_job(one: JobPath) -> Condition:
    condition: Condition = history_order_steps.c.workflow_name == name_of(one.workflow_path)
    # Many workflows may have a job of this name, but a workflow has few jobs.
    return condition & (unindexed(history_order_steps.c.job_name) == one.job) if one.job else condition


def _is_order(one: OrderPath) -> Condition:
    condition: Condition = history_orders.c.workflow_name == name_of(one.workflow_path)
    return condition & (history_orders.c.order_id == one.order_id) if one.order_id else condition
