"""An event loop on virtual time: nothing waits, the clock jumps to the next timer (reliability 3.2).

No selector, no threads, no sockets: whatever a component awaits must come from tasks, futures and timers of this loop.
When nothing is ready and no timer is set, somebody waits for something that will never come: `SimulationStuckError`.

A `Life` is one run of one node. What is begun in its context (tasks, callbacks, timers, and what these begin) belongs
to it. When a life ends, nothing of it happens any more: no callback, no `finally`, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

#: So many turns of the loop at one moment of virtual time are one too many.
_MAXIMUM_TURNS = 200_000


class SimulationStuckError(Exception):
    """No task can go on and no timer is set."""


class Life:
    """One run of one node, from its start to its end or crash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over = False
        #: A stopped process (SIGSTOP): what should have happened waits for its end.
        self.is_paused = False
        self._held: list[_Call] = []
        #: Unfinished tasks. Those of an ended life are kept, so that no garbage collector throws into them.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.context = contextvars.copy_context()
        self.context.run(_life.set, self)

    def end(self) -> None:
        self.is_over = True
        self._held.clear()

    def hold(self, call: _Call) -> None:
        self._held.append(call)

    def resume(self) -> None:
        """SIGCONT."""
        self.is_paused = False
        held, self._held = self._held, []
        loop = asyncio.get_running_loop()
        for call in held:
            loop.call_soon(call.resume)

    def run_task(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task that belongs to this life."""
        return asyncio.get_running_loop().create_task(coroutine, name=name, context=self.context.copy())


_life: contextvars.ContextVar[Life | None] = contextvars.ContextVar("stellwerk_simulation_life", default=None)


class _VirtualSelector:
    """Where a real loop would sleep, the virtual clock jumps."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

        self._turns = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise SimulationStuckError("every task waits for something that nobody will do")
        if timeout > 0:
            self._loop.now_seconds += timeout
            self._turns = 0
        self._turns += 1
        if self._turns > _MAXIMUM_TURNS:
            raise SimulationStuckError("somebody is busy for ever: time stands still")
        return []


class SimulatedLoop(asyncio.base_events.BaseEventLoop):
    """`loop.time()` is virtual and begins at 0; same calls, same order, whatever the machine does."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0
        self._selector = _VirtualSelector(self)
        # A virtual clock has no resolution: timers are due exactly at their time.
        self._clock_resolution = 1e-9
        #: The context outside of all lives: network, clients, machines.
        self.world = contextvars.Context()
        self._lives: list[Life] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now_seconds

    def begin_life(self, name: str) -> Life:
        life = self.world.copy().run(Life, name)
        self._lives.append(life)
        return life

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        context, life = _context_and_life(context)
        if life is None:
            return super().call_soon(callback, *args, context=context)
        call = _Call(life, context, callback, args)
        call.handle = super().call_soon(call, context=context)
        return call.handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        context, life = _context_and_life(context)
        if life is None:
            return super().call_at(when, callback, *args, context=context)
        call = _Call(life, context, callback, args)
        timer = super().call_at(when, call, context=context)
        call.handle = timer
        return timer

    def later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """As `call_later`, outside of all lives."""
        return self.call_at(self.now_seconds + seconds, callback, *args, context=self.world)

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
                for task in life.tasks:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with contextlib.suppress(BaseException):
                        task.get_coro().close()
                count += len(life.tasks)
                life.tasks.clear()
        return count

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        _, life = _context_and_life(options.get("context"))
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        if life is not None:
            life.tasks[task] = None
            task.add_done_callback(life.tasks.pop, context=self.world)
        return task

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: no file descriptors in a simulation."""

    def _write_to_self(self) -> None:
        """There is no other thread that could have to wake this loop."""


def _context_and_life(context: contextvars.Context | None) -> tuple[contextvars.Context, Life | None]:
    if context is None:
        context = contextvars.copy_context()
    return context, context.get(_life)


class _Call:
    """A callback of a life: not called any more when that is over, and later when it is paused."""

    __slots__ = ("_arguments", "_callback", "_context", "_life", "handle")

    def __init__(
        self, life: Life, context: contextvars.Context, callback: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        self._life = life
        self._context = context
        self._callback = callback
        self._arguments = arguments
        self.handle: asyncio.Handle

    def __call__(self) -> None:
        """In its own context."""
        if self._life.is_paused:
            self._life.hold(self)
        elif not self._life.is_over and not self.handle.cancelled():
            self._callback(*self._arguments)

    def resume(self) -> None:
        """Called from outside of the life."""
        self._context.run(self)


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
