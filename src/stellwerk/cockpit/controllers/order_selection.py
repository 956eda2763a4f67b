"""Finding the orders that a request means, in the live rows of the projection (cockpit-api 2.3, selection rule).

The rows may lag a moment behind the Controller: ids that are given explicitly are therefore never filtered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import ControllerObjectNotFound, FolderDenied
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.inventory.names import folder_of, is_in_folder, name_of
from stellwerk.cockpit.inventory.tags import workflows_with
from stellwerk.cockpit.projection.model import LiveOrder, api_state, decode_live_order
from stellwerk.effects.clock import Clock

#: Engine states of an order that has failed and can be resumed.
FAILED_STATES = frozenset({"Failed", "Stopped", "StoppedWhileFresh"})
_ENDED_STATES = frozenset({"Finished", "Cancelled"})
_NOT_SUSPENDIBLE_STATES = _ENDED_STATES | {"Failed", "FailedWhileFresh", "FailedInFork"}
_CONTINUABLE_STATES = frozenset(
    {"DelayingRetry", "DelayedAfterError", "Sleeping", "BetweenCycles", "WaitingForAdmission"}
)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders a request means (cockpit-api 2.3): ids, else workflows, else folders, else all."""

    order_ids: Sequence[str] = ()
    workflow_ids: Sequence[tuple[str, str | None]] = ()
    folders: Sequence[tuple[str, bool]] = ()
    states: Sequence[str] = ()
    #: Bare names; orders of workflows that have one of them.
    workflow_tags: Sequence[str] = ()
    scheduled_from_ms: int | None = None
    scheduled_to_ms: int | None = None
    #: Says whether orders of the workflow at a path may be seen; None: all may.
    permits: Callable[[str], bool] | None = None


class OrderFinder:
    """Selects live orders. `workflow_paths` gives name → full inventory path of all workflows."""

    def __init__(
        self, database: Database, clock: Clock, workflow_paths: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._workflow_paths = workflow_paths

    async def select(self, controller_id: str, selection: Selection) -> list[LiveOrder]:
        """The live orders that a request means. Raises `FolderDenied` if it names one that may not be seen."""
        orders = await self._select(controller_id, selection)
        if selection.permits is None:
            return orders
        paths = await self._workflow_paths()
        visible: list[LiveOrder] = []
        for order in orders:
            path = paths.get(order.workflow_path, f"/{order.workflow_path}")
            if selection.permits(path):
                visible.append(order)
            elif selection.order_ids:
                raise FolderDenied(folder_of(path))
        return visible

    async def named(self, controller_id: str, selection: Selection) -> list[str]:
        """The ids that a request names, as given, for the Controller knows best which orders there are.

        Only of orders that are known here it can be told whether they may be seen. Who is not permitted everything
        cannot name others.
        """
        ids = list(dict.fromkeys(selection.order_ids))
        if ids and selection.permits is not None:
            known = {order.order_id for order in await self.select(controller_id, selection)}
            unknown = [id_ for id_ in ids if id_ not in known]
            if unknown:
                raise ControllerObjectNotFound(f"unknown Order: {unknown[0]}")
        return ids

    async def _select(self, controller_id: str, selection: Selection) -> list[LiveOrder]:
        table = live_orders
        query = select(table.c.data).where(table.c.controller_id == controller_id).order_by(table.c.order_id)
        if selection.order_ids:
            return await self._rows(query, table.c.order_id, selection.order_ids)
        if selection.workflow_tags:
            query = query.where(table.c.workflow_path.in_(workflows_with(selection.workflow_tags)))
        if selection.workflow_ids:
            names = sorted({name_of(path) for path, _ in selection.workflow_ids})
            orders = await self._rows(query, table.c.workflow_path, names)
            wanted = [(name_of(path), version) for path, version in selection.workflow_ids]
            orders = [
                order
                for order in orders
                if any(
                    order.workflow_path == name and (not version or version == order.workflow_version_id)
                    for name, version in wanted
                )
            ]
        elif selection.folders:
            paths = await self._workflow_paths()
            names = [
                name
                for name, path in paths.items()
                if any(is_in_folder(path, folder, recursive=recursive) for folder, recursive in selection.folders)
            ]
            orders = await self._rows(query, table.c.workflow_path, sorted(names))
        else:
            orders = await self._rows(query, None, ())
        now_ms = self._clock.now_ms()
        return [
            order
            for order in orders
            if (not selection.states or api_state(order, now_ms).text in selection.states)
            and _is_scheduled_within(order, selection)
        ]

    async def _rows(self, query: Any, column: Any, values: Sequence[str]) -> list[LiveOrder]:
        orders: list[LiveOrder] = []
        async with self._database.read() as connection:
            if column is None:
                return [decode_live_order(row.data) for row in await connection.execute(query)]
            for start in range(0, len(values), MAXIMUM_BOUND_VALUES):
                part = list(values[start : start + MAXIMUM_BOUND_VALUES])
                rows = await connection.execute(query.where(column.in_(part)))
                orders += [decode_live_order(row.data) for row in rows]
        return orders

    async def ids(
        self, controller_id: str, selection: Selection, is_suitable: Callable[[LiveOrder], bool], *, deep: bool
    ) -> list[str]:
        """Explicit ids as given, for the Controller knows best; of all others those that are suitable."""
        ids = await self.named(controller_id, selection)
        if not ids:
            ids = [order.order_id for order in await self.select(controller_id, selection) if is_suitable(order)]
        if deep:
            ids += [id_ for id_ in await self._children(controller_id, ids) if id_ not in set(ids)]
        return ids

    async def _children(self, controller_id: str, parents: Iterable[str]) -> list[str]:
        table = live_orders
        children: list[str] = []
        async with self._database.read() as connection:
            for parent in parents:
                rows = await connection.execute(
                    select(table.c.order_id).where(
                        table.c.controller_id == controller_id,
                        table.c.order_id.startswith(parent + "|", autoescape=True),
                    )
                )
                children += [row.order_id for row in rows]
        return children


def _is_scheduled_within(order: LiveOrder, selection: Selection) -> bool:
    first, end = selection.scheduled_from_ms, selection.scheduled_to_ms
    if (first is None and end is None) or order.scheduled_for is None:
        return True
    return (first is None or order.scheduled_for >= first) and (end is None or order.scheduled_for < end)


def is_cancelable(order: LiveOrder) -> bool:
    return order.state not in _ENDED_STATES


def is_suspendible(order: LiveOrder) -> bool:
    """What is to be cancelled is not suspended any more."""
    return not order.is_suspended and order.mark != "Cancelling" and order.state not in _NOT_SUSPENDIBLE_STATES


def is_resumable(order: LiveOrder) -> bool:
    return order.is_suspended or order.mark == "Suspending" or order.state in FAILED_STATES


def is_continuable(order: LiveOrder) -> bool:
    """Waits for a time that a person may shorten."""
    if order.is_suspended:
        return False
    return order.state in _CONTINUABLE_STATES or (order.state == "Fresh" and order.scheduled_for is not None)
