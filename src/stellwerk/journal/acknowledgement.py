"""Whether a commit needs the passive node, too (cluster spec 1.7.3).

While `require` is in force a block counts as committed only when the passive node has said that it is durable there.
"""

from __future__ import annotations

import asyncio


class AcknowledgementGate:
    """One waiter: the journal's committer. `acked_event_id` is the newest EventId that the passive node has."""

    def __init__(self) -> None:
        self.is_required = False
        self.acked_event_id = 0
        #: Loop time since when a commit waits; None: none does.
        self.waiting_since: float | None = None
        self._waiter: tuple[int, asyncio.Future[None]] | None = None

    def require(self, acked_event_id: int) -> None:
        """From the next block on; the passive node has everything up to `acked_event_id`."""
        self.is_required = True
        self.acked_event_id = max(self.acked_event_id, acked_event_id)

    def waive(self) -> None:
        """Commit alone from now on; who waits goes on."""
        self.is_required = False
        self._go_on()

    def acknowledged(self, event_id: int) -> None:
        self.acked_event_id = max(self.acked_event_id, event_id)
        if self._waiter is not None and self._waiter[0] <= self.acked_event_id:
            self._go_on()

    async def passed(self, event_id: int) -> None:
        """Return when `event_id` may be committed."""
        if not self.is_required or event_id <= self.acked_event_id:
            return
        loop = asyncio.get_running_loop()
        self._waiter = event_id, loop.create_future()
        self.waiting_since = loop.time()
        try:
            await self._waiter[1]
        finally:
            self._waiter = None
            self.waiting_since = None

    def _go_on(self) -> None:
        if self._waiter is not None and not self._waiter[1].done():
            self._waiter[1].set_result(None)
