"""The copy of a journal on a passive node (cluster spec 1.7.1): what readers see, and its replacement as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from journal_world import NAME, OPTIONS, TYPE_NAME, JournalWorld, event_id, state_of

from stellwerk.journal import JournalClosedError, JournalFailedError, Replica, finish_replacement, recover
from stellwerk.journal.format import FILE_BEGIN, BlockParser, file_event_ids, file_name
from stellwerk.simulation.disk import CrashForm, Keep, SimulatedDisk


async def active_node() -> JournalWorld:
    """Three files, of which nothing has been released."""
    world = JournalWorld()
    await world.start()
    await world.commit(3)
    await world.commit(2)
    await world.snapshot()
    await world.commit(2)
    await world.snapshot()
    await world.commit()
    await world.commit(2)
    return world


async def replica_on(disk: SimulatedDisk) -> Replica:
    return await Replica.open(disk, recover(disk, NAME, TYPE_NAME), JournalWorld().clock, OPTIONS)


async def write_file(world: JournalWorld, replica: Replica) -> None:
    """The rest of the file that is being received."""
    content = world.simulated.read(file_name(NAME, replica.receiving))
    parser = BlockParser(replica.end)
    for item in parser.feed(content[replica.end.start :]):
        if item is not None:
            await replica.write(*item)


async def replace(world: JournalWorld, replica: Replica) -> None:
    files = [file for file, _ in world.journal.files()]
    replica.begin_anew(files, world.journal.committed_event_id)
    await write_file(world, replica)
    for file in files[1:]:
        await replica.begin_file(file)
        await write_file(world, replica)


def content_of(disk: SimulatedDisk) -> dict[str, bytes]:
    return {name: disk.read(name) for name in disk.names()}


async def test_a_replaced_journal_has_all_files_of_the_active_node_byte_for_byte() -> None:
    world = await active_node()
    disk = SimulatedDisk()
    replica = await replica_on(disk)
    assert replica.is_fresh
    await replace(world, replica)
    assert content_of(disk) == content_of(world.simulated)
    recovered = recover(disk, NAME, TYPE_NAME)
    assert state_of(recovered) == world.lines
    # A receiver that has read nothing yet finds everything here, too.
    again = await replica_on(disk)
    lines, after = [], again.torn_event_id
    while page := again.read_after(after):
        lines += page
        after = event_id(page[-1])
    assert lines == world.read_all()
    await world.close()


async def test_readers_of_a_journal_that_is_replaced_are_sent_away_before_they_see_a_part_of_it() -> None:
    world = await active_node()
    replica = await replica_on(SimulatedDisk())
    await replace(world, replica)
    assert replica.read_after(0) == []
    with pytest.raises(JournalClosedError):
        await replica.wait_after(0)
    await world.close()


async def test_a_copy_goes_on_block_by_block_and_file_by_file() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit(2)
    disk = SimulatedDisk()
    await replace(world, await replica_on(disk))
    replica = await replica_on(disk)
    await world.commit(3)
    await write_file(world, replica)
    assert replica.committed_event_id == world.journal.committed_event_id
    await world.snapshot()
    await world.commit()
    await write_file(world, replica)
    await replica.begin_file(world.journal.file_event_id)
    assert replica.is_between_files
    await write_file(world, replica)
    assert not replica.is_between_files
    assert [file for file, _ in replica.files()] == [file for file, _ in world.journal.files()]
    assert content_of(disk) == content_of(world.simulated)
    await world.close()


async def diverged() -> SimulatedDisk:
    """Another node's disk, with a journal of its own that does not fit the active node's, and one file more."""
    other = JournalWorld()
    other.clock.now += 50
    await other.start()
    await other.commit(4)
    for _ in range(3):
        await other.snapshot()
        await other.commit()
    await other.close()
    return other.simulated


async def test_own_files_that_do_not_fit_are_gone_when_they_have_been_replaced() -> None:
    world = await active_node()
    disk = await diverged()
    await replace(world, await replica_on(disk))
    assert content_of(disk) == content_of(world.simulated)
    await world.close()


@pytest.mark.parametrize("form", CrashForm)
@pytest.mark.parametrize("keep", [*Keep, None], ids=str)
async def test_a_crash_at_any_operation_leaves_the_old_journal_or_the_new_one(
    form: CrashForm, keep: Keep | None
) -> None:
    # keep None: only the process is killed.
    world = await active_node()
    new = content_of(world.simulated)
    outcomes = set()
    for operation in range(1000):
        disk = await diverged()
        old_files = {name: content for name, content in content_of(disk).items() if name.endswith(".journal")}
        disk.random = random.Random(operation)
        disk.crash_at = (len(disk.operations) + operation, form)
        with contextlib.suppress(JournalFailedError, OSError):  # that is the crash
            await replace(world, await replica_on(disk))
        if not disk.is_dead:
            assert operation > 20
            break
        disk.crash_at = None
        disk.kill() if keep is None else disk.power_up(keep)
        await finish_replacement(disk, NAME)
        files = {name: content for name, content in content_of(disk).items() if name.endswith(".journal")}
        assert files in (old_files, new), f"operation {operation}"
        outcomes.add(files == new)
        recover(disk, NAME, TYPE_NAME)
        await finish_replacement(disk, NAME)  # may be repeated
    assert outcomes == {True, False}
    await world.close()


async def test_a_file_that_was_not_yet_in_use_is_received_from_its_beginning_after_a_break() -> None:
    world = await active_node()
    disk = SimulatedDisk()
    replica = await replica_on(disk)
    files = [file for file, _ in world.journal.files()]
    replica.begin_anew(files, world.journal.committed_event_id)
    await write_file(world, replica)
    await replica.begin_file(files[1])
    replica.begin_anew(files, world.journal.committed_event_id)  # the active node has no such file any more
    assert replica.end == FILE_BEGIN
    assert not disk.names()
    await replace(world, replica)
    assert file_event_ids(disk, NAME) == files
    await world.close()


async def test_an_event_that_the_end_of_a_file_repeats_does_not_end_the_replacement_early() -> None:
    # What is appended while a snapshot is written goes to the old file and to the new one.
    world = JournalWorld()
    await world.start()
    await world.commit()
    snapshot = asyncio.ensure_future(world.snapshot())
    await asyncio.sleep(0)  # it begins
    await world.commit()
    await snapshot
    (first, _), _ = world.journal.files()
    assert b'"eventId":%d,' % world.acknowledged in world.simulated.read(file_name(NAME, first))
    disk = SimulatedDisk()
    await replace(world, await replica_on(disk))
    assert content_of(disk) == content_of(world.simulated)
    await world.close()


async def test_a_copy_counts_as_many_events_as_the_active_nodes_journal() -> None:
    world = await active_node()
    disk = SimulatedDisk()
    replica = await replica_on(disk)
    assert replica.committed_event_count == 0
    await replace(world, replica)
    replica = await replica_on(disk)
    assert replica.committed_event_count == world.journal.committed_event_count
    await world.commit(4)
    await write_file(world, replica)
    assert replica.committed_event_count == world.journal.committed_event_count
    await world.close()
