"""Waiting for something, or for so long.

Heartbeats and streams of a node do nothing else, many times a second. `asyncio.wait_for` makes a task of an event's
`wait` (Python 3.11) and cancels the future that it is given, which then must be shielded: both cost more than the wait.
"""

from __future__ import annotations

import asyncio
from typing import Any


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set, now or within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def done_within(future: asyncio.Future[Any], seconds: float | None) -> bool:
    """Whether the future is done, now or within `seconds` (None: wait for ever). It is not cancelled."""
    if future.done():
        return True
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = None if seconds is None else loop.call_later(seconds, wake, None)
    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        future.remove_done_callback(wake)
        if timer is not None:
            timer.cancel()
    return future.done()
