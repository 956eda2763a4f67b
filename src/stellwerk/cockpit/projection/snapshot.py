"""Start from a Controller's snapshot: at first, and after a torn stream (journal spec 8.1, 8.2).

The snapshot is written in slices, one transaction each, and takes effect with the last one, which removes what the
Controller no longer has and sets the cursor: a crash in between repeats it. History ids of orders that were known are
kept. What the gap has swallowed is said: orders that vanished get the state UNKNOWN, open tasks the outcome `Unknown`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.history import (
    history_cursors,
    history_log_pending,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.database.tables.live import live_agents, live_items, live_notices, live_orders
from stellwerk.cockpit.projection import clusters
from stellwerk.cockpit.projection.changes import Changes, TaskEnd, history_state, live_row, order_row, step_row
from stellwerk.cockpit.projection.fold import Fold
from stellwerk.cockpit.projection.item_events import PLAN, add_item, add_plan, agent_row
from stellwerk.cockpit.projection.lines import (
    SnapshotObject,
    SnapshotOrder,
    decode_snapshot_object,
    decode_snapshot_order,
)
from stellwerk.cockpit.projection.model import UNKNOWN, LiveOrder, LiveTask, decode_live_order, position_text
from stellwerk.cockpit.projection.notices import ids_of, notice_key, place_of
from stellwerk.cockpit.projection.writer import ProjectionWriter
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import Place
from stellwerk.values.json import encode

SLICE = 1000
GAP_TEXT = "unknown: events were lost in a gap of the Controller's event stream"

_ITEM_TYPES = frozenset(
    {
        "Lock",
        "GlobalBoard",
        "PlannableBoard",
        "Calendar",
        "SubagentBundle",
        "SubagentSelection",
        "PlanSchema",
        "WorkflowPathControl",
        "WorkflowControl",
    }
)
_COUPLING = {
    "Coupled": "COUPLED",
    "ShutdownStarted": "SHUTDOWN",
    "ShutDown": "SHUTDOWN",
    "Resetting": "RESETTING",
    "Reset": "RESET",
    "Fresh": "INITIALISED",
}


class SnapshotLoader:
    """Loads one snapshot through the writer of its Controller."""

    def __init__(self, writer: ProjectionWriter) -> None:
        self._writer = writer
        self._event_id = 0
        #: Order → ids of notices that it consumes, and of those that it has announced: each by an object of its own.
        self._consuming: dict[str, list[list[str]]] = {}
        self._announced: dict[str, list[list[str]]] = {}

    async def load(self, batches: AsyncIterator[Sequence[bytes]], now_ms: int, *, is_gap: bool) -> int:
        """Load all objects; returns the event id from which to follow. `is_gap`: earlier events have been missed."""
        self._writer.forget()
        pending: list[bytes] = []
        async for batch in batches:
            for line in batch:
                if self._event_id == 0:
                    self._event_id = _event_id(line)
                else:
                    pending.append(line)
            while len(pending) >= SLICE:
                await self._write(pending[:SLICE])
                del pending[:SLICE]
        if self._event_id == 0:
            raise ValueError("the snapshot does not begin with SnapshotEventId: is the Controller ready?")
        await self._write(pending)
        await self._finish(now_ms, is_gap=is_gap)
        return self._event_id

    async def _write(self, lines: Sequence[bytes]) -> None:
        orders: list[tuple[bytes, SnapshotOrder]] = []
        others: list[tuple[bytes, SnapshotObject]] = []
        for line in lines:
            if b'"Order"' in line and (found := decode_snapshot_object(line)).TYPE == "Order":
                orders.append((line, decode_snapshot_order(line)))
            else:
                found = decode_snapshot_object(line)
                others.append((line, found))
        writer = self._writer
        async with writer.transaction() as connection:
            known = await writer.load_orders(connection, {order.id for _, order in orders})
            parents = {order.parent for _, order in orders if order.parent} - known.keys()
            known |= await writer.load_orders(connection, parents)
            ids = await writer.load_ids(connection)
            places = await self._places(connection, [item for _, item in others])
            fold = Fold(writer.controller_id, {}, writer.workflow, ids, places)
            for line, item in others:
                self._item(fold, line, item)
            for _, order in orders:
                self._order(fold, order, known)
            fold.changes.notices, _ = fold.places.rows(writer.controller_id, self._event_id)
            await writer.write_changes(connection, fold.changes)
            await writer.store_ids(connection, ids)
        writer.remember_workflows(fold)

    async def _places(self, connection: AsyncConnection, objects: Sequence[SnapshotObject]) -> dict[NoticeId, Place]:
        """What a former slice of this snapshot has said of the places of which this one speaks."""
        table = live_notices
        keys = {notice_key(id_): id_ for item in objects for id_ in ids_of([item.id, item.notice_id])}
        found: dict[NoticeId, Place] = {}
        for start in range(0, len(keys), MAXIMUM_BOUND_VALUES):
            rows = await connection.execute(
                select(table).where(
                    table.c.controller_id == self._writer.controller_id,
                    table.c.revision == self._event_id,
                    table.c.notice_id.in_(list(keys)[start : start + MAXIMUM_BOUND_VALUES]),
                )
            )
            found |= {keys[row.notice_id]: place_of(row) for row in rows}
        return found

    def _notice(self, fold: Fold, found: SnapshotObject) -> None:
        for id_ in ids_of([found.id]):
            place = replace(fold.places.get(id_), has_notice=True, end_of_life=found.end_of_life)
            fold.places.put(id_, place)
        for id_ in ids_of([found.notice_id]):
            place = replace(
                fold.places.get(id_),
                is_announced=found.is_announced,
                is_in_consumption=found.is_in_consumption,
                consumption_count=found.consumption_count,
                announced_by=found.announced_by,
            )
            fold.places.put(id_, place)
            if found.announced_by is not None:
                self._announced.setdefault(found.announced_by, []).append(list(id_))
        if found.order_id is not None:
            consumed = self._consuming.setdefault(found.order_id, [])
            consumed += [list(id_) for id_ in ids_of(found.notice_id_stack)]

    def _item(self, fold: Fold, line: bytes, found: SnapshotObject) -> None:
        event_id = self._event_id
        if found.TYPE == "VersionAdded":
            fold.current_version = found.version_id or ""
        elif found.signed is not None:
            add_item(fold, found.signed.string.encode(), event_id)
        elif found.item:
            add_item(fold, bytes(found.item), event_id)
        elif found.TYPE in _ITEM_TYPES:
            add_item(fold, line, event_id)
        elif found.TYPE == "VersionedItemRemoved" and isinstance(found.path, str):
            fold.changes.versions_superseded.append(found.path.removeprefix("Workflow:"))
        elif found.agent_ref is not None:
            add_item(fold, encode({"TYPE": "AgentRef", **found.agent_ref}), event_id)
            self._agent(fold, "A", str(found.agent_ref.get("path")), found)
            self._cluster(fold, str(found.agent_ref.get("path")), found)
        elif found.subagent_item is not None:
            add_item(fold, encode({"TYPE": "SubagentItem", **found.subagent_item}), event_id)
            self._agent(fold, "S", str(found.subagent_item.get("id")), found)
        elif found.TYPE == "ClusterStateSnapshot":
            self._cluster(fold, "", found)
        elif found.TYPE in ("Notice", "NoticePlace", "NoticeConsumption"):
            self._notice(fold, found)
        elif found.TYPE == PLAN:
            self._plan(fold, found)
        elif found.TYPE == "ControllerMetaState":
            fold.changes.controller_state = "READY"

    def _plan(self, fold: Fold, found: SnapshotObject) -> None:
        """One that has been deleted is not kept; of one that has finished the snapshot says when."""
        is_finished = isinstance(found.status, dict)
        status = "Finished" if is_finished else str(found.status)
        if found.plan_id and status != "Deleted":
            since = found.status.get("at") if isinstance(found.status, dict) else None
            add_plan(fold, found.plan_id, status, since, self._event_id)

    def _agent(self, fold: Fold, kind: str, agent_id: str, found: SnapshotObject) -> None:
        coupling = found.coupling_state or {}
        state = _COUPLING.get(str(coupling.get("TYPE")), "UNKNOWN")
        reason = coupling.get("reason")
        if state == "RESET" and isinstance(reason, dict) and reason.get("TYPE") == "Fresh":
            state = "INITIALISED"
        message = None
        if found.problem is not None:
            state, message = "COUPLINGFAILED", found.problem.get("message")
        event_id = self._event_id
        agent_row(fold, kind, agent_id, state, message, found.timezone, event_id // 1000, event_id)

    def _cluster(self, fold: Fold, agent_id: str, found: SnapshotObject) -> None:
        row = clusters.snapshot_row(fold.controller_id, agent_id, self._event_id, found.cluster_state)
        if row is not None:
            fold.changes.cluster_events.append(row)

    def _order(self, fold: Fold, found: SnapshotOrder, known: dict[str, LiveOrder]) -> None:
        time_ms = self._event_id // 1000
        former = known.get(found.id)
        order = self._live_order(fold, found, former, known)
        known[found.id] = order
        former_task = former.task if former is not None else None
        if order.state == "Processing":
            order.task = former_task or self._task(fold, order)
            if former_task is None and order.task is not None:
                fold.changes.steps.append(step_row(fold.controller_id, order, order.task, None, time_ms))
        elif former_task is not None:
            end = TaskEnd(time_ms, self._event_id, "Unknown", False, None, None, None, None, GAP_TEXT)
            fold.changes.steps.append(step_row(fold.controller_id, order, former_task, end, time_ms))
        if order.started is not None:
            fold.changes.orders.append(order_row(fold.controller_id, order, history_state(order), time_ms))
        fold.changes.live.append(live_row(fold.controller_id, order))

    def _live_order(
        self, fold: Fold, found: SnapshotOrder, former: LiveOrder | None, known: dict[str, LiveOrder]
    ) -> LiveOrder:
        time_ms = self._event_id // 1000
        parent = known.get(found.parent) if found.parent is not None else None
        history_id = former.history_id if former is not None else fold.ids.next_order()
        is_started = found.state.TYPE not in ("Fresh", "FailedWhileFresh", "StoppedWhileFresh")
        outcome = found.historic_outcomes[-1].outcome if found.historic_outcomes else None
        order = LiveOrder(
            order_id=found.id,
            history_id=history_id,
            main_history_id=parent.main_history_id if parent is not None else history_id,
            parent_history_id=parent.history_id if parent is not None else 0,
            parent=found.parent,
            branch_id=found.id.rsplit("|", 1)[-1] if found.parent is not None else None,
            workflow_path=found.workflow_position.workflow_id.path,
            workflow_version_id=found.workflow_position.workflow_id.version_id,
            position=found.workflow_position.position,
            state=found.state.TYPE,
            since=former.since if former is not None and former.state == found.state.TYPE else time_ms,
            added=former.added if former is not None else time_ms,
            scheduled_for=found.scheduled_for,
            arguments=bytes(found.arguments),
            plan_id=bytes(found.plan_id),
            priority=found.priority,
            delete_when_terminated=found.delete_when_terminated,
            is_suspended=found.is_suspended,
            mark=found.mark.TYPE if found.mark is not None else None,
            attached=found.attached_state.TYPE if found.attached_state is not None else "",
            agent_id=found.attached_state.agent_path if found.attached_state is not None else None,
            until=found.state.until,
            question=bytes(found.state.question),
            children=[child.order_id for child in found.state.children],
            expected=[list(id_) for id_ in ids_of(found.state.notice_ids)],
            has_children=bool(found.state.children) or (former is not None and former.has_children),
            attempts=former.attempts if former is not None else {},
            last_task_id=former.last_task_id if former is not None else None,
            stderr_lines=former.stderr_lines if former is not None else 0,
            revision=self._event_id,
        )
        if former is not None and former.started is not None:
            order.started, order.start_event_id = former.started, former.start_event_id
            order.start_position = former.start_position
        elif is_started:
            order.started, order.start_event_id = time_ms, self._event_id
            order.start_position = position_text(order.position)
        if order.state in ("Finished", "Cancelled", "Broken"):
            order.ended = (former.ended if former is not None else None) or time_ms
            order.end_event_id = (former.end_event_id if former is not None else None) or self._event_id
        if outcome is not None:
            order.outcome, order.return_code, order.message = outcome.TYPE, outcome.return_code, outcome.text
        return order

    def _task(self, fold: Fold, order: LiveOrder) -> LiveTask:
        """A task that was running before anybody here looked: its true start is not known."""
        step = fold.step(order)
        position = position_text(order.position)
        task = LiveTask(
            task_id=fold.ids.next_task(),
            start_event_id=self._event_id,
            start_ms=self._event_id // 1000,
            position=position,
            job=(step.job if step is not None else None) or position,
            label=step.label if step is not None else None,
            agent_id=order.agent_id,
            subagent_id=None,
            attempt=1,
            retry_counter=0,
        )
        order.last_task_id = task.task_id
        return task

    async def _finish(self, now_ms: int, *, is_gap: bool) -> None:
        writer, event_id = self._writer, self._event_id
        async with writer.transaction() as connection:
            here = live_orders.c.controller_id == writer.controller_id
            vanished = [
                decode_live_order(row[0])
                for row in await connection.execute(
                    select(live_orders.c.data).where(here, live_orders.c.revision != event_id)
                )
            ]
            for order in vanished:
                if order.started is None or order.ended is not None:
                    continue
                values = {"state": UNKNOWN.code, "severity": 2, "state_time": now_ms, "state_text": GAP_TEXT}
                await connection.execute(
                    update(history_orders).where(history_orders.c.id == order.history_id).values(**values)
                )
                steps = history_order_steps
                ended = await connection.execute(
                    update(steps)
                    .where(steps.c.ho_id == order.history_id, steps.c.end_time.is_(None))
                    .values(outcome="Unknown", severity=2, error=True, error_text=GAP_TEXT, end_time=now_ms)
                    .returning(steps.c.id)
                )
                pending = [{"hos_id": id_} for id_ in ended.scalars()]
                if pending:
                    statement = writer.database.upsert(history_log_pending, ["hos_id"])
                    await connection.execute(statement, pending)
            await connection.execute(delete(live_orders).where(here, live_orders.c.revision != event_id))
            await self._tell_orders(connection)
            for table, column in (
                (live_items, live_items.c.event_id),
                (live_agents, live_agents.c.revision),
                (live_notices, live_notices.c.revision),
            ):
                await connection.execute(
                    delete(table).where(table.c.controller_id == writer.controller_id, column != event_id)
                )
            await writer.store_cursor(connection, event_id)
            if is_gap:
                await connection.execute(
                    update(history_cursors)
                    .where(history_cursors.c.controller_id == writer.controller_id)
                    .values(gaps=history_cursors.c.gaps + 1, gap_time=now_ms)
                )

    async def _tell_orders(self, connection: AsyncConnection) -> None:
        """Which notices orders consume and have announced.

        Of nested blocks the snapshot does not say which notice belongs to which: all go with the innermost.
        """
        writer = self._writer
        ids = self._consuming.keys() | self._announced.keys()
        changes = Changes()
        for id_, order in (await writer.load_orders(connection, ids)).items():
            order.consuming = [self._consuming[id_]] if id_ in self._consuming else []
            order.announced = self._announced.get(id_, [])
            changes.live.append(live_row(writer.controller_id, order))
        await writer.write_changes(connection, changes)


def _event_id(line: bytes) -> int:
    found: Any = msgspec.json.decode(line)
    if not isinstance(found, dict) or found.get("TYPE") != "SnapshotEventId":
        raise ValueError(f"the snapshot begins with {line[:80]!r} and not with SnapshotEventId")
    return int(found["eventId"])
