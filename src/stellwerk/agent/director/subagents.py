"""All Subagents of a Director: which driver deals with which durable event, and the drivers' life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.agent.director.state import AgentState
from stellwerk.agent.director.subagent_driver import DriverTiming, SubagentDriver
from stellwerk.agent.director.subagent_peers import LocalSubagentPeer, RemotePeers, SubagentPeer
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.order import Processing
from stellwerk.engine.transaction import Transaction
from stellwerk.language.items import SubagentItem, split_key
from stellwerk.node.persist import Effect, Persister
from stellwerk.values.problems import ProblemError


class Subagents:
    """See the module. `attach` gives it the persister before the first effect."""

    def __init__(
        self,
        state: AgentState,
        local: Subagent,
        remote_peers: RemotePeers,
        term: Callable[[], int],
        timing: DriverTiming,
        run_task: Callable[[Any, str], asyncio.Task[Any]],
        on_deposed: Callable[[], None],
    ) -> None:
        """`on_deposed`: a Subagent has seen a Director of a newer term."""
        self.state = state
        self.local = local
        self._remote_peers = remote_peers
        self._term = term
        self._timing = timing
        self._run_task = run_task
        self.on_deposed = on_deposed
        self._persister: Persister[Transaction] | None = None
        self._drivers: dict[str, SubagentDriver] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._is_running = False

    # --- what drivers need ---

    @property
    def persister(self) -> Persister[Transaction]:
        assert self._persister is not None, "the Subagents have not been attached to their node"
        return self._persister

    @property
    def term(self) -> int:
        return self._term()

    def peer(self, item: SubagentItem) -> SubagentPeer:
        if self.state.is_local(item.id):
            return LocalSubagentPeer(self.local)
        return self._remote_peers(self.state.local_subagent_id or "", item)

    # --- life ---

    def attach(self, persister: Persister[Transaction]) -> None:
        self._persister = persister

    def start(self, failed_director_subagent_id: str | None = None) -> None:
        """`failed_director_subagent_id`: the Subagent of the Director that has failed, if this is a fail-over."""
        self._is_running = True
        for subagent_id in self.state.subagents:
            self._start(subagent_id, has_failed=subagent_id == failed_director_subagent_id)

    def _start(self, subagent_id: str, *, has_failed: bool = False) -> None:
        driver = SubagentDriver(self, subagent_id, self._timing, has_failed=has_failed)
        self._drivers[subagent_id] = driver
        self._tasks[subagent_id] = self._run_task(driver.run(), f"subagent driver {subagent_id}")

    async def stop(self) -> None:
        """Processes go on; nothing of them is taken over any more."""
        self._is_running = False
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end_all(self) -> None:
        """The Agent forgets everything, and with it what it has started anywhere. After `stop`."""
        remote = [driver for id_, driver in self._drivers.items() if not self.state.is_local(id_)]
        await asyncio.gather(*(driver.end_run() for driver in remote))
        await self.local.restart()

    # --- effects ---

    def effects(self) -> Mapping[type, Effect]:
        return {
            e.OrderProcessingStarted: self._on_processing_started,
            e.OrderCancellationMarked: self._on_marked,
            e.OrderSuspensionMarked: self._on_marked,
            s.SubagentEventsObserved: self._on_observed,
            s.SubagentResetStarted: self._on_changed,
            i.ItemAttachedToMe: self._on_item_attached,
            i.ItemDetachingFromMe: lambda event_id, key, event: self._on_changed(
                event_id, split_key(event.key)[1], event
            ),
            i.ItemDetached: self._on_item_detached,
        }

    def _on_processing_started(self, event_id: int, order_id: str, event: e.OrderProcessingStarted) -> None:
        driver = self._drivers.get(event.subagent_id or "")
        if driver is not None:
            driver.queue.start(event_id, order_id)

    def _on_marked(self, event_id: int, order_id: str, event: Any) -> None:
        order = self.state.orders.get(order_id)
        if order is not None and isinstance(order.state, Processing):
            driver = self._drivers.get(order.state.subagent_id or "")
            if driver is not None:
                driver.queue.kill_if_wanted(order_id)

    def _on_observed(self, event_id: int, subagent_id: str, event: s.SubagentEventsObserved) -> None:
        driver = self._drivers.get(subagent_id)
        if driver is not None:
            driver.queue.release(event.until_event_id)

    def _on_changed(self, event_id: int, subagent_id: str, event: Any) -> None:
        driver = self._drivers.get(subagent_id)
        if driver is not None:
            driver.restart()

    def _on_item_attached(self, event_id: int, key: Any, event: i.ItemAttachedToMe) -> None:
        item = event.item
        if not isinstance(item, SubagentItem) or not self._is_running or item.id not in self.state.subagents:
            return
        driver = self._drivers.get(item.id)
        if driver is None:
            self._start(item.id)
        elif driver.uri != item.uri:
            driver.restart()

    def _on_item_detached(self, event_id: int, key: Any, event: i.ItemDetached) -> None:
        kind, name = split_key(event.key)
        if kind == "Subagent" and name not in self.state.subagents:
            self._drivers.pop(name, None)
            self._tasks.pop(name, None)


def no_remote_peers(own_id: str, item: SubagentItem) -> SubagentPeer:
    """For Agents that have no way to others."""
    raise ProblemError(f"Subagent:{item.id} is a remote one, which cannot be reached from here")
