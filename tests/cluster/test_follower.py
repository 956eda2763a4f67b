"""What the passive node copies comes into its journal and its state, or into neither (cluster spec 1.7)."""

from __future__ import annotations

import asyncio

import pytest

from stellwerk.cluster.follower import _to_its_end


async def test_a_block_is_copied_to_its_end_also_when_following_ends_meanwhile() -> None:
    written, steps = asyncio.Event(), []

    async def write_and_fold() -> None:
        steps.append("write")
        await written.wait()
        steps.append("fold")

    following = asyncio.ensure_future(_to_its_end(write_and_fold()))
    await asyncio.sleep(0)
    for _ in range(2):
        following.cancel()
        await asyncio.sleep(0)
    assert not following.done()
    written.set()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert steps == ["write", "fold"]


async def test_a_failing_disk_counts_more_than_the_end_of_following() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise OSError("no disk")

    following = asyncio.ensure_future(_to_its_end(fail()))
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(OSError, match="no disk"):
        await following
