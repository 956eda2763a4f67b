"""The commands that wait to be sent to one Subagent: what is to be said, built when it is sent (cluster spec 3.2).

The queue is filled by durable events only and lives as long as one coupling; the next one fills it anew from the state.
A start holds the step that it is for: when its order has gone on meanwhile, nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

from stellwerk.agent.director.state import AgentState
from stellwerk.agent.subagent import commands as c
from stellwerk.engine import processing
from stellwerk.engine.order import Order, Processing
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.items import ItemKey, job_resource_key, workflow_key
from stellwerk.node.agent_commands import AttachSignedItem
from stellwerk.node.commands import ReleaseEvents
from stellwerk.node.state import SignedItem


class Entry(msgspec.Struct, frozen=True):
    """What is to be said. `step` is the order's state for which a process is to be started, that very object."""

    kind: Literal["Start", "Kill", "Release"]
    order_id: str = ""
    step: Processing | None = None
    is_repeated: bool = False


def order_at(state: AgentState, order_id: str, subagent_id: str) -> Order | None:
    """The order, if it is being processed at the Subagent."""
    order = state.orders.get(order_id)
    if order is None or not isinstance(order.state, Processing) or order.state.subagent_id != subagent_id:
        return None
    return order


class SubagentQueue:
    """See the module."""

    def __init__(self, state: AgentState, subagent_id: str) -> None:
        self._state = state
        self._subagent_id = subagent_id
        self._is_open = False
        self._entries: deque[Entry] = deque()
        self._filled = asyncio.Event()
        #: As the Subagent has been sent them in this coupling.
        self._items: dict[ItemKey, SignedItem] = {}
        self._observed = 0
        #: EventIds of OrderProcessingStarted, of orders being processed there, as far as they have been seen.
        self._attempts: dict[str, int] = {}

    # --- filling ---

    def open(self) -> None:
        """A coupling begins: durable events are queued from now on."""
        self._is_open = True
        here = self._state.processing_at.get(self._subagent_id, {})
        self._attempts = {order_id: event_id for order_id, event_id in self._attempts.items() if order_id in here}

    def close(self) -> None:
        self._is_open = False
        self._entries.clear()
        self._items.clear()

    def steps(self) -> list[tuple[str, Processing]]:
        """What is being processed there, durable or not."""
        here = self._state.processing_at.get(self._subagent_id, ())
        states = ((order_id, self._state.orders[order_id].state) for order_id in here)
        return [(order_id, state) for order_id, state in states if isinstance(state, Processing)]

    def repeat_starts(self, steps: Iterable[tuple[str, Processing]]) -> None:
        """Of steps that are durable and may have been started, or not. The Subagent knows."""
        queued = {entry.order_id for entry in self._entries}
        for order_id, step in steps:
            if order_id not in queued:
                self._add(Entry("Start", order_id, step))
                self.kill_if_wanted(order_id)

    def start(self, event_id: int, order_id: str) -> None:
        """OrderProcessingStarted is durable."""
        self._attempts[order_id] = event_id
        order = self.order(order_id)
        if self._is_open and order is not None and isinstance(order.state, Processing):
            self._add(Entry("Start", order_id, order.state))
            self.kill_if_wanted(order_id)

    def kill_if_wanted(self, order_id: str) -> None:
        """The order's mark may want its process to be killed."""
        order = self.order(order_id)
        if self._is_open and order is not None and processing.kill_request(order) is not None:
            self._add(Entry("Kill", order_id))

    def release(self, until_event_id: int) -> None:
        """What has been taken over is durable: the Subagent may forget it."""
        self._observed = until_event_id
        if self._is_open and not (self._entries and self._entries[-1].kind == "Release"):
            self._add(Entry("Release"))

    def repeat(self, entry: Entry) -> bool:
        """Say it again, once, with all items: the Subagent has forgotten some. False when that has been done."""
        self._items.clear()
        if entry.is_repeated:
            return False
        self._entries.appendleft(replace(entry, is_repeated=True))
        return True

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._filled.set()

    def order(self, order_id: str) -> Order | None:
        return order_at(self._state, order_id, self._subagent_id)

    # --- sending ---

    async def next(self) -> tuple[Entry, c.SubagentCommand]:
        """Wait for something that is still to be said."""
        while True:
            while not self._entries:
                self._filled.clear()
                await self._filled.wait()
            entry = self._entries.popleft()
            command = self._build(entry)
            if command is not None:
                return entry, command

    def is_present(self, entry: Entry) -> bool:
        """Is the order still at the step that the entry is for?"""
        order = self.order(entry.order_id)
        return order is not None and order.state is entry.step

    def _build(self, entry: Entry) -> c.SubagentCommand | None:
        if entry.kind == "Release":
            return ReleaseEvents(until_event_id=self._observed)
        order = self.order(entry.order_id)
        if order is None:
            return None
        if entry.kind == "Kill":
            kill = processing.kill_request(order)
            if kill is None:
                return None
            return c.KillProcess(order_id=order.id, signal="SIGKILL" if kill.immediately else "SIGTERM")
        return self._build_start(order) if self.is_present(entry) else None

    def _build_start(self, order: Order) -> c.SubagentCommand:
        assert isinstance(order.state, Processing)
        state = self._state
        workflow = state.workflow(order.workflow_id)
        instruction = workflow.instruction(order.position)
        assert isinstance(instruction, ExecuteNamed | ExecuteAnonymous)
        attempt = self._attempts.get(order.id)
        start = c.StartOrderProcess(
            order=order,
            default_arguments={name: str(value) for name, value in instruction.default_arguments.items()},
            end_of_admission_period=order.state.end_of_admission_period,
            attempt=None if attempt is None else str(attempt),
        )
        items = []
        for key in (
            workflow_key(workflow.id),
            *(job_resource_key(path) for path in state.job_resource_paths_of(workflow)),
        ):
            signed = state.signed.get(key)
            if signed is not None and self._items.get(key) is not signed:
                self._items[key] = signed
                items.append(AttachSignedItem(signed=signed.signed, item_revision=signed.revision))
        return c.Batch((*items, start)) if items else start
