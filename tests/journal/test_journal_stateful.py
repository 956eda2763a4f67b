"""Random lives of a journal: appends, snapshots, releases, kills, power losses (reliability spec P1, P2, P8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from journal_world import JournalWorld, event_id, snapshot_of, without_snapshot_taken

from stellwerk.journal import JournalFailedError, JournalOptions
from stellwerk.simulation.disk import CrashForm, Keep

T = TypeVar("T")


class JournalLife(RuleBasedStateMachine):
    """Each step ends with a living journal."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize(seed=st.integers(0, 1 << 16), recent_bytes=st.sampled_from([0, 500, 1 << 20]))
    def begin(self, seed: int, recent_bytes: int) -> None:
        self.world = JournalWorld(options=JournalOptions(low_space_bytes=0, reserve_bytes=0, recent_bytes=recent_bytes))
        self.world.simulated.random = random.Random(seed)
        #: What a reader has been given; it is never taken back.
        self.read: list[bytes] = []
        self.run(self.world.start())

    @rule(counts=st.lists(st.integers(1, 4), min_size=1, max_size=5), size=st.sampled_from([0, 10, 600]))
    def append_and_commit(self, counts: list[int], size: int) -> None:
        async def do() -> None:
            last = [self.world.append(count, size) for count in counts][-1]
            await self.world.journal.committed(last)

        self.run(do())

    @rule(count=st.integers(0, 3))
    def take_snapshot(self, count: int) -> None:
        async def do() -> None:
            snapshot = self.world.journal.take_snapshot(snapshot_of(self.world.lines))
            for _ in range(count):
                self.world.append()
            await snapshot

        self.run(do())

    @rule(milliseconds=st.integers(-50, 1000))
    def time_passes(self, milliseconds: int) -> None:
        self.world.clock.now += milliseconds

    @rule()
    def reader_reads_and_releases(self) -> None:
        async def do() -> None:
            position = event_id(self.read[-1]) if self.read else 0
            self.read += self.world.read_all(position, max_bytes=300)
            if self.read:
                self.world.journal.delete_released(event_id(self.read[-1]))

        self.run(do())

    @rule()
    def restart(self) -> None:
        async def do() -> None:
            await self.world.close()
            await self.world.start()

        self.run(do())

    @rule(
        steps=st.integers(0, 12),
        form=st.sampled_from(CrashForm),
        keep=st.sampled_from([*Keep, None]),
        with_snapshot=st.booleans(),
    )
    def crash(self, steps: int, form: CrashForm, keep: Keep | None, with_snapshot: bool) -> None:
        """The power fails (`keep`), or only the process dies (None), at one of the next operations."""

        async def do() -> None:
            disk = self.world.simulated
            disk.crash_at = (len(disk.operations) + steps, form)
            try:
                if with_snapshot:
                    await self.world.journal.take_snapshot(snapshot_of(self.world.lines))
                for _ in range(steps + 1):
                    await self.world.commit(2)
            except (JournalFailedError, OSError):
                assert len(self.world.failures) > 0
            await self.world.close()
            if keep is None:
                disk.kill()
            else:
                disk.power_up(keep)
            self.world.failures.clear()
            reader_position = event_id(self.read[-1]) if self.read else 0
            await self.world.start(reader_position)

        self.run(do())

    @invariant()
    def reader_gets_all_that_was_committed_and_nothing_else(self) -> None:
        position = event_id(self.read[-1]) if self.read else 0
        unread = without_snapshot_taken(self.world.read_all(position))
        committed = self.world.journal.committed_event_id
        expected = [line for line in self.world.lines if position < event_id(line) <= committed]
        assert unread == expected
        assert set(without_snapshot_taken(self.read)) <= set(self.world.lines)

    def teardown(self) -> None:
        self.run(self.world.close())
        self.runner.close()


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None, derandomize=True)
