"""A rehearsal with two Agents, and short ways to use it, so that engine tests read as conversations.

Jobs end when the test says so, or at once with `job_result`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from stellwerk.author.rehearsal import JobEnd, Rehearsal, RehearsedState
from stellwerk.engine import commands
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order
from stellwerk.engine.requests import FreshOrder
from stellwerk.engine.state import Controller
from stellwerk.language.items import read_unsigned_item
from stellwerk.language.outcomes import AnyOutcome, Succeeded
from stellwerk.language.workflow import read_workflow

JobResult = Callable[[Order], AnyOutcome | None]


class ControllerOnly(RehearsedState):
    """The Controller's engine state with a repository of workflows."""

    def __init__(self) -> None:
        super().__init__(Controller())


class Installation(Rehearsal):
    """`controller` and `agents` with one journal of the Controller: `events` as (order id, event)."""

    def __init__(self, agents: Iterable[str] = ("A", "B"), job_result: JobResult | None = None) -> None:
        super().__init__(self._job, 1_748_772_000_000, agents)
        self.job_result: JobResult = job_result or (lambda order: Succeeded(named_values={"returnCode": 0}))
        self.version = 0

    def _job(self, order: Order) -> JobEnd | None:
        outcome = self.job_result(order)
        return None if outcome is None else JobEnd(outcome)

    def deploy(self, *items: dict[str, Any]) -> None:
        """Workflows and other items; those without TYPE are workflows."""
        self.version += 1
        for item in items:
            if item.get("TYPE", "Workflow") != "Workflow":
                self.add_item(read_unsigned_item(item))
                continue
            text = json.dumps({**item, "TYPE": "Workflow", "versionId": str(self.version)})
            self.add_workflow(read_workflow(text))

    def add(self, order_id: str, workflow: str = "W", **members: Any) -> None:
        self.command(commands.add_order, FreshOrder(id=order_id, workflow_path=workflow, **members))

    def advance(self, seconds: float) -> None:
        """Let time pass and do what becomes due on the way."""
        self.advance_to(self.now_ms + int(seconds * 1000))

    # --- looking ---

    def of(self, order_id: str) -> list[str]:
        """The Controller's events of one order, short: `OrderMoved [1]`."""
        return [short(event) for key, event in self.events if key == order_id]

    def state(self, order_id: str) -> str:
        return str(type(self.controller.orders[order_id].state).__struct_config__.tag)

    def history(self) -> str:
        return "\n".join(f"{key} {short(event)}" for key, event in self.events)


def short(event: Any) -> str:
    tag = str(type(event).__struct_config__.tag)
    match event:
        case e.OrderMoved():
            return f"{tag} {list(event.to)}" + (f" {event.reason.type}" if event.reason else "")
        case e.OrderCaught() | e.OrderFailed() | e.OrderFailedInFork():
            return f"{tag} {list(event.moved_to)}"
        case e.OrderAttachable() | e.OrderAttached():
            return f"{tag} {event.agent_path}"
    return tag
