"""Other start times, cycles, variables and positions for planned orders, and copies of them (cockpit-services 4.7).

Orders that are submitted are taken back from the Controller first, changed in one transaction, and submitted again
under a new id. A Cockpit that is killed in between leaves them planned, so that the next submission sends them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BadRequest, BulkError
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.daily_plan.changes import PlanChanges, require_fresh, set_parameterisation, set_planned
from stellwerk.cockpit.daily_plan.generation import Generator, cycle_columns
from stellwerk.cockpit.daily_plan.selection import PlanFilter, PlannedRow, PlanReader, cycles, slices
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.start_times import NewStart, new_start
from stellwerk.cockpit.daily_plan.submission import Submitter, copy_variables
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import dpl_order_variables, dpl_orders
from stellwerk.cockpit.projection.model import NEVER_MS
from stellwerk.effects.clock import Clock
from stellwerk.language.calendars import Period, StartTimes
from stellwerk.language.daily_plan import main_part, with_number
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

_DATE_LENGTH = len("#2026-01-31")


class CycleTimes(msgspec.Struct, frozen=True):
    """Texts as of a period; what is absent stays."""

    begin: str | None = None
    end: str | None = None
    repeat: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different. What is absent stays."""

    account: str
    scheduled_for: str | None = None
    cycle: CycleTimes | None = None
    time_zone: str | None = None
    stick_date: bool = False
    force_job_admission: bool = False
    variables: Mapping[str, Any] = {}
    remove_variables: Sequence[str] = ()
    positions: Mapping[str, Any] = {}

    @property
    def is_for_one_workflow(self) -> bool:
        return bool(self.variables or self.remove_variables or self.positions)


class _Target(NamedTuple):
    """One order as it shall be."""

    #: The order that it comes from; several targets may have one.
    source: PlannedRow
    start: int
    date: str
    order_id: str
    #: `period_begin`, `period_end`, `repeat_interval`.
    period: tuple[str | None, str | None, int | None]


