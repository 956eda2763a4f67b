"""Work that a service of the active member does again and again (cluster.md 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from stellwerk.cockpit.database.fence import NotActiveError
from stellwerk.effects.waiting import set_within

#: After a round that has failed, also when somebody wants the next one.
_LEAST_PAUSE_SECONDS = 1.0

_logger = structlog.get_logger(__name__)


class Rounds:
    """`work` gives the seconds until its next round, unless it is woken before; 0: at once.

    A round that fails (the database does not answer, …) is logged, and the next one is tried after `retry_seconds`.
    When the member is not active any more (`NotActiveError`) there are no further rounds until the next `start`.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[float]], *, retry_seconds: float) -> None:
        self._name = name
        self._work = work
        self._retry_seconds = retry_seconds
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def have_ended(self) -> bool:
        """By themselves: the member is not active any more."""
        return self._task is not None and self._task.done()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, also amid a round. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._work()
            except NotActiveError as error:
                _logger.info("an active service ends", service=self._name, reason=str(error))
                return
            except Exception as error:
                _logger.error("an active service has failed", service=self._name, exc_info=error)
                least = min(_LEAST_PAUSE_SECONDS, self._retry_seconds)
                await asyncio.sleep(least)  # no signal tells that the failure is over
                pause = self._retry_seconds - least
            if pause > 0:
                await set_within(self._wake, pause)
