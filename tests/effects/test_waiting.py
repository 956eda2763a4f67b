"""Waiting for something, or for so long, on simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stellwerk.effects.waiting import done_within, set_within
from stellwerk.simulation.loop import run

Wait = Callable[[float, float], Coroutine[Any, Any, bool]]


async def _until_set(at: float, seconds: float) -> bool:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(at, event.set)
    return await set_within(event, seconds)


async def _until_done(at: float, seconds: float) -> bool:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(at, future.set_result, None)
    is_done = await done_within(future, seconds)
    assert not future.cancelled()
    return is_done


@pytest.mark.parametrize("wait", [_until_set, _until_done])
def test_a_wait_ends_with_what_it_waits_for_or_with_its_time(wait: Wait) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for at, seconds, expected in ((1.0, 3.0, True), (3.0, 1.0, False), (1.0, 0.0, False), (1.0, 1.0, True)):
            began_at = loop.time()
            assert await wait(at, seconds) is expected, (at, seconds)
            assert loop.time() == pytest.approx(began_at + min(at, seconds))
            await asyncio.sleep(10)

    run(main())


@pytest.mark.parametrize("wait", [_until_set, _until_done])
def test_a_wait_can_be_cancelled(wait: Wait) -> None:
    async def main() -> None:
        task = asyncio.create_task(wait(5.0, 9.0))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() == 1.0

    run(main())


def test_a_future_is_waited_for_without_limit() -> None:
    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1e6, future.set_exception, ValueError("over"))
        assert await done_within(future, None)
        with pytest.raises(ValueError, match="over"):
            future.result()

    run(main())