class Rescheduler:
    """Modifies and copies."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reader: PlanReader,
        generator: Generator,
        submitter: Submitter,
        changes: PlanChanges,
        order_ids: OrderIds,
        settings: DailyPlanSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reader = reader
        self._generator = generator
        self._submitter = submitter
        self._changes = changes
        self._order_ids = order_ids
        self._settings = settings

    async def modify(self, controller_id: str, rows: Sequence[PlannedRow], change: Change) -> dict[str, str]:
        """Old id → new id (may be the same). Raises `BadRequest`, `BulkError` for orders that the Controller keeps."""
        self._check(rows, change)
        async with self._submitter.exclusive(controller_id):
            await self._submitter.settle_exclusively(controller_id, self._database.write)
            rows = await self._again(rows)
            require_fresh(rows)
            targets = await self._targets(controller_id, rows, change, is_copy=False)
            submitted = [row for row in rows if row.submitted]
            cancelled, refused = await self._changes.cancel_exclusively(controller_id, submitted)
            refused_ids = {order_id for order_id, _ in refused}
            targets = [target for target in targets if target.source.order_id not in refused_ids]
            async with self._database.write() as connection:
                await set_planned(connection, cancelled)
            try:
                async with self._database.write() as connection:
                    await self._write(connection, controller_id, targets, change, is_copy=False)
            except BadRequest:
                # As they were before, under other ids.
                write = self._database.write
                await self._submitter.submit_exclusively(controller_id, cancelled, change.account, write)
                raise
            await self._submit(controller_id, {row.order_id for row in cancelled}, targets, change.account)
        if refused:
            raise BulkError([(order_id, COMMAND_REFUSED, str(problem)) for order_id, problem in refused])
        return {target.source.order_id: target.order_id for target in reversed(targets)}

    async def copy(self, controller_id: str, rows: Sequence[PlannedRow], change: Change) -> dict[str, str]:
        """Old id → id of the copy. Copies of submitted orders, and for now, are submitted."""
        if not rows:
            require_fresh(rows)
        if change.scheduled_for is None and change.cycle is None:
            raise BadRequest("scheduledFor or cycle is needed: when shall the copies start?")
        targets = await self._targets(controller_id, rows, change, is_copy=True)
        is_now = change.scheduled_for is not None and self._start(change).is_now
        async with self._submitter.exclusive(controller_id):
            async with self._database.write() as connection:
                await self._write(connection, controller_id, targets, change, is_copy=True)
            submitted = {row.order_id for row in rows if row.submitted or is_now}
            await self._submit(controller_id, submitted, targets, change.account)
        return {target.source.order_id: target.order_id for target in reversed(targets)}

    def _check(self, rows: Sequence[PlannedRow], change: Change) -> None:
        require_fresh(rows)
        if change.is_for_one_workflow and len({row.workflow_name for row in rows}) > 1:
            raise BadRequest("All orders must belong to the same workflow when variables or positions are modified.")

    async def _again(self, rows: Sequence[PlannedRow]) -> list[PlannedRow]:
        """As they are now, under the lock."""
        ids = {row.id for row in rows}
        found = await self._reader.select(
            PlanFilter(order_ids=sorted({row.order_id for row in rows})), self._clock.now_ms()
        )
        return [row for row in found if row.id in ids]

    async def _submit(self, controller_id: str, submitted: set[str], targets: Sequence[_Target], account: str) -> None:
        ids = {target.order_id for target in targets if target.source.order_id in submitted}
        if not ids:
            return
        found = await self._reader.select(PlanFilter(order_ids=sorted(ids)), self._clock.now_ms())
        rows = [row for row in found if row.order_id in ids]
        done = await self._submitter.submit_exclusively(controller_id, rows, account, self._database.write)
        if done.failures:
            raise BulkError([(order_id, COMMAND_REFUSED, message) for order_id, message in done.failures])

    # --- what shall be ------------------------------------------------------------------------------------------------

    async def _targets(
        self, controller_id: str, rows: Sequence[PlannedRow], change: Change, *, is_copy: bool
    ) -> list[_Target]:
        groups = cycles(rows)
        numbers = iter(await self._order_ids.numbers(len(rows)))
        if change.cycle is not None:
            if len(groups) != 1 or not rows[0].is_cyclic:
                raise BadRequest("cycle is possible for exactly one cyclic order")
            return await self._other_cycle(rows, change, change.cycle, next(numbers))
        if change.scheduled_for is None:
            return [_unmoved(row, number) for group in groups for row, number in _renumbered(group, next(numbers))]
        start = self._start(change)
        now = self._clock.now_ms()
        settings = self._settings.read()
        targets: list[_Target] = []
        for group in groups:
            offset = start.of(group[0].planned_start) - group[0].planned_start
            if group[0].planned_start + offset == NEVER_MS and len(group) > 1:
                raise BadRequest("a cycle cannot be planned for 'never'")
            if (
                len(groups) == 1
                and not start.is_relative
                and not start.is_now
                and group[0].planned_start + offset < now
            ):
                raise BadRequest("The planned start time must be in the future.")
            by_part: dict[tuple[str, str], int] = {}
            for row in group:
                moved = row.planned_start + offset
                sticks = change.stick_date or moved == NEVER_MS
                day = row.plan_date if sticks else settings.plan_date(moved).isoformat()
                keeps_id = not is_copy and not row.submitted and day == row.plan_date
                key = (row.main_part, day)
                if not keeps_id and key not in by_part:
                    by_part[key] = next(numbers)
                order_id = row.order_id if keeps_id else _moved_id(row.order_id, day, by_part[key])
                targets.append(_Target(row, moved, day, order_id, _period(row)))
        return targets

    def _start(self, change: Change) -> NewStart:
        return new_start(change.scheduled_for or "", change.time_zone, self._clock.now_ms())

    async def _other_cycle(
        self, rows: Sequence[PlannedRow], change: Change, cycle: CycleTimes, number: int
    ) -> list[_Target]:
        """The starts of the changed cycle on the date of the old one, or on another date."""
        first = rows[0]
        day = date.fromisoformat(first.plan_date)
        if change.scheduled_for:
            other = self._start(change).date
            if other is None:
                raise BadRequest(f"scheduledFor '{change.scheduled_for}': of a cycle only the date can be given")
            day = other
        period = Period(
            begin=cycle.begin or first.period_begin,
            end=cycle.end or first.period_end,
            repeat=cycle.repeat or _duration_text(first.repeat_interval or 0),
        )
        settings = self._settings.read()
        try:
            starts = StartTimes([period]).instants(
                change.time_zone or "Etc/UTC", day.toordinal(), (day.toordinal(),), settings.period_begin_seconds
            )
        except ProblemError as error:
            raise BadRequest(f"cycle: {error.problem}") from None
        now = self._clock.now_ms()
        instants = sorted(instant for instant in starts if instant > now)
        if not instants:
            raise BadRequest("The planned start time must be in the future.")
        plan_day = first.plan_date if change.stick_date else day.isoformat()
        main = main_part(_moved_id(first.order_id, plan_day, number))
        columns = cycle_columns(period.begin, period.end, period.repeat, True)
        size = len(instants)
        return [
            _Target(
                rows[min(index, len(rows)) - 1],
                instant,
                plan_day,
                f"{main}{index:05}-{size}-{first.order_name}",
                columns,
            )
            for index, instant in enumerate(instants, 1)
        ]

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _write(
        self,
        connection: AsyncConnection,
        controller_id: str,
        targets: Sequence[_Target],
        change: Change,
        *,
        is_copy: bool,
    ) -> None:
        submissions = {
            day: await self._generator.submission_in(connection, controller_id, date.fromisoformat(day), change.account)
            for day in sorted({target.date for target in targets})
        }
        now = self._clock.now_ms()
        for target in targets:
            main = main_part(target.order_id)
            assert main is not None, "ids of plans have it"
            await copy_variables(connection, target.source.main_part, main, now)
        try:
            if is_copy or change.cycle is not None:
                if not is_copy:
                    await _delete_rows(connection, targets)
                await connection.execute(insert(dpl_orders), [_new_row(item, submissions, now) for item in targets])
            else:
                for target in _in_free_order(targets):
                    values = _changed_columns(target, submissions, now)
                    await connection.execute(
                        update(dpl_orders).where(dpl_orders.c.id == target.source.id).values(values)
                    )
        except IntegrityError:
            raise BadRequest(
                "there is already an order of this schedule, workflow and name planned for the new start time"
            ) from None
        await self._write_parameters(connection, targets, change, now)

    async def _write_parameters(
        self, connection: AsyncConnection, targets: Sequence[_Target], change: Change, now: int
    ) -> None:
        if change.variables or change.remove_variables:
            for main in sorted({main for target in targets if (main := main_part(target.order_id))}):
                await self._change_variables(connection, main, change, now)
        members: dict[str, Any] = {}
        if change.force_job_admission:
            members["forceJobAdmission"] = True
        ids = [target.order_id for target in targets]
        if not members and not change.positions:
            return
        for target, row_id in zip(targets, await _ids_of(connection, ids), strict=True):
            positions = target.source.parameterisation.get("positions", {}) | dict(change.positions)
            row = msgspec.structs.replace(target.source, id=row_id)
            await set_parameterisation(connection, row, {**members, "positions": positions or None})

    async def _change_variables(self, connection: AsyncConnection, main: str, change: Change, now: int) -> None:
        table = dpl_order_variables
        query = select(table.c.variable_value).where(table.c.main_part == main)
        text = (await connection.execute(query)).scalar_one_or_none()
        values: dict[str, Any] = decode(text) if text else {}
        values = {name: value for name, value in values.items() if name not in change.remove_variables}
        values |= change.variables
        row = {"main_part": main, "variable_value": encode(values).decode(), "modified": now}
        await connection.execute(self._database.upsert(table, ["main_part"]), [row])


def _renumbered(group: Sequence[PlannedRow], number: int) -> Iterator[tuple[PlannedRow, int | None]]:
    """Those that are submitted get another number."""
    for row in group:
        yield row, number if row.submitted else None


def _unmoved(row: PlannedRow, number: int | None) -> _Target:
    order_id = row.order_id if number is None else with_number(row.order_id, number)
    return _Target(row, row.planned_start, row.plan_date, order_id, _period(row))


def _moved_id(order_id: str, day: str, number: int) -> str:
    return f"#{day}{with_number(order_id, number)[_DATE_LENGTH:]}"


def _period(row: PlannedRow) -> tuple[str | None, str | None, int | None]:
    return row.period_begin, row.period_end, row.repeat_interval


def _duration_text(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _in_free_order(targets: Sequence[_Target]) -> Iterator[_Target]:
    """So that a start never meets one that has still to move out of its way."""
    later = [target for target in targets if target.start > target.source.planned_start]
    yield from sorted(later, key=lambda target: -target.start)
    yield from sorted((target for target in targets if target not in later), key=lambda target: target.start)


def _changed_columns(target: _Target, submissions: Mapping[str, int], now: int) -> dict[str, Any]:
    begin, end, interval = target.period
    return {
        "submission_history_id": submissions[target.date],
        "order_id": target.order_id,
        "main_part": main_part(target.order_id),
        "planned_start": target.start,
        "expected_end": target.start + target.source.expected_end - target.source.planned_start,
        "period_begin": begin,
        "period_end": end,
        "repeat_interval": interval,
        "modified": now,
    }


def _new_row(target: _Target, submissions: Mapping[str, int], now: int) -> dict[str, Any]:
    names = {column.name for column in dpl_orders.columns} - {"id"}
    source = {name: value for name, value in msgspec.structs.asdict(target.source).items() if name in names}
    return (
        source | _changed_columns(target, submissions, now) | {"submitted": False, "submit_time": None, "created": now}
    )


async def _delete_rows(connection: AsyncConnection, targets: Sequence[_Target]) -> None:
    """The whole cycle that the targets replace."""
    mains = sorted({target.source.main_part for target in targets})
    await connection.execute(delete(dpl_orders).where(dpl_orders.c.main_part.in_(mains), ~dpl_orders.c.submitted))


async def _ids_of(connection: AsyncConnection, order_ids: Sequence[str]) -> list[int]:
    """The rows' ids, in the order of the order ids."""
    table = dpl_orders.c
    found: dict[str, int] = {}
    for part in slices(order_ids):
        mains = sorted({main for id_ in part if (main := main_part(id_))})
        query = select(table.order_id, table.id).where(table.main_part.in_(mains), table.order_id.in_(part))
        found.update((row.order_id, row.id) for row in await connection.execute(query))
    return [found[order_id] for order_id in order_ids]
