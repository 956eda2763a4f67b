"""An event loop on virtual time: nothing waits, the clock jumps to the next timer (reliability 3.2).

No selector, no threads, no sockets: whatever a component awaits must come from tasks, futures and timers of this loop.
When nothing is ready and no timer is set, somebody waits for something that will never come: `SimulationStuckError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class SimulationStuckError(Exception):
    """No task can go on and no timer is set."""


class _VirtualSelector:
    """Where a real loop would sleep, the virtual clock jumps."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise SimulationStuckError("every task waits for something that nobody will do")
        if timeout > 0:
            self._loop.now_seconds += timeout
        return []


class SimulatedLoop(asyncio.base_events.BaseEventLoop):
    """`loop.time()` is virtual and begins at 0; same calls, same order, whatever the machine does."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0
        self._selector = _VirtualSelector(self)
        # A virtual clock has no resolution: timers are due exactly at their time.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now_seconds

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: no file descriptors in a simulation."""

    def _write_to_self(self) -> None:
        """There is no other thread that could have to wake this loop."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Executed at once: threads would make a run unrepeatable."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def run(main: Any) -> Any:
    """Run a coroutine on a new simulated loop, to its end."""
    loop = SimulatedLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
