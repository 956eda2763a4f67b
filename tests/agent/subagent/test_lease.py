"""The lease of job processes: who does not prolong it in time finds them killed (cluster spec 2.4, F40)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stellwerk.effects.processes import LeaseExpiredError

if TYPE_CHECKING:
    from tests.agent.subagent.conftest import World


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_processes_end_with_their_lease_and_count_as_lost(world: World) -> None:
    process = await world.shell("echo READY; sleep 1000")
    await world.read_until(process.read_stdout, b"READY\n")
    world.processes.lease(now() + 0.5)
    assert await process.wait() == 137
    assert process.is_lost


async def test_no_process_is_started_without_a_valid_lease(world: World) -> None:
    world.processes.lease(now())
    with pytest.raises(LeaseExpiredError):
        await world.shell("true")
    world.processes.lease(now() + 1000)
    process = await world.shell("echo on")
    assert await world.result(process) == (0, b"on\n", b"")
    assert not process.is_lost


async def test_a_lease_that_is_prolonged_in_time_ends_nothing(world: World) -> None:
    world.processes.lease(now() + 0.5)
    begun = now()
    process = await world.shell("sleep 1; echo done")
    world.processes.lease(now() + 1000)
    assert await world.result(process) == (0, b"done\n", b"")
    assert now() > begun + 0.5, "it outlived its first lease"
    assert not process.is_lost


@pytest.mark.parametrize("until", [1000.0, None])
async def test_a_lease_that_comes_too_late_does_not_save_anybody(world: World, until: float | None) -> None:
    """The Agent stood still, and comes back before the watchdog has done its work."""
    process = await world.shell("echo READY; sleep 1000")
    await world.read_until(process.read_stdout, b"READY\n")
    world.processes.lease(now())
    world.processes.lease(None if until is None else now() + until)
    assert await process.wait() == 137
    assert process.is_lost


async def test_a_job_that_is_killed_within_its_lease_is_not_lost(world: World) -> None:
    world.processes.lease(now() + 1000)
    process = await world.shell("kill -KILL $$")
    assert await process.wait() == 137
    assert not process.is_lost
