"""Submission: planned orders become orders of a Controller, each once (cockpit-services 4.5).

1. In one transaction each order gets a row of the submission history that says neither "submitted" nor a message: it is
   being sent, by this run of this Cockpit.
2. The orders are sent. The Controller ignores those that it knows.
3. In one transaction rows and orders say what was answered.

What lies between 1 and 3 when a Cockpit is killed, or an answer gets lost, is settled before anything else is sent: the
Controller's events and the history tell whether an order has arrived (`Arrivals`). So an order id is sent once, save
for what is certain to have got lost; an order that had been submitted and cancelled gets a new id when it is submitted
again, as its former id stands in these events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.client import ControllerClient
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.controllers.orders import NewOrder, OrderService
from stellwerk.cockpit.daily_plan.generation import OpenWrite
from stellwerk.cockpit.daily_plan.selection import PlanFilter, PlannedRow, select_rows, slices
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import dpl_history, dpl_order_variables, dpl_orders
from stellwerk.cockpit.deployment.deployer import DAILY_PLAN_SCHEMA
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan import main_part, with_number
from stellwerk.values.json import decode
from stellwerk.values.problems import Problem, ProblemError

#: Another Cockpit that sends gets its answer within that time, or gives up.
ABANDONED_MS = 60_000
PLAN_SCHEMA = "DailyPlan"
IS_OPEN = ~dpl_history.c.submitted & dpl_history.c.message.is_(None)

_logger = structlog.get_logger(__name__)


class Failure(NamedTuple):
    order_id: str
    message: str


class Submitted(NamedTuple):
    """How many orders the Controller has now, and which it has refused."""

    accepted: int
    failures: list[Failure]


class _Claimed(NamedTuple):
    row: PlannedRow
    history_id: int
    order_id: str
    variables: Mapping[str, Any]


class Submitter:
    """Sends planned orders. One at a time per Controller in this process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        connections: ControllerConnections,
        orders: OrderService,
        order_ids: OrderIds,
        arrivals: Arrivals,
        member_id: str,
        run_id: str,
    ) -> None:
        """`member_id`: of this Cockpit, also after a restart; `run_id`: of this process."""
        self._database = database
        self._clock = clock
        self._connections = connections
        self._orders = orders
        self._order_ids = order_ids
        self._arrivals = arrivals
        self._member_id = member_id
        self._submitter = f"{member_id}/{run_id}"
        self._locks: dict[str, asyncio.Lock] = {}

    def exclusive(self, controller_id: str) -> asyncio.Lock:
        """Held by who sends planned orders to a Controller or takes them back."""
        return self._locks.setdefault(controller_id, asyncio.Lock())

    async def submit(self, controller_id: str, rows: Sequence[PlannedRow], account: str, write: OpenWrite) -> Submitted:
        """Submit those that are planned still. Raises `PeerUnreachableError`: then the rest is settled later."""
        async with self.exclusive(controller_id):
            return await self.submit_exclusively(controller_id, rows, account, write)

    async def submit_exclusively(
        self, controller_id: str, rows: Sequence[PlannedRow], account: str, write: OpenWrite
    ) -> Submitted:
        """As `submit`; the caller holds the lock."""
        client = await self._connections.client(controller_id)
        await self._settle(client, write)
        accepted, failures = 0, list[Failure]()
        for part in slices(rows):
            claimed = await self._claim(part, account, write)
            results = await self._send(client, claimed)
            await self._note(claimed, results, write)
            problems = [
                Failure(item.order_id, str(result))
                for item, result in zip(claimed, results, strict=True)
                if isinstance(result, Problem)
            ]
            accepted += len(claimed) - len(problems)
            failures += problems
        return Submitted(accepted, failures)

    async def settle(self, controller_id: str, write: OpenWrite) -> None:
        """Find out and note what became of orders whose sending was broken off. Raises `PeerUnreachableError`."""
        async with self.exclusive(controller_id):
            await self.settle_exclusively(controller_id, write)

    async def settle_exclusively(self, controller_id: str, write: OpenWrite) -> None:
        """As `settle`; the caller holds the lock."""
        await self._settle(await self._connections.client(controller_id), write)

    async def _settle(self, client: ControllerClient, write: OpenWrite) -> None:
        table = dpl_history.c
        is_own = table.submitter.startswith(f"{self._member_id}/", autoescape=True)
        is_abandoned = table.submission_time < self._database.now_ms - ABANDONED_MS
        query = select(table.id, table.order_id).where(
            table.controller_id == client.controller_id, IS_OPEN, is_own | is_abandoned
        )
        async with self._database.read() as connection:
            left = [(row.id, row.order_id) for row in await connection.execute(query)]
        if not left:
            return
        added = await self._arrivals.added(client, [order_id for _, order_id in left])
        _logger.info(
            "submissions that were broken off are settled",
            controller=client.controller_id,
            orders=len(left),
            arrived=len(added),
        )
        async with write() as connection:
            await self._note_submitted(connection, [(id_, order) for id_, order in left if order in added])
            lost = [id_ for id_, order in left if order not in added]
            for part in slices(lost):
                values = {"message": "it did not arrive: the Cockpit or the connection was lost"}
                await connection.execute(update(dpl_history).where(table.id.in_(part)).values(values))

    async def _claim(self, rows: Sequence[PlannedRow], account: str, write: OpenWrite) -> list[_Claimed]:
        """Write down what is going to be sent: the rows that are planned still and that nobody else sends."""
        numbers = iter(await self._order_ids.numbers(len(rows)))
        now = self._clock.now_ms()
        async with write() as connection:
            planned = await _still_planned(connection, rows)
            former = await self._former(connection, [row.order_id for row in planned])
            planned = [row for row in planned if former.get(row.order_id) != "open"]
            planned = await self._renumbered(connection, planned, former, numbers, now)
            variables = await _variables(connection, planned)
            time = (await connection.execute(select(self._database.now_ms))).scalar_one()
            values = [
                {
                    "controller_id": row.controller_id,
                    "user_account": account,
                    "order_id": row.order_id,
                    "workflow_name": row.workflow_name,
                    "workflow_folder": row.workflow_folder,
                    "scheduled_for": row.planned_start,
                    "submitted": False,
                    "submitter": self._submitter,
                    "daily_plan_date": row.plan_date,
                    "submission_time": time,
                    "created": now,
                }
                for row in planned
            ]
            if values:
                await connection.execute(insert(dpl_history), values)
            ids = await _open_ids(connection, [row.order_id for row in planned])
        return [_Claimed(row, ids[row.order_id], row.order_id, variables.get(row.main_part, {})) for row in planned]

    async def _former(self, connection: AsyncConnection, order_ids: Sequence[str]) -> dict[str, str]:
        """Order id → `open` (another Cockpit sends it) or `submitted` (has been submitted under this id)."""
        table = dpl_history.c
        found: dict[str, str] = {}
        for part in slices(order_ids):
            query = select(table.order_id, table.submitted).where(
                table.order_id.in_(part), table.submitted | table.message.is_(None)
            )
            for row in await connection.execute(query):
                if not row.submitted or row.order_id not in found:
                    found[row.order_id] = "submitted" if row.submitted else "open"
        return found

    async def _renumbered(
        self,
        connection: AsyncConnection,
        rows: Sequence[PlannedRow],
        former: Mapping[str, str],
        numbers: Iterable[int],
        now: int,
    ) -> list[PlannedRow]:
        """Orders that were submitted before under their ids get new ones; those of a cycle have one number."""
        fresh_numbers = iter(numbers)
        by_main: dict[str, int] = {}
        result: list[PlannedRow] = []
        for row in rows:
            if row.order_id in former:
                if row.main_part not in by_main:
                    by_main[row.main_part] = next(fresh_numbers)
                row = await give_id(connection, row, with_number(row.order_id, by_main[row.main_part]), now)
            result.append(row)
        return result

    async def _send(self, client: ControllerClient, claimed: Sequence[_Claimed]) -> list[dict[str, Any] | Problem]:
        commands: list[dict[str, Any]] = []
        unsendable: dict[int, Problem] = {}
        for index, item in enumerate(claimed):
            try:
                commands.append({"TYPE": "AddOrder", "order": await self._fresh_order(item)})
            except ProblemError as error:
                unsendable[index] = error.problem
            except ApiError as error:  # e.g. the workflow is not deployed any more
                unsendable[index] = Problem(message=error.message)
        results = await client.batch(commands)
        if any(isinstance(item, Problem) and _misses_schema(item) for item in results):
            await client.update_items([{"TYPE": "AddOrChangeSimple", "item": DAILY_PLAN_SCHEMA}])
            results = await client.batch(commands)
        answers = iter(results)
        return [unsendable[index] if index in unsendable else next(answers) for index in range(len(claimed))]

    async def _fresh_order(self, item: _Claimed) -> dict[str, Any]:
        row, parameterisation = item.row, item.row.parameterisation
        positions = parameterisation.get("positions") or {}
        order = NewOrder(
            workflow=row.workflow_name,
            name=row.order_name,
            scheduled_for_ms=row.planned_start,
            arguments=item.variables,
            start_position=positions.get("startPosition"),
            end_positions=positions.get("endPositions") or (),
            block_position=positions.get("blockPosition"),
            force_job_admission=bool(parameterisation.get("forceJobAdmission")),
            plan_id=(PLAN_SCHEMA, row.plan_date),
            priority=parameterisation.get("priority") or 0,
        )
        return await self._orders.fresh_order(row.controller_id, item.order_id, order)

    async def _note(
        self, claimed: Sequence[_Claimed], results: Sequence[dict[str, Any] | Problem], write: OpenWrite
    ) -> None:
        async with write() as connection:
            good = [(item.history_id, item.order_id) for item, result in _pairs(claimed, results, is_good=True)]
            await self._note_submitted(connection, good)
            for item, problem in _pairs(claimed, results, is_good=False):
                values = {"message": str(problem)}
                await connection.execute(update(dpl_history).where(dpl_history.c.id == item.history_id).values(values))

    async def _note_submitted(self, connection: AsyncConnection, items: Sequence[tuple[int, str]]) -> None:
        now = self._clock.now_ms()
        for part in slices(items):
            ids, order_ids = [id_ for id_, _ in part], [order_id for _, order_id in part]
            mains = sorted({main for id_ in order_ids if (main := main_part(id_)) is not None})
            await connection.execute(update(dpl_history).where(dpl_history.c.id.in_(ids)).values(submitted=True))
            await connection.execute(
                update(dpl_orders)
                .where(dpl_orders.c.main_part.in_(mains), dpl_orders.c.order_id.in_(order_ids))
                .values(submitted=True, submit_time=now)
            )


