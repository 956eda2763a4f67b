"""What people do with a plan: generate, submit, cancel, delete, change priorities (cockpit-services 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BadRequest, BulkError, ControllerObjectNotFound
from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.client import ControllerClient
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.generation import Generation, Generator
from stellwerk.cockpit.daily_plan.selection import (
    PLANNED_STATE,
    SUBMITTED_STATE,
    PlanFilter,
    PlannedRow,
    PlanReader,
    by_controller,
    slices,
)
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import PlanSources
from stellwerk.cockpit.daily_plan.submission import IS_OPEN, Submitter
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import (
    dpl_history,
    dpl_order_variables,
    dpl_orders,
    dpl_submissions,
)
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan import DailyPlan
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem


class PlanChanges:
    """Each call answers when it is done; of orders that a Controller refuses `BulkError` tells, the others are done."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reader: PlanReader,
        generator: Generator,
        submitter: Submitter,
        connections: ControllerConnections,
        arrivals: Arrivals,
        sources: PlanSources,
        settings: DailyPlanSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reader = reader
        self._generator = generator
        self._submitter = submitter
        self._connections = connections
        self._arrivals = arrivals
        self._sources = sources
        self._settings = settings

    # --- generate, submit ---------------------------------------------------------------------------------------------

    async def generate(self, generation: Generation, *, overwrite: bool, submit: bool) -> int:
        """Plan dates; gives how many orders have been added. `overwrite`: planned again are also those that are there.

        Submitted are then all orders of schedules that ask for it or, with `submit`, of all schedules of the request,
        also those that were planned before: so a request that was broken off can be repeated.
        """
        await self._connections.client(generation.controller_id)  # unknown ones are refused
        if overwrite:
            await self._make_room(generation)
        added = await self._generator.generate(generation, self._database.write)
        schedules = [
            item.name
            for item in await self._sources.schedules()
            if (submit or item.submit_order_to_controller_when_planned) and generation.wants_schedule(item)
        ]
        if schedules:
            rows = await self._reader.select(
                PlanFilter(
                    controller_ids=[generation.controller_id],
                    date_from=min(generation.dates).isoformat(),
                    date_to=max(generation.dates).isoformat(),
                    schedule_names=schedules,
                    states=[PLANNED_STATE],
                    permits=lambda path, _: generation.permits(path),
                ),
                self._clock.now_ms(),
            )
            dates = {day.isoformat() for day in generation.dates}
            wanted = [row for row in rows if row.plan_date in dates and generation.wants_workflow(row.workflow_path)]
            await self._submit(wanted, generation.account)
        return added

    async def _make_room(self, generation: Generation) -> None:
        """Take back and delete the orders that are going to be planned again, unless they have started."""
        source = await self._sources.read(generation.controller_id, generation.permits)
        settings = self._settings.read()
        wanted = [item for item in source.schedules if generation.wants_schedule(item)]
        plan = DailyPlan(wanted, source.calendars, settings.period_begin_seconds, source.workflows_with_variables)
        keys: set[tuple[str, int, str, str, int]] = set()
        now = self._clock.now_ms()
        for day in generation.dates:
            for planned in plan.day(day):
                orders = planned.orders if generation.include_late else planned.later_than(now).orders
                keys.update(
                    (planned.schedule.name, order.scheduled_for, order.workflow, order.order_name, order.is_cyclic)
                    for order in orders
                )
        names = sorted({key[0] for key in keys})
        rows: list[PlannedRow] = []
        for part in slices(names):
            filter_ = PlanFilter(
                controller_ids=[generation.controller_id],
                schedule_names=part,
                states=[PLANNED_STATE, SUBMITTED_STATE],
                permits=lambda path, _: generation.permits(path),
            )
            rows += [
                row
                for row in await self._reader.select(filter_, now)
                if row.is_fresh
                and generation.wants_workflow(row.workflow_path)
                and (row.schedule_name, row.planned_start, row.workflow_name, row.order_name, row.is_cyclic) in keys
            ]
        await self.cancel(row for row in rows if row.submitted)
        await self.delete([msgspec.structs.replace(row, submitted=False) for row in rows])

    async def submit(self, filter_: PlanFilter, account: str) -> int:
        """Submit what is planned; gives how many orders the Controllers have got."""
        filter_ = msgspec.structs.replace(filter_, states=[PLANNED_STATE])
        return await self._submit(await self._reader.select(filter_, self._clock.now_ms()), account)

    async def _submit(self, rows: Iterable[PlannedRow], account: str) -> int:
        count = 0
        failures: list[tuple[str, str, str]] = []
        for controller_id, own in by_controller(rows).items():
            submitted = await self._submitter.submit(controller_id, own, account, self._database.write)
            count += submitted.accepted
            failures += [(order_id, COMMAND_REFUSED, message) for order_id, message in submitted.failures]
        if failures:
            raise BulkError(failures)
        return count

    # --- cancel, delete -----------------------------------------------------------------------------------------------

    async def cancel(self, rows: Iterable[PlannedRow]) -> None:
        """Take submitted orders that have not started back from their Controllers: they are planned again."""
        failures: list[tuple[str, str, str]] = []
        submitted = [row for row in rows if row.state == SUBMITTED_STATE]
        for controller_id, own in by_controller(submitted).items():
            async with self._submitter.exclusive(controller_id):
                cancelled, refused = await self.cancel_exclusively(controller_id, own)
                async with self._database.write() as connection:
                    await set_planned(connection, cancelled)
                failures += [(order_id, COMMAND_REFUSED, str(problem)) for order_id, problem in refused]
        if failures:
            raise BulkError(failures)

    async def cancel_exclusively(
        self, controller_id: str, rows: Sequence[PlannedRow]
    ) -> tuple[list[PlannedRow], list[tuple[str, Problem]]]:
        """Those that the Controller has cancelled, and why not the others. Writes nothing; the caller holds the lock.

        An order that the Controller does not know was cancelled before, unless it has ever started.
        """
        client = await self._connections.client(controller_id)
        commands = [{"TYPE": "CancelOrders", "orderIds": [row.order_id], "mode": {"TYPE": "FreshOnly"}} for row in rows]
        results = await client.batch(commands, repeatable=True)
        pairs = list(zip(rows, results, strict=True))
        unknown = [row.order_id for row, result in pairs if isinstance(result, Problem) and _is_unknown(result)]
        gone = await self._never_started(client, unknown)
        cancelled = [row for row, result in pairs if not isinstance(result, Problem) or row.order_id in gone]
        refused = [
            (row.order_id, result) for row, result in pairs if isinstance(result, Problem) and row.order_id not in gone
        ]
        return cancelled, refused

    async def _never_started(self, client: ControllerClient, order_ids: Sequence[str]) -> set[str]:
        return set(order_ids) - await self._arrivals.started(client, order_ids) if order_ids else set()

    async def delete(self, rows: Sequence[PlannedRow]) -> int:
        """Delete what is planned, not what is submitted or being submitted; gives how many. The dates stay planned."""
        count = 0
        ids = [row.id for row in rows if row.state == PLANNED_STATE]
        for part in slices(ids):
            async with self._database.write() as connection:
                result = await connection.execute(
                    delete(dpl_orders).where(dpl_orders.c.id.in_(part), ~dpl_orders.c.submitted, ~_is_being_sent())
                )
                count += result.rowcount
        await self._delete_unused_variables(rows)
        return count

    async def _delete_unused_variables(self, rows: Iterable[PlannedRow]) -> None:
        mains = sorted({row.main_part for row in rows})
        is_used = exists().where(dpl_orders.c.main_part == dpl_order_variables.c.main_part)
        for part in slices(mains):
            async with self._database.write() as connection:
                table = dpl_order_variables
                await connection.execute(delete(table).where(table.c.main_part.in_(part), ~is_used))

    async def delete_submissions(self, controller_id: str, first: date | None, last: date) -> bool:
        """Forget the plans of dates, so that the service plans them again; False: some orders are submitted."""
        table = dpl_submissions.c
        condition = (table.controller_id == controller_id) & (table.submission_for_date <= last.isoformat())
        if first is not None:
            condition &= table.submission_for_date >= first.isoformat()
        async with self._database.write() as connection:
            ids = list((await connection.execute(select(table.id).where(condition).with_for_update())).scalars())
            for part in slices(ids):
                is_kept = dpl_orders.c.submission_history_id.in_(part) & (dpl_orders.c.submitted | _is_being_sent())
                if (await connection.execute(select(dpl_orders.c.id).where(is_kept).limit(1))).first() is not None:
                    return False
            for part in slices(ids):
                own = dpl_orders.c.submission_history_id.in_(part)
                mains = select(dpl_orders.c.main_part).where(own)
                await connection.execute(delete(dpl_order_variables).where(dpl_order_variables.c.main_part.in_(mains)))
                await connection.execute(delete(dpl_orders).where(own))
                await connection.execute(delete(dpl_submissions).where(table.id.in_(part)))
        return True

    # --- priority -----------------------------------------------------------------------------------------------------

    async def change_priority(self, rows: Sequence[PlannedRow], priority: int) -> None:
        """Planned orders keep it for their submission; submitted ones are changed at the Controller, too."""
        require_fresh(rows)
        failures: list[tuple[str, str, str]] = []
        for controller_id, own in by_controller(rows).items():
            submitted = [row for row in own if row.submitted]
            client = await self._connections.client(controller_id)
            commands = [{"TYPE": "ChangeOrder", "orderId": row.order_id, "priority": priority} for row in submitted]
            results = await client.batch(commands, repeatable=True)
            refused = {
                row.order_id: result
                for row, result in zip(submitted, results, strict=True)
                if isinstance(result, Problem)
            }
            async with self._database.write() as connection:
                for row in own:
                    if row.order_id not in refused:
                        await set_parameterisation(connection, row, {"priority": priority or None})
            failures += [(order_id, COMMAND_REFUSED, str(problem)) for order_id, problem in refused.items()]
        if failures:
            raise BulkError(failures)


