"""Every crash point, every cut, every flipped byte (journal spec 4.7; reliability spec P1, P2, P8, 3.3)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random

import pytest
from journal_world import NAME, NO_MEMORY, TYPE_NAME, JournalWorld, snapshot_of, state_of, without_snapshot_taken

from stellwerk.effects.disk import DiskFullError
from stellwerk.journal import JournalCorruptedError, JournalDiskFullError, JournalFailedError, JournalOptions, recover
from stellwerk.journal.format import file_event_ids, file_name
from stellwerk.simulation.disk import CrashForm, Keep, SimulatedDisk


async def scenario(world: JournalWorld) -> None:
    """Single events, transactions, groups, a snapshot with appends around and during it, a release, a restart."""
    await world.start()
    await world.commit()
    await world.commit(3, size=700)
    world.append()
    world.append(2)
    await world.commit()
    world.append()
    snapshot = asyncio.ensure_future(world.journal.take_snapshot(snapshot_of(world.lines)))
    world.append(2)
    world.append()
    while not snapshot.done():
        await world.commit()
    await snapshot
    await world.commit()
    await world.commit(2, size=2000)
    await world.journal.close()
    await world.start()
    await world.commit(2)
    await world.snapshot()
    event_id = await world.commit()
    world.journal.delete_released(event_id)
    await world.commit()


async def run_until_it_fails(world: JournalWorld) -> None:
    with contextlib.suppress(JournalFailedError, OSError):  # the disk fails as the test wants it to
        await scenario(world)
    await world.close()


async def operation_count() -> int:
    world = JournalWorld()
    await run_until_it_fails(world)
    assert not world.failures
    return len(world.simulated.operations)


async def check_restart(world: JournalWorld, must_contain: int) -> None:
    """After a fault: recovery is right, the journal goes on, and readers miss nothing that they may ask for."""
    world.check_recovered(recover(world.disk, NAME, TYPE_NAME, must_contain))
    await world.start()
    await world.commit(2)
    torn = world.journal.torn_event_id
    expected = [line for line in world.lines if int(line[11 : line.index(b",")]) > torn]
    assert without_snapshot_taken(world.read_all()) == expected
    await world.journal.close()
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


@pytest.mark.parametrize("form", CrashForm)
@pytest.mark.parametrize("keep", Keep)
async def test_a_power_loss_at_any_operation_loses_nothing_acknowledged(form: CrashForm, keep: Keep) -> None:
    count = await operation_count()
    assert count > 40
    for operation in range(count):
        world = JournalWorld(options=NO_MEMORY)
        world.simulated.random = random.Random(operation)
        world.simulated.crash_at = (operation, form)
        await run_until_it_fails(world)
        assert len(world.simulated.operations) == operation + 1
        world.simulated.power_up(keep)
        await check_restart(world, world.acknowledged)


@pytest.mark.parametrize("form", CrashForm)
async def test_readers_miss_nothing_when_the_power_fails_after_a_killed_process_has_restarted(form: CrashForm) -> None:
    # What a killed process has left unsynced is recovered and published; so the start has to make it durable.
    for operation in range(await operation_count()):
        world = JournalWorld(options=NO_MEMORY)
        world.simulated.crash_at = (operation, form)
        await run_until_it_fails(world)
        world.simulated.kill()
        world.check_recovered(recover(world.disk, NAME, TYPE_NAME))
        await world.start()
        published = world.read_all()
        await world.close()
        world.simulated.power_up(Keep.NOTHING)
        await world.start()
        assert world.read_all()[: len(published)] == published
        await world.close()
        await check_restart(world, world.acknowledged)


@pytest.mark.parametrize(
    "error", [DiskFullError(errno.ENOSPC, "No space left"), OSError(errno.EIO, "Input/output error")], ids=type
)
async def test_a_failure_of_any_operation_is_reported_and_loses_nothing_acknowledged(error: OSError) -> None:
    for operation in range(await operation_count()):
        world = JournalWorld(options=NO_MEMORY)
        world.simulated.errors[operation] = error
        await run_until_it_fails(world)
        # The simulated disk asserts that no descriptor is used after its failure.
        world.simulated.power_up(Keep.NOTHING)
        await check_restart(world, world.acknowledged)


async def small_journal() -> tuple[JournalWorld, str, bytes]:
    world = JournalWorld()
    await world.start()
    await world.commit()
    await world.snapshot()
    await world.commit()
    await world.commit(2)
    world.append()
    await world.commit(3)
    await world.journal.close()
    file = file_name(NAME, file_event_ids(world.disk, NAME)[-1])
    return world, file, world.disk.read(file)


def last_batch_begin(content: bytes) -> int:
    return int(content.rsplit(b'"from":', 1)[1].split(b",")[0])


@pytest.mark.parametrize("nuls", [0, 1, 5000])
async def test_the_last_batch_may_be_cut_at_every_byte(nuls: int) -> None:
    world, file, content = await small_journal()
    begin = last_batch_begin(content)
    assert len(content) - begin > 200
    world.acknowledged = 0
    for length in range(begin, len(content)):
        world.simulated.overwrite(file, content[:length] + bytes(nuls))
        recovered = recover(world.disk, NAME, TYPE_NAME)
        assert state_of(recovered) == world.lines[:-4]
        assert recovered.valid_bytes == begin
        assert recovered.cut_bytes == length - begin
        with pytest.raises(JournalCorruptedError, match="others already have events"):
            recover(world.disk, NAME, TYPE_NAME, must_contain=recovered.last_event_id + 1)
    world.simulated.overwrite(file, content + bytes(nuls))
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


async def test_a_cut_before_the_last_batch_leaves_whole_batches_or_is_refused() -> None:
    world, file, content = await small_journal()
    world.acknowledged = 0
    first_event = content.index(b'SnapshotTaken"}\n{"TYPE":"Commit"')
    refused = 0
    for length in range(len(content)):
        world.simulated.overwrite(file, content[:length])
        try:
            world.check_recovered(recover(world.disk, NAME, TYPE_NAME))
        except JournalCorruptedError:
            refused += 1
            assert length < first_event + 100
    assert refused > first_event


@pytest.mark.parametrize("flip", [1, 0x80, 0xFF])
async def test_any_flipped_byte_before_the_last_batch_is_refused(flip: int) -> None:
    world, file, content = await small_journal()
    begin = last_batch_begin(content)
    for offset in range(len(content)):
        damaged = bytearray(content)
        damaged[offset] ^= flip
        world.simulated.overwrite(file, bytes(damaged))
        if offset < begin:
            with pytest.raises(JournalCorruptedError, match=r"controller--\d+\.journal.* Restore"):
                recover(world.disk, NAME, TYPE_NAME)
        else:
            # Cannot be told from a torn write; what others have seen of it, `must_contain` tells.
            try:
                recovered = recover(world.disk, NAME, TYPE_NAME)
            except JournalCorruptedError:
                continue
            assert state_of(recovered) == world.lines[:-4]


async def test_a_flipped_byte_before_a_torn_batch_is_refused_too() -> None:
    world, file, content = await small_journal()
    begin = last_batch_begin(content)
    for length in (begin + 1, begin + 30, len(content) - 1):
        for offset in range(begin):
            damaged = bytearray(content[:length])
            damaged[offset] ^= 1
            world.simulated.overwrite(file, bytes(damaged))
            with pytest.raises(JournalCorruptedError, match="Restore"):
                recover(world.disk, NAME, TYPE_NAME)


async def test_inserted_deleted_and_exchanged_bytes_never_give_a_wrong_state() -> None:
    world, file, content = await small_journal()
    world.acknowledged = 0
    generator = random.Random(1)
    refused = 0
    for _ in range(1500):
        begin = generator.randrange(len(content))
        end = min(len(content), begin + generator.choice([0, 0, 1, 2, 50, 500]))
        put = (
            generator.randbytes(generator.choice([0, 1, 3])) + content[begin : begin + generator.choice([0, 0, 7, 90])]
        )
        damaged = content[:begin] + put + content[end:]
        world.simulated.overwrite(file, damaged)
        try:
            world.check_recovered(recover(world.disk, NAME, TYPE_NAME))
        except JournalCorruptedError:
            refused += 1
    assert refused > 500


async def test_nul_bytes_inside_the_last_batch_are_a_torn_write_but_before_it_damage() -> None:
    world, file, content = await small_journal()
    begin = last_batch_begin(content)
    world.simulated.overwrite(file, content[: begin + 20] + bytes(40) + content[begin + 60 :])
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines[:-4]
    world.simulated.overwrite(file, content[: begin - 100] + bytes(100) + content[begin:])
    with pytest.raises(JournalCorruptedError, match="damaged before its last batch"):
        recover(world.disk, NAME, TYPE_NAME)


async def test_a_lost_journal_is_refused_when_others_have_its_events() -> None:
    with pytest.raises(JournalCorruptedError, match="There is no journal file"):
        recover(SimulatedDisk(), NAME, TYPE_NAME, must_contain=1)


async def test_a_foreign_renamed_or_newer_file_is_refused_with_the_remedy() -> None:
    world, file, _ = await small_journal()
    with pytest.raises(JournalCorruptedError, match=r"JournalTypeMismatch.*own data directory"):
        recover(world.disk, NAME, "AgentState")
    world.disk.rename(file, file_name(NAME, 9_999_999_999_999_999))
    with pytest.raises(JournalCorruptedError, match=r"renamed.*its name .* back"):
        recover(world.disk, NAME, TYPE_NAME)


async def test_a_batch_without_room_is_not_acknowledged_and_the_reserve_lets_the_node_start_again() -> None:
    world = JournalWorld(options=JournalOptions(low_space_bytes=3000, reserve_bytes=1000))
    world.simulated.capacity = 9000
    await world.start()
    assert world.journal.space().has_reserve
    assert not world.journal.is_space_low
    await world.commit()
    last = world.acknowledged
    with pytest.raises(JournalDiskFullError, match=r"No room on the disk.*Free some space"):
        await world.commit(size=9000)
    assert world.acknowledged == last
    assert [type(failure) for failure in world.failures] == [JournalDiskFullError]
    with pytest.raises(JournalDiskFullError):
        world.append()
    await world.close()
    await world.start()
    assert world.journal.is_space_low
    assert not world.journal.space().has_reserve
    await world.commit()
    await world.close()
    world.simulated.capacity = 100_000
    await world.start()
    assert world.journal.space().has_reserve
    assert not world.journal.is_space_low
    await world.close()
