"""Work that a service of the active member does again and again (cluster specification 4.4)."""

from __future__ import annotations

import asyncio

from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.database.fence import NotActiveError


async def test_rounds_go_on_after_a_failure_and_when_they_are_woken_until_the_member_is_deposed() -> None:
    done: asyncio.Queue[int] = asyncio.Queue()
    count = 0

    async def work() -> float:
        nonlocal count
        count += 1
        done.put_nowait(count)
        if count == 1:
            raise OSError("the database does not answer")
        if count == 4:
            raise NotActiveError("another one is")
        return 0.0 if count == 2 else 3600.0

    rounds = Rounds("test", work, retry_seconds=0.01)
    rounds.start()
    assert [await done.get() for _ in range(3)] == [1, 2, 3], "after the failure, and at once"
    assert not rounds.have_ended
    rounds.wake()
    assert await done.get() == 4
    task = rounds._task
    assert task is not None
    await task
    assert rounds.have_ended
    await rounds.stop()
    await rounds.stop()
