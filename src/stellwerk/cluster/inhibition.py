"""The promise not to become active, and becoming active: never both at once (cluster spec 1.8).

    state = inhibition.inhibit(seconds)        # None: promised; "active": this node is active
    async with inhibition.activation() as attempt: ...   # raises when a promise is given

Volatile: a node that starts again has forgotten its promises; therefore it does not become active by itself then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from stellwerk.values.problems import Problem, ProblemError

#: A node that is about to become active answers an inhibition when that is settled; so long it may take at once.
BUSY_SECONDS = 0.5


class Role(Enum):
    INITIAL = "Initial"
    PASSIVE = "Passive"
    ACTIVE = "Active"


class Inhibition:
    """See the module. One per run of a node."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._promised_until = 0.0
        self._is_waiting = False
        self.role = Role.INITIAL

    @property
    def is_inhibited(self) -> bool:
        return self._loop.time() < self._promised_until

    async def inhibit(self, seconds: float) -> bool:
        """Promise not to become active for so long: True. False: this node is active.

        Raises `ProblemError` while it is about to become active, and that is not settled soon.
        """
        if self._is_waiting:
            # It has to be active, by its journal or the watch, and waits only for the end of an earlier promise:
            # a node that asks again and again would keep it from that for ever.
            raise _about_to_become_active()
        try:
            await asyncio.wait_for(self._lock.acquire(), BUSY_SECONDS)
        except TimeoutError:
            if self.role is Role.ACTIVE:
                return False
            raise _about_to_become_active() from None
        try:
            if self.role is Role.ACTIVE:
                return False
            self._promised_until = max(self._promised_until, self._loop.time() + seconds)
            return True
        finally:
            self._lock.release()

    async def released(self) -> None:
        """Return when no promise is in force any more; none is given meanwhile."""
        self._is_waiting = True
        try:
            await asyncio.sleep(max(0.0, self._promised_until - self._loop.time()))
        finally:
            self._is_waiting = False

    @asynccontextmanager
    async def activation(self) -> AsyncIterator[None]:
        """What happens inside excludes promises. Raises `ProblemError` when one has been given."""
        async with self._lock:
            if self.role is not Role.ACTIVE and self.is_inhibited:
                raise ProblemError(Problem(message="This cluster node has promised its peer not to become active"))
            yield


def _about_to_become_active() -> ProblemError:
    return ProblemError(Problem(message="This cluster node is about to become active; try again"))