async def set_planned(connection: AsyncConnection, rows: Iterable[PlannedRow]) -> None:
    """They are not at the Controller any more."""
    ids = [row.id for row in rows]
    for part in slices(ids):
        values = {"submitted": False, "submit_time": None}
        await connection.execute(update(dpl_orders).where(dpl_orders.c.id.in_(part)).values(values))


async def set_parameterisation(connection: AsyncConnection, row: PlannedRow, members: dict[str, Any]) -> None:
    """Change members; None removes one."""
    values = {name: value for name, value in (row.parameterisation | members).items() if value not in (None, False)}
    text = encode(values).decode() if values else None
    await connection.execute(update(dpl_orders).where(dpl_orders.c.id == row.id).values(order_parameterisation=text))


def require_fresh(rows: Sequence[PlannedRow]) -> None:
    """Raises unless there are some and none has started."""
    if not rows:
        raise ControllerObjectNotFound("Couldn't find planned orders with these ids")
    if any(not row.is_fresh or row.state not in (PLANNED_STATE, SUBMITTED_STATE) for row in rows):
        raise BadRequest("Some orders are not in the state SCHEDULED or PLANNED")


def _is_being_sent() -> ColumnElement[bool]:
    """Claimed by a submission, of which it is not noted yet how it ended."""
    return exists().where(dpl_history.c.order_id == dpl_orders.c.order_id, IS_OPEN)


def _is_unknown(problem: Problem) -> bool:
    return problem.code == "UnknownKey" and problem.arguments.get("type") in ("OrderId", "Order")
