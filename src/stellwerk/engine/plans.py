"""Plans and plan schemas (workflow spec 8.9; orders 6.8). Part of the Controller's state.

A plan is stored only while it differs from what its schema says of unknown plans: has orders, or was given a status.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events.order_parts import PlanId
from stellwerk.language.expressions import ChildScope, Scope, as_boolean
from stellwerk.language.items import PlanSchema, plan_schema_key
from stellwerk.language.names import is_simple_name
from stellwerk.language.reader import milliseconds
from stellwerk.values.problems import Problem, ProblemError

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState

OPEN: Final = "Open"
CLOSED: Final = "Closed"
DELETED: Final = "Deleted"


class Finished(msgspec.Struct, frozen=True, tag_field="TYPE", tag="Finished"):
    """Since when, in epoch milliseconds."""

    at: int


PlanStatus = Literal["Open", "Closed", "Deleted"] | Finished


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """Snapshot object (journal spec 8.2)."""

    plan_id: PlanId
    status: PlanStatus


class PlanSchemaState(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Snapshot object: what has been changed at run time. The period in seconds."""

    id: str
    finished_plan_retention_period: int | Decimal = 0
    named_values: dict[str, Any] = {}


def status_text(status: PlanStatus) -> str:
    return "Finished" if isinstance(status, Finished) else status


class Plans:
    """All plans of a Controller. Only events change it, through `EngineState.put`."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self.schemas: dict[str, PlanSchema] = {}
        self.schema_states: dict[str, PlanSchemaState] = {}
        self._status: dict[PlanId, PlanStatus] = {}
        #: Plan → number of its orders, those in forks included.
        self.order_counts: dict[PlanId, int] = {}
        self._retentions: list[tuple[int, PlanId]] = []

    # --- reading ---

    def schema(self, schema_id: str) -> PlanSchema:
        """Raises `ProblemError` UnknownKey."""
        found = self.schemas.get(schema_id)
        if found is None:
            raise ProblemError.of("UnknownKey", type="PlanSchema", key=plan_schema_key(schema_id))
        return found

    def status(self, plan_id: PlanId) -> PlanStatus:
        """Raises `ProblemError` for an unknown schema and what the schema's function raises."""
        if not plan_id:
            return OPEN
        if len(plan_id) != 2 or not is_simple_name(plan_id[1]):
            raise ProblemError.of("InvalidName", type="PlanKey", name="/".join(plan_id))
        stored = self._status.get(plan_id)
        return self._unknown_status(plan_id) if stored is None else stored

    def _unknown_status(self, plan_id: PlanId) -> PlanStatus:
        schema = self.schema(plan_id[0])
        changed = self.schema_states.get(schema.id)
        values = {**schema.named_values, **(changed.named_values if changed is not None else {})}
        is_open = as_boolean(schema.is_open_function.call([plan_id[1]], ChildScope(Scope(), values)))
        return OPEN if is_open else DELETED

    def check_command(self, plan_id: PlanId) -> None:
        """May a command add an order? Raises `ProblemError` PlanIsClosed, PlanIsFinished, PlanIsDeleted."""
        self._check(plan_id, allows_closed=False)

    def check_instruction(self, plan_id: PlanId, is_own: bool) -> None:
        """May the AddOrder instruction of an order (of this plan: `is_own`), or a FileWatch, add an order?"""
        self._check(plan_id, allows_closed=is_own)

    def _check(self, plan_id: PlanId, allows_closed: bool) -> None:
        status = self.status(plan_id)
        if status == OPEN or (status == CLOSED and allows_closed):
            return
        raise ProblemError.of(f"PlanIs{status_text(status)}", planId="/".join(plan_id))

    def retention_ms(self, schema_id: str) -> int:
        state = self.schema_states.get(schema_id)
        return 0 if state is None else milliseconds(state.finished_plan_retention_period)

    def is_closed(self, plan_id: PlanId) -> bool:
        return self._status.get(plan_id) == CLOSED

    def is_used(self, schema_id: str) -> bool:
        """Has the schema a plan that is stored or has orders?"""
        return any(plan_id and plan_id[0] == schema_id for plan_id in (*self._status, *self.order_counts))

    def next_retention_end(self) -> int | None:
        while self._retentions:
            due, plan_id = self._retentions[0]
            status = self._status.get(plan_id)
            if isinstance(status, Finished) and status.at + self.retention_ms(plan_id[0]) <= due:
                return due
            heapq.heappop(self._retentions)
        return None

    def over(self, now_ms: int) -> list[PlanId]:
        """Finished plans whose time of retention is over."""
        found = []
        while (due := self.next_retention_end()) is not None and due <= now_ms:
            found.append(heapq.heappop(self._retentions)[1])
        return found

    # --- events ---

    def put_schema(self, schema: PlanSchema) -> None:
        self._state.put(self.schemas, schema.id, schema)

    def remove_schema(self, schema_id: str) -> None:
        self._state.remove(self.schemas, schema_id)
        self._state.remove(self.schema_states, schema_id)

    def change_schema(
        self, schema_id: str, retention: int | Decimal | None, named_values: dict[str, Any] | None
    ) -> None:
        old = self.schema_states.get(schema_id) or PlanSchemaState(id=schema_id)
        if retention is not None:
            old = replace(old, finished_plan_retention_period=retention)
        if named_values is not None:
            old = replace(old, named_values=named_values)
        self._state.put(self.schema_states, schema_id, old)
        for plan_id, status in self._status.items():
            if plan_id[0] == schema_id and isinstance(status, Finished):
                self._retain(plan_id, status)

    def _retain(self, plan_id: PlanId, finished: Finished) -> None:
        heapq.heappush(self._retentions, (finished.at + self.retention_ms(plan_id[0]), plan_id))

    def set_status(self, plan_id: PlanId, status: PlanStatus) -> None:
        state = self._state
        if status == self._unknown_status(plan_id):
            state.remove(self._status, plan_id)
        else:
            state.put(self._status, plan_id, status)
        if isinstance(status, Finished):
            self._retain(plan_id, status)

    def count_order(self, plan_id: PlanId, difference: int) -> None:
        if not plan_id:
            return
        count = self.order_counts.get(plan_id, 0) + difference
        if count:
            self._state.put(self.order_counts, plan_id, count)
        else:
            self._state.remove(self.order_counts, plan_id)

    # --- snapshots ---

    def snapshot(self) -> Iterator[Any]:
        for schema in self.schemas.values():
            yield schema
            changed = self.schema_states.get(schema.id)
            if changed is not None:
                yield changed
        for plan_id, status in self._status.items():
            yield Plan(plan_id=plan_id, status=status)

    def restore(self, snapshot_object: PlanSchema | PlanSchemaState | Plan) -> None:
        if isinstance(snapshot_object, PlanSchema):
            self.schemas[snapshot_object.id] = snapshot_object
        elif isinstance(snapshot_object, PlanSchemaState):
            self.schema_states[snapshot_object.id] = snapshot_object
        else:
            plan_id, status = snapshot_object.plan_id, snapshot_object.status
            self._status[plan_id] = status
            if isinstance(status, Finished):
                self._retain(plan_id, status)


def illegal_change(old: PlanStatus, new: PlanStatus) -> Problem:
    return Problem(message=f"PlanStatus cannot be changed from {status_text(old)} to {status_text(new)}")
