"""An event loop on virtual time: nothing waits, the clock jumps to the next timer (reliability 3.2).

No selector, no threads, no sockets: whatever a component awaits must come from tasks, futures and timers of this loop.
When nothing is ready and no timer is set, somebody waits for something that will never come: `SimulationStuckError`.

A `Life` is one run of one node. What is begun in its context (tasks, callbacks, timers, and what these begin) belongs
to it. When a life ends, nothing of it happens any more: no callback, no `finally`, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import gc
import heapq
import itertools
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

#: So many turns of the loop at one moment of virtual time are one too many.
_MAXIMUM_TURNS = 200_000
#: Ended tasks of a life are forgotten when there are more of them than this and than unfinished ones.
_FEW_TASKS = 50


class SimulationStuckError(Exception):
    """No task can go on and no timer is set."""


class Life:
    """One run of one node, from its start to its end or crash."""

    def __init__(self, name: str, loop: SimulatedLoop) -> None:
        self.name = name
        self.is_over = False
        #: A stopped process (SIGSTOP): what should have happened waits for its end.
        self.is_paused = False
        #: What waits meanwhile.
        self.held: list[Call] = []
        #: Unfinished tasks, and some that have ended. They are kept after the life's end, so that no garbage collector
        #: throws into them.
        self.tasks: list[asyncio.Task[Any]] = []
        self._enough_tasks = 0
        self.context = contextvars.copy_context()
        self.context.run(_life.set, self)
        self._loop = loop

    def add_task(self, task: asyncio.Task[Any]) -> None:
        if len(self.tasks) > self._enough_tasks:
            self.tasks = [other for other in self.tasks if not other.done()]
            self._enough_tasks = 2 * len(self.tasks) + _FEW_TASKS
        self.tasks.append(task)

    def end(self) -> None:
        self.is_over = True
        self.held.clear()

    def resume(self) -> None:
        """SIGCONT."""
        self.is_paused = False
        held, self.held = self.held, []
        self._loop.repeat(held)

    def run_task(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task that belongs to this life."""
        return self._loop.create_task(coroutine, name=name, context=self.context.copy())


_life: contextvars.ContextVar[Life | None] = contextvars.ContextVar("stellwerk_simulation_life", default=None)


class Call:
    """A callback of a life, or of none: what asyncio calls a handle, but cheaper. A run has some 200,000."""

    __slots__ = ("arguments", "callback", "context", "is_cancelled", "life")

    def __init__(
        self, callback: Callable[..., Any], arguments: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = contextvars.copy_context() if context is None else context
        self.life = self.context.get(_life)
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.arguments = ()  # a timer stays in the heap until it is due

    def cancelled(self) -> bool:
        return self.is_cancelled


class SimulatedLoop(asyncio.base_events.BaseEventLoop):
    """`loop.time()` is virtual and begins at 0; same calls, same order, whatever the machine does.

    Timers of the same time fire in the order in which they were set.
    """

    _ready: collections.deque[Call]

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0
        #: The context outside of all lives: network, clients, machines.
        self.world = contextvars.Context()
        self._lives: list[Life] = []
        #: Due time, number, and what to do then.
        self._timers: list[tuple[float, int, Call]] = []
        self._numbers = itertools.count()
        self._turns = 0
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now_seconds

    def begin_life(self, name: str) -> Life:
        life = self.world.copy().run(Life, name, self)
        self._lives.append(life)
        return life

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        call = Call(callback, args, context)
        self._ready.append(call)
        return call

    #: There are no threads. The interpreter calls this for generators that nobody has closed.
    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        call = Call(callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), call))
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        return self.call_at(self.now_seconds + delay, callback, *args, context=context)

    def later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Call:
        """As `call_later`, outside of all lives."""
        return self.call_at(self.now_seconds + seconds, callback, *args, context=self.world)

    def repeat(self, calls: Iterable[Call]) -> None:
        """What had been held is done now."""
        self._ready.extend(calls)

    def _run_once(self) -> None:
        """One turn: what is ready. Where a real loop would sleep, the virtual clock jumps."""
        ready, timers = self._ready, self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise SimulationStuckError("every task waits for something that nobody will do")
            if timers[0][0] > self.now_seconds:
                self.now_seconds = timers[0][0]
                self._turns = 0
        self._turns += 1
        if self._turns > _MAXIMUM_TURNS:
            raise SimulationStuckError("somebody is busy for ever: time stands still")
        while timers and timers[0][0] <= self.now_seconds:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            call = ready.popleft()
            life = call.life
            if call.is_cancelled or (life is not None and life.is_over):
                continue
            if life is not None and life.is_paused:
                life.held.append(call)
                continue
            try:
                call.context.run(call.callback, *call.arguments)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": f"Exception in callback {call.callback}", "exception": error})

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Executed at once: threads would make a run unrepeatable."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def end_all_lives(self) -> None:
        for life in self._lives:
            life.end()

    def forget_ended_lives(self) -> int:
        """At the very end, when nobody looks any more; returns how many tasks were unfinished."""
        count = 0
        for life in self._lives:
            if life.is_over:
                unfinished = [task for task in life.tasks if not task.done()]
                for task in unfinished:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with contextlib.suppress(BaseException):
                        task.get_coro().close()
                count += len(unfinished)
                life.tasks.clear()
        return count

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        context = options.get("context")
        life = _life.get() if context is None else context.get(_life)
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        if life is not None:
            life.add_task(task)
        return task

    def _write_to_self(self) -> None:
        """There is no other thread that could have to wake this loop."""


async def _forget(loop: SimulatedLoop) -> None:
    """Within the loop, because what is closed may still look for it; what an ended life complains of is not heard."""
    await asyncio.sleep(0)
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        if loop.forget_ended_lives():
            gc.collect()
    finally:
        sys.unraisablehook = hook


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a new simulated loop, to its end."""
    loop = SimulatedLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.end_all_lives()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(_forget(loop))
        asyncio.set_event_loop(None)
        loop.close()