async def _still_planned(connection: AsyncConnection, rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """As they are now. Locked, so that nobody changes them before it is written that they are being sent."""
    ids = [row.id for row in rows]
    locking = select(dpl_orders.c.id).where(dpl_orders.c.id.in_(ids)).order_by(dpl_orders.c.id).with_for_update()
    await connection.execute(locking)
    order_ids = {row.order_id for row in rows}
    found = await select_rows(connection, PlanFilter(order_ids=sorted(order_ids), states=["PLANNED"]), 0)
    return [row for row in found if row.order_id in order_ids]


async def _open_ids(connection: AsyncConnection, order_ids: Sequence[str]) -> dict[str, int]:
    """Order id → id of the row that says that it is being sent."""
    table = dpl_history.c
    found: dict[str, int] = {}
    for part in slices(order_ids):
        rows = await connection.execute(select(table.order_id, table.id).where(table.order_id.in_(part), IS_OPEN))
        found.update((row.order_id, row.id) for row in rows)
    return found


async def _variables(connection: AsyncConnection, rows: Sequence[PlannedRow]) -> dict[str, Mapping[str, Any]]:
    table = dpl_order_variables.c
    mains = sorted({row.main_part for row in rows})
    found: dict[str, Mapping[str, Any]] = {}
    for part in slices(mains):
        for row in await connection.execute(
            select(table.main_part, table.variable_value).where(table.main_part.in_(part))
        ):
            found[row.main_part] = decode(row.variable_value)
    return found


async def give_id(connection: AsyncConnection, row: PlannedRow, order_id: str, now: int) -> PlannedRow:
    """Another id for an order; variables go with it."""
    main = main_part(order_id)
    assert main is not None, "ids of plans have it"
    values = {"order_id": order_id, "main_part": main, "modified": now}
    await connection.execute(update(dpl_orders).where(dpl_orders.c.id == row.id).values(values))
    await copy_variables(connection, row.main_part, main, now)
    return msgspec.structs.replace(row, order_id=order_id, main_part=main)


async def copy_variables(connection: AsyncConnection, main: str, new_main: str, now: int) -> None:
    """Under another main part, unless they are there already."""
    table = dpl_order_variables
    value = (
        await connection.execute(select(table.c.variable_value).where(table.c.main_part == main))
    ).scalar_one_or_none()
    known = (await connection.execute(select(table.c.main_part).where(table.c.main_part == new_main))).first()
    if value is not None and known is None:
        copied = {"main_part": new_main, "variable_value": value, "modified": now}
        await connection.execute(insert(table), [copied])


def _pairs(
    claimed: Sequence[_Claimed], results: Sequence[dict[str, Any] | Problem], *, is_good: bool
) -> list[tuple[_Claimed, dict[str, Any] | Problem]]:
    return [pair for pair in zip(claimed, results, strict=True) if isinstance(pair[1], Problem) != is_good]


def _misses_schema(problem: Problem) -> bool:
    return problem.code == "UnknownKey" and problem.arguments.get("type") == "PlanSchema"
