"""Planned orders with what history knows of them, and which of them a request means (cockpit-services 4.6, 4.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.daily_plan import dpl_order_variables, dpl_orders, dpl_submissions
from stellwerk.cockpit.database.tables.history import IS_ROOT, history_orders
from stellwerk.cockpit.inventory.tags import workflows_with
from stellwerk.cockpit.projection.model import BROKEN, CANCELLED, FINISHED
from stellwerk.language.daily_plan import main_part
from stellwerk.values.json import decode

PLANNED_STATE, SUBMITTED_STATE, FINISHED_STATE = "PLANNED", "SUBMITTED", "FINISHED"
SEVERITIES = {PLANNED_STATE: 4, SUBMITTED_STATE: 5, FINISHED_STATE: 6}
#: An order that is so much behind its planned start is late.
LATE_MS = 60_000
_ENDED = frozenset({FINISHED.code, CANCELLED.code, BROKEN.code})
_SLICE = MAXIMUM_BOUND_VALUES // 2


class PlannedRow(msgspec.Struct, frozen=True):
    """One planned start; members as the columns of `dpl_orders`, and of history."""

    id: int
    submission_history_id: int
    controller_id: str
    workflow_name: str
    workflow_folder: str
    schedule_name: str
    schedule_folder: str
    order_id: str
    main_part: str
    order_name: str
    start_mode: int
    submitted: bool
    submit_time: int | None
    period_begin: str | None
    period_end: str | None
    repeat_interval: int | None
    planned_start: int
    expected_end: int
    order_parameterisation: str | None
    plan_date: str
    history_id: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    history_state: int | None = None
    history_severity: int | None = None
    return_code: int | None = None
    error_text: str | None = None

    @property
    def workflow_path(self) -> str:
        return f"{self.workflow_folder.rstrip('/')}/{self.workflow_name}"

    @property
    def schedule_path(self) -> str:
        return f"{self.schedule_folder.rstrip('/')}/{self.schedule_name}"

    @property
    def is_cyclic(self) -> bool:
        return self.start_mode == 1

    @property
    def state(self) -> str:
        if not self.submitted:
            return PLANNED_STATE
        is_over = self.end_time is not None or self.history_state in _ENDED
        return FINISHED_STATE if is_over else SUBMITTED_STATE

    @property
    def is_fresh(self) -> bool:
        """Has not started."""
        return self.start_time is None

    def is_late(self, now_ms: int) -> bool:
        if self.start_time is None:
            return self.planned_start < now_ms
        return self.start_time > self.planned_start + LATE_MS

    def is_much_late(self, now_ms: int) -> bool:
        """What the filter `late` means."""
        return (now_ms if self.start_time is None else self.start_time) - self.planned_start >= LATE_MS

    @property
    def parameterisation(self) -> dict[str, Any]:
        found: dict[str, Any] = decode(self.order_parameterisation) if self.order_parameterisation else {}
        return found


def everything_anywhere(path: str, controller_id: str) -> bool:
    """Permits all."""
    return True


class FolderChoice(NamedTuple):
    folder: str
    recursive: bool


class PlanFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is absent does not restrict. Schedules and workflows by name. An id of one order of a cycle stands for the
    cycle."""

    controller_ids: Sequence[str] = ()
    order_ids: Sequence[str] = ()
    date_from: str | None = None
    date_to: str | None = None
    submission_ids: Sequence[int] = ()
    schedule_names: Sequence[str] = ()
    schedule_folders: Sequence[FolderChoice] = ()
    workflow_names: Sequence[str] = ()
    workflow_folders: Sequence[FolderChoice] = ()
    states: Sequence[str] = ()
    tags: Sequence[str] = ()
    workflow_tags: Sequence[str] = ()
    late: bool = False
    #: Whether an object at a path may be seen, at a Controller.
    permits: Callable[[str, str], bool] = everything_anywhere


