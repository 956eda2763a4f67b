"""The greatest term that has been shown, remembered over a restart (cluster spec 7)."""

from __future__ import annotations

import pytest

from stellwerk.node.term_fence import TermFence
from stellwerk.simulation.disk import Keep, SimulatedDisk
from stellwerk.values.problems import ProblemError


async def fence(disk: SimulatedDisk) -> TermFence:
    made = TermFence(disk, "controller-term.json")
    await made.load()
    return made


async def test_a_lower_term_is_refused_also_after_a_power_failure() -> None:
    disk = SimulatedDisk()
    first = await fence(disk)
    first.check(0)
    await first.accept(3)
    first.check(3)
    for term in (0, 2):
        with pytest.raises(ProblemError, match="TermIsStale"):
            first.check(term)
    disk.power_up(Keep.NOTHING)
    second = await fence(disk)
    with pytest.raises(ProblemError, match="TermIsStale"):
        await second.accept(2)
    await second.accept(4)


async def test_checking_accepts_nothing() -> None:
    disk = SimulatedDisk()
    first = await fence(disk)
    first.check(7)
    await first.accept(1)


async def test_who_stands_alone_shows_no_term() -> None:
    first = await fence(SimulatedDisk())
    await first.accept(5)
    first.check(None)
    await first.accept(None)
    with pytest.raises(ProblemError, match="TermIsStale"):
        first.check(4)
