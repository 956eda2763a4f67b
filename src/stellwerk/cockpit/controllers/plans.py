"""Plans of Controllers: which there are, by the projection; opening, closing and deleting them (orders spec 6.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BulkError, ControllerObjectNotFound
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.live import live_items, live_notices
from stellwerk.cockpit.projection.item_events import PLAN
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.engine.events.board import split_notice_id
from stellwerk.language.items import GLOBAL_SCHEMA
from stellwerk.values.json import decode
from stellwerk.values.problems import Problem, ProblemError

PlanId = tuple[str, ...]
#: The plan of all orders and notices without another one, as people see it; in the engine its id is empty.
GLOBAL: PlanId = (GLOBAL_SCHEMA, GLOBAL_SCHEMA)


class KnownPlan(msgspec.Struct, frozen=True):
    """`status`: Open, Closed or Finished. `since`: epoch milliseconds, if it is known."""

    id: PlanId
    status: str = "Open"
    since: int | None = None
    orders: tuple[LiveOrder, ...] = ()
    #: Names of the boards with a notice of the plan, or with one announced.
    boards: frozenset[str] = frozenset()


def plan_of(order: LiveOrder) -> PlanId:
    """The plan that an order belongs to, as people see it."""
    id_ = tuple(map(str, decode(order.plan_id))) if order.plan_id else ()
    return id_ or GLOBAL


class Plans:
    """Plans of registered Controllers."""

    def __init__(self, database: Database, connections: ControllerConnections) -> None:
        self._database = database
        self._connections = connections

    async def known(self, controller_id: str, orders: Iterable[LiveOrder]) -> list[KnownPlan]:
        """The global plan first, then by id: what has a status, orders (some of those given) or notices."""
        of_plan: dict[PlanId, list[LiveOrder]] = {}
        for order in orders:
            of_plan.setdefault(plan_of(order), []).append(order)
        items, notices = live_items.c, live_notices.c
        async with self._database.read() as connection:
            statuses = {
                tuple(map(str, content["planId"])): content
                for row in await connection.execute(
                    select(items.content).where(items.controller_id == controller_id, items.type == PLAN)
                )
                if (content := decode(row.content))
            }
            boards: dict[PlanId, set[str]] = {}
            for row in await connection.execute(
                select(notices.notice_id).where(notices.controller_id == controller_id)
            ):
                plan_id, board, _ = split_notice_id(tuple(decode(row.notice_id)))
                boards.setdefault(tuple(plan_id) or GLOBAL, set()).add(board)
        ids = statuses.keys() | of_plan.keys() | boards.keys() | {GLOBAL}
        return [
            KnownPlan(
                id=id_,
                status=statuses.get(id_, {}).get("status", "Open"),
                since=statuses.get(id_, {}).get("since"),
                orders=tuple(of_plan.get(id_, ())),
                boards=frozenset(boards.get(id_, ())),
            )
            for id_ in sorted(ids, key=lambda id_: (id_ != GLOBAL, id_))
        ]

    async def change(self, controller_id: str, plan_ids: Sequence[PlanId], status: str) -> None:
        """Give plans another status. Raises `ProblemError` for a single one, `BulkError` naming those refused.

        Deleting is two steps for the Controller: a plan is closed, and deleted when it has no orders any more.
        """
        client = await self._connections.client(controller_id)
        steps = [status] if status != "Deleted" else ["Closed", "Deleted"]
        commands = [{"TYPE": "ChangePlan", "planId": list(id_), "status": step} for id_ in plan_ids for step in steps]
        results = await client.batch(commands, repeatable=True)
        # The last step counts: one that is deleted already cannot be closed.
        last = results[len(steps) - 1 :: len(steps)]
        failures = [
            ("/".join(id_), result) for id_, result in zip(plan_ids, last, strict=True) if isinstance(result, Problem)
        ]
        if len(failures) == len(plan_ids) == 1:
            [(_, problem)] = failures
            if problem.code == "UnknownKey":
                raise ControllerObjectNotFound(problem.message)
            raise ProblemError(problem)
        if failures:
            raise BulkError([(name, COMMAND_REFUSED, str(problem)) for name, problem in failures])


def plan_view(plan: KnownPlan) -> dict[str, Any]:
    """`PlanId` of the API."""
    return {"planSchemaId": plan.id[0], "noticeSpaceKey": plan.id[1]}