class PlanReader:
    """Reads planned orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select(self, filter_: PlanFilter, now_ms: int) -> list[PlannedRow]:
        """By planned start."""
        async with self._database.read() as connection:
            return await select_rows(connection, filter_, now_ms)

    async def variables(self, main: str) -> dict[str, Any]:
        """Of an order or a cycle, by the main part of its id."""
        table = dpl_order_variables.c
        async with self._database.read() as connection:
            text = (
                await connection.execute(select(table.variable_value).where(table.main_part == main))
            ).scalar_one_or_none()
        values: dict[str, Any] = decode(text) if text else {}
        return values


async def select_rows(connection: AsyncConnection, filter_: PlanFilter, now_ms: int) -> list[PlannedRow]:
    """As `PlanReader.select`, in a transaction of the caller's."""
    found: list[PlannedRow] = []
    if filter_.order_ids:
        # What has no such part is not from a plan.
        mains = sorted({main for id_ in filter_.order_ids if (main := main_part(id_)) is not None})
        for part in slices(mains):
            found += await _rows(connection, _condition(filter_) & dpl_orders.c.main_part.in_(part))
    else:
        found = await _rows(connection, _condition(filter_))
    found.sort(key=lambda row: (row.planned_start, row.order_id))
    return [row for row in found if _wanted(row, filter_, now_ms)]


def slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Parts that a statement can have as bound values."""
    for start in range(0, len(values), _SLICE):
        yield values[start : start + _SLICE]


async def _rows(connection: AsyncConnection, condition: Any) -> list[PlannedRow]:
    orders, history = dpl_orders, history_orders
    query = (
        select(
            *(orders.c[name] for name in PlannedRow.__struct_fields__ if name in orders.c),
            dpl_submissions.c.submission_for_date.label("plan_date"),
            history.c.id.label("history_id"),
            history.c.start_time,
            history.c.end_time,
            history.c.state.label("history_state"),
            history.c.severity.label("history_severity"),
            history.c.end_return_code.label("return_code"),
            history.c.error_text,
        )
        .join(dpl_submissions, dpl_submissions.c.id == orders.c.submission_history_id)
        .outerjoin(
            history,
            and_(
                orders.c.submitted,
                history.c.order_id == orders.c.order_id,
                history.c.controller_id == orders.c.controller_id,
                IS_ROOT,
            ),
        )
        .where(condition)
    )
    return [_planned(row) for row in await connection.execute(query)]


def _planned(row: Any) -> PlannedRow:
    return PlannedRow(**row._mapping)


def _condition(filter_: PlanFilter) -> Any:
    orders, dates = dpl_orders.c, dpl_submissions.c.submission_for_date
    conditions: list[Any] = [orders.id.is_not(None)]
    if filter_.controller_ids:
        conditions.append(orders.controller_id.in_(list(filter_.controller_ids)))
    if filter_.date_from is not None:
        conditions.append(dates >= filter_.date_from)
    if filter_.date_to is not None:
        conditions.append(dates <= filter_.date_to)
    if filter_.submission_ids:
        conditions.append(orders.submission_history_id.in_(list(filter_.submission_ids)))
    if filter_.workflow_tags:
        conditions.append(orders.workflow_name.in_(workflows_with(filter_.workflow_tags)))
    for names, folders, name, folder in (
        (filter_.schedule_names, filter_.schedule_folders, orders.schedule_name, orders.schedule_folder),
        (filter_.workflow_names, filter_.workflow_folders, orders.workflow_name, orders.workflow_folder),
    ):
        if names or folders:
            choices = [name.in_(list(names)) if names else false()]
            choices += [_in_folder(folder, choice) for choice in folders]
            conditions.append(or_(*choices))
    return and_(*conditions)


def _in_folder(column: Any, choice: FolderChoice) -> Any:
    if not choice.recursive:
        return column == choice.folder
    below = column.startswith(choice.folder.rstrip("/") + "/", autoescape=True)
    return or_(column == choice.folder, below)


def _wanted(row: PlannedRow, filter_: PlanFilter, now_ms: int) -> bool:
    return (
        (not filter_.states or row.state in filter_.states)
        and (not filter_.late or row.is_much_late(now_ms))
        and (not filter_.tags or bool(set(filter_.tags) & set(row.parameterisation.get("tags", ()))))
        and filter_.permits(row.workflow_path, row.controller_id)
        and filter_.permits(row.schedule_path, row.controller_id)
    )


def by_controller(rows: Iterable[PlannedRow]) -> dict[str, list[PlannedRow]]:
    found: dict[str, list[PlannedRow]] = {}
    for row in rows:
        found.setdefault(row.controller_id, []).append(row)
    return found


def cycles(rows: Iterable[PlannedRow]) -> list[list[PlannedRow]]:
    """Single starts, and starts of one cycle together, by the first start."""
    found: dict[str, list[PlannedRow]] = {}
    for row in rows:
        found.setdefault(row.main_part if row.is_cyclic else row.order_id, []).append(row)
    return list(found.values())
