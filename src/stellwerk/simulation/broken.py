"""Deliberately broken variants: a simulator that does not catch them proves nothing (reliability, section 3)."""

from __future__ import annotations

from typing import Any, Final

from stellwerk.agent.director.losses import lose_orders, lost
from stellwerk.agent.director.node import AgentNode
from stellwerk.controller.node import ControllerNode
from stellwerk.engine.events.subagent import SubagentCouplingFailed
from stellwerk.node.persist import Effects, combined
from stellwerk.simulation.disk import SimulatedAppendFile, SimulatedDisk
from stellwerk.simulation.installation import Parts


class _UnsyncedFile(SimulatedAppendFile):
    async def sync(self) -> None:
        """Claims to be durable."""


class UnsyncedDisk(SimulatedDisk):
    """No sync: `fdatasync` is never called for what is appended."""

    def create(self, name: str) -> SimulatedAppendFile:
        super().create(name)
        return _UnsyncedFile(self, name, self._names[name])


class HastyController(ControllerNode):
    """Answers before the commit."""

    async def durable(self) -> None:
        """Does not wait."""


class HastyAgent(AgentNode):
    """Starts processes before `OrderProcessingStarted` is durable."""

    def activate(self) -> None:
        persister = self.persister
        append = persister._append

        def append_and_act(*arguments: Any) -> None:
            append(*arguments)
            persister._loop.call_soon(persister._on_commit, self.journal.appended_event_id)

        persister._append = append_and_act  # type: ignore[method-assign, assignment]
        super().activate()


class ImpatientAgent(AgentNode):
    """Takes the processes of a Subagent that it cannot reach for lost."""

    def effects_of_events(self) -> Effects:
        def lose(event_id: int, subagent_id: str, event: SubagentCouplingFailed) -> None:
            outcome = lost("ProcessLostDueToRestart")
            self.persister.persist_internally(lambda transaction: lose_orders(transaction, subagent_id, outcome))

        return combined(super().effects_of_events(), {SubagentCouplingFailed: lose})


VARIANTS: Final[dict[str, Parts]] = {
    "no-sync": Parts(disk=UnsyncedDisk),
    "answer-before-commit": Parts(controller=HastyController),
    "start-before-durable": Parts(agent=HastyAgent),
    "lost-because-unreachable": Parts(agent=ImpatientAgent, needs_cuts=True),
}
