"""The one writer of history and live tables of one Controller.

`project(lines)` folds a batch and writes its rows and the cursor in one transaction: after a crash at any point either
both are there or neither, and lines at or before the cursor are dropped, so that each event is projected exactly once.

The live orders of recent batches are cached; the cache is emptied when a transaction fails.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.history import (
    history_cursors,
    history_log_chunks,
    history_log_pending,
    history_order_events,
    history_order_states,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.database.tables.live import (
    live_agents,
    live_cluster_events,
    live_controllers,
    live_items,
    live_notices,
    live_orders,
)
from stellwerk.cockpit.database.tables.monitoring import mon_observations
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.monitoring.jobs import job_settings
from stellwerk.cockpit.projection import changes as rows
from stellwerk.cockpit.projection.availability import write_availability
from stellwerk.cockpit.projection.batch import Ids
from stellwerk.cockpit.projection.changes import Changes
from stellwerk.cockpit.projection.fold import Fold, ProjectionError
from stellwerk.cockpit.projection.lines import Event, decode_event
from stellwerk.cockpit.projection.logs import LOG_CHUNK_COLUMNS
from stellwerk.cockpit.projection.model import LiveOrder, decode_live_order
from stellwerk.cockpit.projection.notices import (
    NOTICE_COLUMNS,
    NOTICE_UPDATES,
    notice_key,
    place_of,
    touched_places,
)
from stellwerk.cockpit.projection.observations import OBSERVATION_COLUMNS, Watcher
from stellwerk.cockpit.projection.statements import BatchStatement, insert, upsert
from stellwerk.cockpit.projection.workflow_index import WorkflowIndex
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import Place

#: One transaction takes at most so many events and about so much folding time.
MAXIMUM_EVENTS = 1000
MAXIMUM_SECONDS = 0.020
_SLICE = 100
#: Of each pair of nodes.
KEPT_CLUSTER_EVENTS = 100
_CACHED_ORDERS = 5000
_CACHED_WORKFLOWS = 1000

_ORDER_ID, _TASK_ID = "history_order_id", "history_task_id"


Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class Projected:
    """What a transaction has done: for the live hub and the follower."""

    __slots__ = ("changes", "count", "event_id")

    def __init__(self, changes: Changes, event_id: int, count: int) -> None:
        self.changes = changes
        self.event_id = event_id
        self.count = count


class ProjectionWriter:
    """Projects the events of one Controller. Not to be used by two tasks at once."""

    def __init__(
        self,
        database: Database,
        controller_id: str,
        transaction: Transaction | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """`transaction`: how to begin a write transaction, such as `Fence.write`; None: `Database.write`.

        `watcher`: who takes observations; None: nobody, and none are written.
        """
        self.database = database
        self._watcher = watcher
        self.transaction = transaction or database.write
        self.controller_id = controller_id
        self._orders: OrderedDict[str, LiveOrder] = OrderedDict()
        self._workflows: OrderedDict[tuple[str, str], WorkflowIndex] = OrderedDict()
        #: By path and version of the workflow.
        self._critical_jobs: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()
        self._statements = _Statements(database)

    async def cursor(self) -> int | None:
        """Event id of the last projected event; None if this Controller has never been projected."""
        async with self.database.read() as connection:
            return (
                await connection.execute(
                    select(history_cursors.c.event_id).where(history_cursors.c.controller_id == self.controller_id)
                )
            ).scalar_one_or_none()

    async def project(self, lines: Sequence[bytes]) -> list[Projected]:
        """Project all lines, in as many transactions as the limits ask for."""
        done: list[Projected] = []
        start = 0
        while start < len(lines):
            batch = lines[start : start + MAXIMUM_EVENTS]
            projected = await self._transaction(batch)
            start += projected.count
            done.append(projected)
        return done

    async def _transaction(self, lines: Sequence[bytes]) -> Projected:
        events = [_decode(line) for line in lines]
        try:
            async with self.transaction() as connection:
                cursor = await self._locked_cursor(connection)
                orders = await self._load_touched(connection, events)
                await self._load_workflows(connection, events, orders)
                ids = await self.load_ids(connection)
                places = await self.load_places(connection, touched_places(events, orders))
                watcher = self._watcher
                fold = Fold(
                    self.controller_id,
                    orders,
                    self.workflow,
                    ids,
                    places,
                    observes_successes=watcher is not None and watcher.wants_successes,
                )
                fold.last_event_id = cursor
                count = self._fold(fold, events, lines, cursor)
                changes = fold.finish()
                event_id = max(fold.last_event_id, cursor)
                await self.write_changes(connection, changes)
                await self.store_ids(connection, ids)
                await self.store_cursor(connection, event_id)
        except BaseException:
            self.forget()
            raise
        self._remember(fold)
        if watcher is not None:
            if changes.items_touched:
                watcher.items_changed()
            if changes.observations:
                watcher.arrived()
        return Projected(changes, event_id, count)

    def _fold(self, fold: Fold, events: Sequence[Event], lines: Sequence[bytes], cursor: int) -> int:
        """Fold up to the time limit; returns how many events have been taken, duplicates included."""
        end = time.perf_counter() + MAXIMUM_SECONDS
        count = 0
        for event, line in zip(events, lines, strict=True):
            if event.event_id > cursor:
                fold.fold(event, line)
            count += 1
            if count % _SLICE == 0 and time.perf_counter() > end:
                break
        return count

    # --- loading

    async def _locked_cursor(self, connection: AsyncConnection) -> int:
        statement = select(history_cursors.c.event_id).where(history_cursors.c.controller_id == self.controller_id)
        if not self.database.is_sqlite:
            statement = statement.with_for_update()
        return (await connection.execute(statement)).scalar_one_or_none() or 0

    async def _load_touched(self, connection: AsyncConnection, events: Sequence[Event]) -> dict[str, LiveOrder]:
        keys = {event.Key for event in events if event.TYPE.startswith("Order") and isinstance(event.Key, str)}
        keys |= {event.order_id for event in events if event.TYPE == "OrderOrderAdded" and event.order_id}
        keys |= {child.order_id for event in events if event.TYPE == "OrderForked" for child in event.children}
        orders = await self.load_orders(connection, keys)
        # The children that a join removes are known only by their parent.
        joined = [orders.get(event.Key) for event in events if event.TYPE == "OrderJoined"]
        children = {child for order in joined if order is not None for child in order.children} - keys
        return orders | await self.load_orders(connection, children) if children else orders

    async def load_orders(self, connection: AsyncConnection, keys: set[str]) -> dict[str, LiveOrder]:
        found: dict[str, LiveOrder] = {}
        missing: list[str] = []
        for key in keys:
            order = self._orders.get(key)
            if order is None:
                missing.append(key)
            else:
                found[key] = order
        for start in range(0, len(missing), MAXIMUM_BOUND_VALUES):
            part = missing[start : start + MAXIMUM_BOUND_VALUES]
            result = await connection.execute(self._statements.load_orders, {"id": self.controller_id, "keys": part})
            for row in result:
                order = decode_live_order(row[0])
                found[order.order_id] = order
        return found

    async def load_places(self, connection: AsyncConnection, wanted: set[NoticeId]) -> dict[NoticeId, Place]:
        """Places of notices as the database has them."""
        table = live_notices
        keys = {notice_key(id_): id_ for id_ in wanted}
        found: dict[NoticeId, Place] = {}
        for start in range(0, len(keys), MAXIMUM_BOUND_VALUES):
            part = list(keys)[start : start + MAXIMUM_BOUND_VALUES]
            rows = await connection.execute(
                select(table).where(table.c.controller_id == self.controller_id, table.c.notice_id.in_(part))
            )
            for row in rows:
                found[keys[row.notice_id]] = place_of(row)
        return found

    async def _load_workflows(
        self, connection: AsyncConnection, events: Sequence[Event], orders: dict[str, LiveOrder]
    ) -> None:
        if not any(event.TYPE == "OrderProcessingStarted" for event in events):
            return
        wanted = {(order.workflow_path, order.workflow_version_id) for order in orders.values()}
        for event in events:
            if event.workflow_id is not None:
                wanted.add((event.workflow_id.path, event.workflow_id.version_id))
        for path, version in wanted - self._workflows.keys():
            content = (
                await connection.execute(
                    select(live_items.c.content).where(
                        live_items.c.controller_id == self.controller_id,
                        live_items.c.type == "Workflow",
                        live_items.c.path == path,
                        live_items.c.version_id == version,
                    )
                )
            ).scalar_one_or_none()
            if content is not None:
                self._remember_workflow((path, version), WorkflowIndex(content))
        for key in wanted - self._critical_jobs.keys():
            self._critical_jobs[key] = await self._load_critical_jobs(connection, *key)
            if len(self._critical_jobs) > _CACHED_WORKFLOWS:
                self._critical_jobs.popitem(last=False)

    async def _load_critical_jobs(self, connection: AsyncConnection, path: str, version: str) -> dict[str, str]:
        """Jobs whose criticality is not the normal one. Controllers do not know it: it stands in what was deployed."""
        query = select(dep_history.c.inv_content).where(
            dep_history.c.controller_id == self.controller_id,
            dep_history.c.type == int(ObjectType.WORKFLOW),
            dep_history.c.name == path,
            dep_history.c.commit_id == version,
        )
        content = (await connection.execute(query.limit(1))).scalar()
        settings = job_settings(content)
        return {job: one.criticality for job, one in settings.items() if one.criticality != "NORMAL"}

    def workflow(self, path: str, version: str) -> WorkflowIndex | None:
        return self._workflows.get((path, version))

    async def load_ids(self, connection: AsyncConnection) -> Ids:
        statement = select(joc_variables.c.name, joc_variables.c.numeric_value).where(
            joc_variables.c.name.in_([_ORDER_ID, _TASK_ID])
        )
        if not self.database.is_sqlite:
            statement = statement.with_for_update()
        found = {row.name: row.numeric_value or 0 for row in await connection.execute(statement)}
        return Ids(found.get(_ORDER_ID, 0), found.get(_TASK_ID, 0))

    # --- writing

    async def write_changes(self, connection: AsyncConnection, changes: Changes) -> None:
        """All rows but cursor and counters."""
        statements, controller_id = self._statements, self.controller_id
        await self._write_items(connection, changes)
        await self._write_notices(connection, changes)
        await statements.agents.execute(connection, changes.agents)
        await self._write_cluster_events(connection, changes)
        await statements.orders.execute(connection, changes.orders)
        await statements.steps.execute(connection, rows.with_criticality(changes.steps, self._critical_jobs))
        await statements.log_pending.execute(connection, rows.ended_with_output(changes.steps))
        await statements.states.execute(connection, changes.states)
        await statements.events.execute(connection, changes.events)
        await statements.log_chunks.execute(connection, changes.log_chunks)
        if self._watcher is not None:
            await statements.observations.execute(connection, changes.observations)
        await statements.live.execute(connection, changes.live)
        await statements.live_removed.execute(connection, [(controller_id, key) for key in changes.live_removed])
        await statements.events_removed.execute(connection, [(history_id,) for history_id in changes.events_removed])
        if changes.availability:
            await write_availability(connection, controller_id, changes)
        if changes.controller_state is not None:
            ready = changes.controller_ready
            row: dict[str, Any] = {"controller_id": controller_id, "state": changes.controller_state, "revision": 0}
            if ready is not None:
                row |= {"timezone": ready[2], "ready_time": ready[1], "revision": ready[0]}
            names = [name for name in row if name != "controller_id"]
            await connection.execute(self.database.upsert(live_controllers, ["controller_id"], names), [row])

    async def _write_cluster_events(self, connection: AsyncConnection, changes: Changes) -> None:
        """The history of each pair is kept to a length that people read; such events are rare."""
        await self._statements.cluster_events.execute(connection, changes.cluster_events)
        table = live_cluster_events
        for agent_id in {str(row[1]) for row in changes.cluster_events}:
            here = (table.c.controller_id == self.controller_id) & (table.c.agent_id == agent_id)
            newest = select(table.c.event_id).where(here).order_by(table.c.event_id.desc())
            oldest = (await connection.execute(newest.offset(KEPT_CLUSTER_EVENTS).limit(1))).scalar()
            if oldest is not None:
                await connection.execute(delete(table).where(here, table.c.event_id <= oldest))

    async def _write_items(self, connection: AsyncConnection, changes: Changes) -> None:
        for kind, path, version in changes.items_removed:
            await connection.execute(
                delete(live_items).where(
                    live_items.c.controller_id == self.controller_id,
                    live_items.c.type == kind,
                    live_items.c.path == path,
                    live_items.c.version_id == version,
                )
            )
            if kind == "AgentRef":
                await connection.execute(
                    delete(live_cluster_events).where(
                        live_cluster_events.c.controller_id == self.controller_id,
                        live_cluster_events.c.agent_id == path,
                    )
                )
            if kind in ("AgentRef", "SubagentItem"):
                await connection.execute(
                    delete(live_agents).where(
                        live_agents.c.controller_id == self.controller_id,
                        live_agents.c.kind == ("A" if kind == "AgentRef" else "S"),
                        live_agents.c.agent_id == path,
                    )
                )
        if changes.versions_superseded:
            await connection.execute(
                update(live_items)
                .where(
                    live_items.c.controller_id == self.controller_id,
                    live_items.c.type == "Workflow",
                    live_items.c.path == bindparam("superseded"),
                )
                .values(is_current=False),
                [{"superseded": path} for path in changes.versions_superseded],
            )
        await self._statements.items.execute(connection, changes.items)

    async def _write_notices(self, connection: AsyncConnection, changes: Changes) -> None:
        here = live_notices.c.controller_id == self.controller_id
        for board in changes.boards_removed:
            await connection.execute(delete(live_notices).where(here, live_notices.c.board == board))
        for start in range(0, len(changes.notices_removed), MAXIMUM_BOUND_VALUES):
            part = changes.notices_removed[start : start + MAXIMUM_BOUND_VALUES]
            await connection.execute(delete(live_notices).where(here, live_notices.c.notice_id.in_(part)))
        await self._statements.notices.execute(connection, changes.notices)

    async def store_cursor(self, connection: AsyncConnection, event_id: int) -> None:
        await connection.execute(
            self.database.upsert(history_cursors, ["controller_id"], ["event_id"]),
            [{"controller_id": self.controller_id, "event_id": event_id}],
        )

    async def store_released(self, event_id: int) -> None:
        """Remember what has been released at the Controller."""
        async with self.transaction() as connection:
            await connection.execute(
                update(history_cursors)
                .where(history_cursors.c.controller_id == self.controller_id)
                .values(released_event_id=event_id)
            )

    async def store_ids(self, connection: AsyncConnection, ids: Ids) -> None:
        await connection.execute(
            self.database.upsert(joc_variables, ["name"], ["numeric_value"]),
            [{"name": _ORDER_ID, "numeric_value": ids.order}, {"name": _TASK_ID, "numeric_value": ids.task}],
        )

    # --- cache

    def forget(self) -> None:
        """Drop everything cached: the database is right, memory may not be."""
        self._orders.clear()
        self._workflows.clear()
        self._critical_jobs.clear()

    def _remember(self, fold: Fold) -> None:
        for order in fold.changes.removed:
            self._orders.pop(order.order_id, None)
        for order_id, order in fold.live_orders().items():
            self._orders[order_id] = order
            self._orders.move_to_end(order_id)
        while len(self._orders) > _CACHED_ORDERS:
            self._orders.popitem(last=False)
        self.remember_workflows(fold)

    def remember_workflows(self, fold: Fold) -> None:
        for key, workflow in fold.new_workflows.items():
            self._remember_workflow(key, workflow)

    def _remember_workflow(self, key: tuple[str, str], workflow: WorkflowIndex) -> None:
        self._workflows[key] = workflow
        while len(self._workflows) > _CACHED_WORKFLOWS:
            self._workflows.popitem(last=False)


class _Statements:
    def __init__(self, database: Database) -> None:
        self.orders = upsert(database, history_orders, rows.ORDER_COLUMNS, ["id"], rows.ORDER_UPDATES)
        self.steps = upsert(database, history_order_steps, rows.STEP_COLUMNS, ["id"], rows.STEP_UPDATES)
        self.log_pending = upsert(database, history_log_pending, ["hos_id"], ["hos_id"], [])
        self.states = insert(database, history_order_states, rows.STATE_COLUMNS)
        self.events = insert(database, history_order_events, rows.EVENT_COLUMNS)
        self.log_chunks = insert(database, history_log_chunks, LOG_CHUNK_COLUMNS)
        self.live = upsert(database, live_orders, rows.LIVE_COLUMNS, ["controller_id", "order_id"], rows.LIVE_UPDATES)
        self.live_removed = BatchStatement(
            database,
            delete(live_orders).where(
                live_orders.c.controller_id == bindparam("controller_id"),
                live_orders.c.order_id == bindparam("order_id"),
            ),
            ["controller_id", "order_id"],
        )
        self.events_removed = BatchStatement(
            database, delete(history_order_events).where(history_order_events.c.ho_id == bindparam("ho_id")), ["ho_id"]
        )
        self.items = upsert(
            database,
            live_items,
            rows.ITEM_COLUMNS,
            ["controller_id", "type", "path", "version_id"],
            ["is_current", "event_id", "content"],
        )
        keys = ["controller_id", "agent_id", "event_id"]
        self.cluster_events = upsert(database, live_cluster_events, rows.CLUSTER_COLUMNS, keys, ["state"])
        self.observations = insert(database, mon_observations, OBSERVATION_COLUMNS)
        self.notices = upsert(database, live_notices, NOTICE_COLUMNS, ["controller_id", "notice_id"], NOTICE_UPDATES)
        self.agents = BatchStatement(database, _agent_upsert(database), rows.AGENT_COLUMNS)
        self.load_orders = select(live_orders.c.data).where(
            live_orders.c.controller_id == bindparam("id"),
            live_orders.c.order_id.in_(bindparam("keys", expanding=True)),
        )


def _agent_upsert(database: Database) -> Any:
    """Agents keep what an event does not say: address and time zone."""
    statement = database.insert(live_agents)
    excluded = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["controller_id", "kind", "agent_id"],
        set_={
            "state": excluded.state,
            "message": excluded.message,
            "uri": func.coalesce(excluded.uri, live_agents.c.uri),
            "timezone": func.coalesce(excluded.timezone, live_agents.c.timezone),
            "since": excluded.since,
            "revision": excluded.revision,
        },
    )


def _decode(line: bytes) -> Event:
    try:
        return decode_event(line)
    except ValueError as error:
        raise ProjectionError(f"an event cannot be read: {error}: {line[:300]!r}") from None
