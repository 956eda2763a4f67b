"""`Turns`: how many logins may wait for another system at the same time; the queue behind them has an end, too."""

from __future__ import annotations

import asyncio
from types import TracebackType

from stellwerk.cockpit.auth.credentials import LoginRefused


class Turns:
    """`async with turns:` waits for one of `count`; refuses when `waiting` more wait already."""

    def __init__(self, count: int, waiting: int = 100) -> None:
        self._free = asyncio.Semaphore(count)
        self._maximum = count + waiting
        self._present = 0

    async def __aenter__(self) -> None:
        if self._present >= self._maximum:
            raise LoginRefused("there are too many logins at once; try again")
        self._present += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._present -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._present -= 1
        self._free.release()
