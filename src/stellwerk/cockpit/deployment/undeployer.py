"""Deleting deployed objects from Controllers (cockpit-services 2.6): revoke, remove, and the `delete` of a deployment.

Orders that have not started are cancelled if the caller says so; a workflow that still has orders is not deleted. File
order sources go first, in a transaction of their own: they leave their Agents in their own time, and until then the
Controller refuses to delete their workflow. All the rest is one transaction, of which everything happens or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select

from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.order_selection import OrderFinder, Selection
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.deployment.deployer import DAILY_PLAN_CALENDAR, new_commit_id
from stellwerk.cockpit.deployment.history import (
    ITEM_KEY_PREFIX,
    Deployed,
    DeploymentError,
    DeploymentHistory,
    common_columns,
    delete_operation,
    deletion_columns,
)
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.json import decode
from stellwerk.values.problems import Problem, ProblemError

#: How long file order sources may take to leave their Agents.
DETACH_SECONDS = 20.0
_RETRY_SECONDS = 0.25
#: All orders that have not started, whenever they are due.
ALL_FRESH = 0

_ORDER = (ObjectType.WORKFLOW, ObjectType.JOBRESOURCE, ObjectType.NOTICEBOARD, ObjectType.LOCK)


class Undeployer:
    """Deletes from Controllers what has been deployed to them."""

    def __init__(
        self,
        history: DeploymentHistory,
        inventory: Inventory,
        connections: ControllerConnections,
        finder: OrderFinder,
        clock: Clock,
        random: Random,
        detach_seconds: float = DETACH_SECONDS,
    ) -> None:
        self._history = history
        self._inventory = inventory
        self._connections = connections
        self._finder = finder
        self._clock = clock
        self._random = random
        self._detach_seconds = detach_seconds

    async def undeploy(self, account: str, items: Sequence[Deployed], *, cancel_from_ms: int | None) -> None:
        """Delete them at their Controllers, one after the other; inventory objects stay as drafts.

        `cancel_from_ms`: cancel orders that have not started and are due from then on (`ALL_FRESH`: all of them); None:
        none. Raises `DeploymentError`, `PeerUnreachableError`. What has been deleted at a Controller before stays so.
        """
        by_controller: dict[str, list[Deployed]] = {}
        for item in items:
            by_controller.setdefault(item.controller_id, []).append(item)
        commit_id = new_commit_id(self._random)
        registered = await self._connections.registered()
        for controller_id in sorted(by_controller.keys() - registered.keys()):
            # The Controller has been unregistered: nobody can be told, and nothing works by it any more.
            await self._record(account, controller_id, by_controller.pop(controller_id), commit_id)
        fresh = {
            controller_id: await self._orders_to_cancel(controller_id, chosen, cancel_from_ms)
            for controller_id, chosen in by_controller.items()
        }
        for controller_id, chosen in by_controller.items():
            await self._cancel(controller_id, fresh[controller_id])
            sources = [item for item in chosen if item.type == ObjectType.FILEORDERSOURCE]
            others = sorted(
                (item for item in chosen if item.type != ObjectType.FILEORDERSOURCE),
                key=lambda item: _ORDER.index(item.type),
            )
            if sources:
                await self._delete(account, controller_id, sources, commit_id)
            if others:
                await self._delete(account, controller_id, others, commit_id, behind=sources)

    async def _orders_to_cancel(
        self, controller_id: str, items: Sequence[Deployed], cancel_from_ms: int | None
    ) -> list[str]:
        """The orders in the way that may be cancelled. Raises `DeploymentError` if others are in the way."""
        workflows = [(item.name, None) for item in items if item.type == ObjectType.WORKFLOW]
        if not workflows:
            return []
        orders = await self._finder.select(controller_id, Selection(workflow_ids=workflows))
        kept = [order for order in orders if not _is_cancelled(order, cancel_from_ms)]
        if kept:
            shown = ", ".join(order.order_id for order in kept[:5]) + (", …" if len(kept) > 5 else "")
            raise DeploymentError(
                f"workflows are not deleted from Controller '{controller_id}' while they have orders: {shown}; "
                "cancel the orders or let them end, then repeat"
            )
        return [order.order_id for order in orders]

    async def _cancel(self, controller_id: str, order_ids: Sequence[str]) -> None:
        if not order_ids:
            return
        client = await self._connections.client(controller_id)
        try:
            # An order that has started meanwhile is not cancelled, and nothing is deleted.
            command = {"TYPE": "CancelOrders", "orderIds": order_ids, "mode": {"TYPE": "FreshOnly"}}
            await client.command(command, repeatable=True)
        except ProblemError as error:
            raise DeploymentError(f"orders cannot be cancelled: {error.problem}; nothing was deleted") from error

    async def _delete(
        self,
        account: str,
        controller_id: str,
        items: Sequence[Deployed],
        commit_id: str,
        behind: Sequence[Deployed] = (),
    ) -> None:
        ids, objects = await self._record(account, controller_id, items, commit_id)
        try:
            await self._send(controller_id, items, commit_id, behind)
        except (ProblemError, PeerUnreachableError) as error:
            await self._history.mark_refused(ids, objects, str(error), is_deployed=True)
            if isinstance(error, ProblemError):
                raise DeploymentError(f"Controller '{controller_id}' refuses the deletion: {error.problem}") from error
            raise

    async def _record(
        self, account: str, controller_id: str, items: Sequence[Deployed], commit_id: str
    ) -> tuple[list[int], list[StoredObject]]:
        """Write the rows of a deletion; gives their ids, and the inventory objects that have become drafts by it."""
        objects = await self._deployed_objects(items)
        common = common_columns(account, controller_id, commit_id, self._clock.now_ms())
        rows = [common | deletion_columns(item, common["deployment_date"]) for item in items]
        return await self._history.add(rows, objects, is_deployed=False), objects

    async def _deployed_objects(self, items: Sequence[Deployed]) -> list[StoredObject]:
        """The inventory objects that become drafts: they are at no other Controller."""
        ids = {item.inv_cid for item in items if item.inv_cid is not None}
        going = {item.id for item in items}
        elsewhere = {item.inv_cid for item in await self._history.current() if item.id not in going}
        table = inv_configurations
        async with self._inventory.reading() as transaction:
            query = select(table.c.id).where(table.c.deployed)
            deployed = {row.id for row in await transaction.connection.execute(query)}
            return [await transaction.read_by_id(id_) for id_ in sorted((ids - elsewhere) & deployed)]

    async def _send(
        self, controller_id: str, items: Sequence[Deployed], commit_id: str, behind: Sequence[Deployed]
    ) -> None:
        client = await self._connections.client(controller_id)
        operations = {
            f"{ITEM_KEY_PREFIX[item.type]}:{item.name}": delete_operation(item.type, item.name) for item in items
        }
        for item in items:
            calendar = _own_calendar(item)
            if calendar is not None:
                operations[f"Calendar:{calendar}"] = {"TYPE": "DeleteSimple", "path": f"Calendar:{calendar}"}
        deadline = asyncio.get_running_loop().time() + self._detach_seconds
        while operations:
            try:
                version = {"TYPE": "AddVersion", "versionId": commit_id}
                await client.update_items([*operations.values(), version])
                return
            except ProblemError as error:
                unknown = {key for key in operations if _is_unknown(error.problem, key)}
                if unknown:  # the Controller has lost it, or never had it: it is gone
                    operations = {key: value for key, value in operations.items() if key not in unknown}
                    continue
                leaving = [item.name for item in behind if f"OrderWatch:{item.name}" in error.problem.message]
                if not leaving:
                    raise
                if asyncio.get_running_loop().time() > deadline:
                    text = f"the file order sources {', '.join(leaving)} have not yet left their Agents; repeat later"
                    raise ProblemError(Problem(message=text)) from error
            await asyncio.sleep(_RETRY_SECONDS)


def _is_cancelled(order: LiveOrder, cancel_from_ms: int | None) -> bool:
    if cancel_from_ms is None or order.state != "Fresh" or order.parent is not None:
        return False
    return cancel_from_ms == ALL_FRESH or (order.scheduled_for is not None and order.scheduled_for >= cancel_from_ms)


def _is_unknown(problem: Problem, key: str) -> bool:
    """Several problems come combined, as one text without codes."""
    if problem.code is not None:
        return problem.code == "UnknownItemKey" and problem.arguments.get("key") == key
    return str(Problem.of("UnknownItemKey", key=key)) in problem.message.split(";\n")


def _own_calendar(item: Deployed) -> str | None:
    """The calendar of a workflow whose day begins at a time of its own (cockpit-services 2.4)."""
    if item.type != ObjectType.WORKFLOW or item.content is None:
        return None
    path = decode(item.content).get("calendarPath")
    return path if isinstance(path, str) and path != DAILY_PLAN_CALENDAR else None
