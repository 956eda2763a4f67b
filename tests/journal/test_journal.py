"""Append, group commit, snapshots, release, and reading (journal spec 1.3, 1.5, 4.2, 4.5)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_world import (
    NAME,
    NO_MEMORY,
    OPTIONS,
    TYPE_NAME,
    JournalWorld,
    event_id,
    is_snapshot_taken,
    snapshot_of,
    state_of,
    without_snapshot_taken,
)

from stellwerk.effects.system_disk import DuplicateStartError, SystemDisk
from stellwerk.journal import (
    JournalClosedError,
    JournalCorruptedError,
    JournalDiskFullError,
    JournalFailedError,
    JournalOptions,
    delete_at_next_start,
    export_js7,
    recover,
)
from stellwerk.journal.format import file_event_ids, file_name
from stellwerk.simulation.disk import Keep
from stellwerk.values.json import decode
from stellwerk.values.problems import ProblemError

SOME_MEMORY = JournalOptions(low_space_bytes=0, reserve_bytes=0, recent_bytes=3000)


def operations(world: JournalWorld, kind: str) -> int:
    return sum(1 for operation, _ in world.simulated.operations if operation == kind)


class Gate:
    """Holds each sync until it is opened."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.entered.set()
        await self.opened.wait()


# --- commit


async def test_everything_appended_in_one_turn_costs_one_write_and_one_sync() -> None:
    world = JournalWorld()
    await world.start()
    writes, syncs = operations(world, "write"), operations(world, "sync")
    for _ in range(100):
        last = world.append(2)
    await world.journal.committed(last)
    assert operations(world, "write") - writes == 1
    assert operations(world, "sync") - syncs == 1
    await world.close()


async def test_what_is_appended_during_a_sync_goes_into_the_next_one() -> None:
    world = JournalWorld()
    await world.start()
    gate = world.simulated.sync_gate = Gate()
    syncs = operations(world, "sync")
    first = world.append()
    await gate.entered.wait()
    for _ in range(50):
        last = world.append()
    assert world.journal.committed_event_id < first
    assert world.read_all() == world.read_all(world.journal.committed_event_id - 1)
    gate.opened.set()
    await world.journal.committed(first)
    await world.journal.committed(last)
    assert operations(world, "sync") - syncs == 2
    await world.close()


async def test_nothing_is_published_before_it_is_durable() -> None:
    world = JournalWorld()
    await world.start()
    gate = world.simulated.sync_gate = Gate()
    before = world.acknowledged
    world.append()
    await gate.entered.wait()
    waiter = asyncio.create_task(world.journal.committed(world.journal.appended_event_id))
    reader = asyncio.create_task(world.journal.wait_after(before))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiter.done()
    assert not reader.done()
    assert world.acknowledged == before
    assert world.journal.read_after(before) == []
    gate.opened.set()
    await waiter
    assert await reader
    assert world.journal.read_after(before) == world.lines
    await world.close()


async def test_commits_are_announced_in_order_before_those_who_wait_go_on() -> None:
    world = JournalWorld()
    await world.start()
    announced: list[int] = []
    world.journal.on_commit(announced.append)
    ids = [await world.commit(count) for count in (1, 3, 2)]
    assert announced == ids
    await world.journal.committed(ids[0])
    await world.close()


async def test_a_cancelled_waiter_harms_nobody() -> None:
    world = JournalWorld()
    await world.start()
    gate = world.simulated.sync_gate = Gate()
    last = world.append()
    cancelled = asyncio.create_task(world.journal.committed(last))
    other = asyncio.create_task(world.journal.committed(last))
    await gate.entered.wait()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    gate.opened.set()
    await other
    await world.close()


async def test_event_ids_that_do_not_grow_are_refused() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    line = world.lines[-1]
    with pytest.raises(AssertionError, match="EventIds must grow"):
        world.journal.append([line], event_id(line))
    await world.close()


async def test_a_failed_sync_stops_the_journal_for_everyone_and_is_never_repeated() -> None:
    world = JournalWorld()
    await world.start()
    acknowledged = world.acknowledged
    last = world.append()
    world.simulated.errors[len(world.simulated.operations) + 1] = OSError(errno.EIO, "Input/output error", "x")
    reader = asyncio.create_task(world.journal.wait_after(last))
    with pytest.raises(JournalFailedError, match=r"cannot be written.*Check the disk"):
        await world.journal.committed(last)
    with pytest.raises(JournalFailedError):
        await reader
    with pytest.raises(JournalFailedError):
        world.append()
    assert len(world.failures) == 1
    assert world.acknowledged == acknowledged
    count = len(world.simulated.operations)
    await world.close()
    assert len(world.simulated.operations) == count


async def test_a_callback_that_raises_stops_the_journal() -> None:
    world = JournalWorld()
    await world.start()

    def fail(_: int) -> None:
        raise ValueError("a bug")

    world.journal.on_commit(fail)
    with pytest.raises(JournalFailedError, match="a bug"):
        await world.commit()
    assert len(world.failures) == 1


async def test_close_commits_what_was_appended_and_refuses_more() -> None:
    world = JournalWorld()
    await world.start()
    last = world.append()
    await world.close()
    assert world.acknowledged == last
    with pytest.raises(JournalClosedError):
        world.append()
    with pytest.raises(JournalClosedError):
        await world.journal.wait_after(last)
    world.simulated.power_up(Keep.NOTHING)
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


# --- start


async def test_a_fresh_start_and_restarts_keep_identity_and_totals() -> None:
    world = JournalWorld()
    recovered = await world.start()
    assert (recovered.journal_id, recovered.last_event_id, recovered.header) == (None, 0, None)
    assert list(recovered.snapshot) == list(recovered.events) == []
    assert len(world.journal.journal_id) == 22
    first = world.clock.now
    world.clock.now += 5000
    last = await world.commit(3)
    journal_id = world.journal.journal_id
    await world.close()
    recovered = await world.start()
    assert recovered.journal_id == journal_id
    assert recovered.last_event_id == last
    await world.close()
    header = recover(world.disk, NAME, TYPE_NAME).header
    assert header is not None
    assert (header.journal_id, header.event_id, header.generation) == (journal_id, last, 2)
    assert header.total_event_count == 4  # SnapshotTaken and three
    assert 5 <= header.total_running_time < 6
    assert header.initially_started_at == "2023-11-14T22:13:20.000Z"
    assert first == 1_700_000_000_000


async def test_event_ids_go_on_after_recovery_when_the_clock_was_set_back() -> None:
    world = JournalWorld()
    await world.start()
    last = await world.commit()
    await world.close()
    world.clock.now -= 86_400_000
    await world.start()
    assert await world.commit() == last + 2  # SnapshotTaken is between
    await world.close()


async def test_left_over_temporary_files_are_deleted_and_a_reset_begins_anew() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    await world.close()
    world.disk.create(f"{NAME}--999.journal.tmp")
    await world.start()
    assert not [name for name in world.disk.names() if name.endswith(".tmp")]
    journal_id = world.journal.journal_id
    await world.close()
    await delete_at_next_start(world.disk, NAME)
    world.appended = []
    world.acknowledged = 0
    recovered = await world.start()
    assert recovered.journal_id is None
    assert world.journal.journal_id != journal_id
    assert world.journal.torn_event_id == 0
    assert world.disk.names() == [f"{NAME}--0.journal"]
    await world.close()


async def test_the_export_is_the_plain_form_of_the_specification() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    await world.snapshot()
    world.append(2)
    await world.commit()
    await world.close()
    lines = list(export_js7(world.disk, NAME))
    header = decode(lines[0])
    assert list(header)[:2] == ["TYPE", "typeName"]
    assert header["version"] == "1"
    assert "format" not in header
    single, first, second, last = [line + b"\n" for line in world.lines]
    taken = b'{"eventId":%d,"TYPE":"SnapshotTaken"}\n' % (event_id(single) + 1)
    assert lines[1:] == [
        b'"-------SNAPSHOT-------"\n',
        *[line + b"\n" for line in snapshot_of([single[:-1]])],
        b'"-------END OF SNAPSHOT-------"\n',
        b'"-------EVENTS-------"\n',
        taken,
        b'"TRANSACTION"\n',
        first,
        second,
        b'"COMMIT"\n',
        last,
    ]


# --- snapshots


async def test_a_snapshot_in_slices_lets_others_commit_meanwhile_and_is_the_state_of_the_call() -> None:
    world = JournalWorld()
    await world.start()
    for _ in range(20):
        world.append(3, size=2000)
    state = snapshot_of(world.lines)
    taken_at = world.journal.appended_event_id
    snapshot = asyncio.ensure_future(world.journal.take_snapshot(iter(state * 100)))
    commits = 0
    while not snapshot.done():
        await world.commit()
        commits += 1
    assert commits > 100
    await snapshot
    after = await world.commit()
    assert world.journal.file_event_id == taken_at
    await world.close()
    world.simulated.power_up(Keep.NOTHING)
    recovered = recover(world.disk, NAME, TYPE_NAME)
    assert recovered.file_event_id == taken_at
    assert sum(1 for _ in recovered.snapshot) == len(state) * 100
    events = list(recovered.events)
    assert is_snapshot_taken(events[0])
    assert events[1:] == [line for line in world.lines if event_id(line) > taken_at]
    assert event_id(events[-1]) == after
    assert recovered.header is not None
    assert recovered.header.total_event_count == 61


async def test_a_snapshot_without_room_leaves_the_old_file_in_use() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    file_event_id = world.journal.file_event_id
    world.simulated.capacity = 4000
    with pytest.raises(JournalDiskFullError, match="No room for a snapshot"):
        await world.journal.take_snapshot([b'{"TYPE":"Big","text":"%s"}' % (b"x" * 4000)])
    assert not world.journal.snapshot_is_due()
    await world.commit()
    assert world.journal.file_event_id == file_event_id
    assert world.disk.names() == [file_name(NAME, file_event_id)]
    assert not world.failures
    await world.close()
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


async def test_an_error_of_the_objects_reaches_the_caller_and_changes_nothing() -> None:
    world = JournalWorld()
    await world.start()

    def objects() -> Iterator[bytes]:
        yield b'{"TYPE":"X"}'
        raise ValueError("cannot encode")

    with pytest.raises(ValueError, match="cannot encode"):
        await world.journal.take_snapshot(objects())
    await world.commit()
    await world.snapshot()
    await world.close()
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


async def test_closing_during_a_snapshot_leaves_the_old_file_and_tells_the_caller() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    snapshot = asyncio.ensure_future(world.journal.take_snapshot([b'{"TYPE":"X"}'] * 100_000))
    await world.commit()
    await world.close()
    with pytest.raises(JournalClosedError):
        await snapshot
    assert len(world.disk.names()) == 1
    assert state_of(recover(world.disk, NAME, TYPE_NAME)) == world.lines


async def test_a_snapshot_is_due_by_size_only_if_the_events_outweigh_the_objects() -> None:
    world = JournalWorld(options=JournalOptions(low_space_bytes=0, reserve_bytes=0, snapshot_when_bigger_than=5000))
    await world.start()
    assert not world.journal.snapshot_is_due()
    await world.commit(4, size=2000)
    assert world.journal.snapshot_is_due()
    await world.snapshot()
    # 4 objects, and the file is big again: due only at 8 events, one of them SnapshotTaken.
    await world.commit(6)
    assert not world.journal.snapshot_is_due()
    await world.commit()
    assert world.journal.snapshot_is_due()
    await world.close()


async def test_a_snapshot_is_due_after_the_period_only_if_there_were_events() -> None:
    world = JournalWorld(options=JournalOptions(low_space_bytes=0, reserve_bytes=0, snapshot_period_ms=0))
    await world.start()
    assert not world.journal.snapshot_is_due()
    await world.commit()
    assert world.journal.snapshot_is_due()
    await world.snapshot()
    assert not world.journal.snapshot_is_due()
    await world.close()


# --- reading and release


@pytest.mark.parametrize("options", [OPTIONS, NO_MEMORY, SOME_MEMORY], ids=["memory", "files", "both"])
async def test_readers_get_every_event_once_across_files_from_any_position(options: JournalOptions) -> None:
    world = JournalWorld(options=options)
    await world.start()
    for round_ in range(4):
        for count in (1, 3, 40):
            await world.commit(count, size=100)
        world.append(2)
        if round_ % 2:
            await world.close()
            await world.start()
        else:
            snapshot = world.journal.take_snapshot(snapshot_of(world.lines))
            world.append(2)
            world.append()
            await snapshot
        await world.commit()
    everything = world.read_all()
    assert without_snapshot_taken(everything) == world.lines
    ids = [event_id(line) for line in everything]
    assert ids == sorted(set(ids))
    for index, position in enumerate(ids):
        assert world.read_all(position, max_bytes=700) == everything[index + 1 :]
        world.journal.check_after(position, with_heartbeat=True)
    await world.close()


async def test_a_big_file_is_searched_by_halves_not_read_from_the_beginning() -> None:
    world = JournalWorld(options=NO_MEMORY)
    await world.start()
    ids = [await world.commit(3, size=20_000) for _ in range(100)]
    await world.snapshot()
    read = 0
    original = world.simulated.read

    def counting_read(name: str, offset: int = 0, length: int = -1) -> bytes:
        nonlocal read
        data = original(name, offset, length)
        read += len(data)
        return data

    world.simulated.read = counting_read  # type: ignore[method-assign]
    size = world.simulated.size(file_name(NAME, 0))
    assert size > 5_000_000
    lines = world.journal.read_after(ids[90], 1)
    assert event_id(lines[0]) == ids[90] + 1
    assert read < size / 2
    await world.close()


async def test_a_position_is_checked_as_the_table_says() -> None:
    for options in (OPTIONS, NO_MEMORY):
        world = JournalWorld(options=options)
        await world.start()
        journal = world.journal
        journal.check_after(0, True)
        await world.commit(3)
        world.clock.now += 10
        begin = await world.commit(3)
        await world.snapshot()
        world.clock.now += 10
        last = await world.commit(3)
        journal.delete_released(begin)
        assert journal.torn_event_id == begin
        for after in (begin, begin + 1, last - 1, last):
            journal.check_after(after, True)
            journal.check_after(after, False)
        journal.check_after(last + 1, False)
        for after, with_heartbeat, code in [
            (0, False, "EventSeqTorn"),
            (0, True, "UnknownEventId"),
            (begin - 1, False, "EventSeqTorn"),
            (last - 3, False, "EventSeqTorn"),
            (last - 3, True, "UnknownEventId"),
            (last + 1, True, "UnknownEventId"),
        ]:
            with pytest.raises(ProblemError) as caught:
                journal.check_after(after, with_heartbeat)
            assert caught.value.problem.code == code
        if options is NO_MEMORY:  # otherwise a running stream still gets them from memory
            with pytest.raises(ProblemError, match="EventSeqTorn"):
                journal.read_after(begin - 1)
        await world.close()


async def test_waiting_ends_with_the_time_or_the_event() -> None:
    world = JournalWorld()
    await world.start()
    last = world.acknowledged
    assert not await world.journal.wait_after(last, timeout=0)
    waiting = [asyncio.create_task(world.journal.wait_after(last, timeout=60)) for _ in range(20)]
    await world.commit()
    assert all(await asyncio.gather(*waiting))
    assert await world.journal.wait_after(last, timeout=0)
    await world.close()


async def test_files_are_deleted_when_their_successor_begins_with_released_events() -> None:
    world = JournalWorld()
    await world.start()
    begins = [0]
    for _ in range(3):
        begins.append(await world.commit())
        await world.snapshot()
    assert file_event_ids(world.disk, NAME) == begins
    world.journal.delete_released(begins[1] - 1)
    assert file_event_ids(world.disk, NAME) == begins
    world.journal.delete_released(begins[2])
    assert file_event_ids(world.disk, NAME) == begins[2:]
    assert world.journal.torn_event_id == begins[2]
    last = await world.commit()
    world.journal.delete_released(last)
    assert file_event_ids(world.disk, NAME) == begins[3:]
    await world.snapshot()
    assert file_event_ids(world.disk, NAME) == [last]
    await world.close()


async def test_deletion_waits_for_the_delay_and_can_be_switched_off() -> None:
    for options in (
        JournalOptions(low_space_bytes=0, reserve_bytes=0, release_delay_ms=60_000),
        JournalOptions(low_space_bytes=0, reserve_bytes=0, remove_obsolete_files=False),
    ):
        world = JournalWorld(options=options)
        await world.start()
        begin = await world.commit()
        await world.snapshot()
        world.journal.delete_released(begin)
        assert world.journal.torn_event_id == 0
        world.clock.now += 60_000
        world.journal.delete_released(begin)
        assert world.journal.torn_event_id == (begin if options.remove_obsolete_files else 0)
        await world.close()


async def test_damage_in_an_old_file_is_told_to_its_readers() -> None:
    world = JournalWorld(options=NO_MEMORY)
    await world.start()
    first = await world.commit()
    await world.commit()
    await world.snapshot()
    file = file_name(NAME, 0)
    content = bytearray(world.disk.read(file))
    content[content.index(b"OrderMoved")] ^= 1
    world.simulated.overwrite(file, bytes(content))
    with pytest.raises(JournalCorruptedError, match=r"controller--0\.journal is damaged at byte \d+.*Restore"):
        world.journal.read_after(first - 1)
    await world.close()


# --- the real disk


async def test_the_real_disk_keeps_a_journal_across_restarts_snapshots_and_preallocation(tmp_path: Path) -> None:
    disk = SystemDisk(tmp_path)
    world = JournalWorld(disk, JournalOptions(low_space_bytes=0, reserve_bytes=10_000, recent_bytes=0))
    await world.start()
    assert world.journal.space().has_reserve
    assert disk.size(f"{NAME}.reserve") == 10_000
    for _ in range(3):
        await world.commit(2)
        await world.commit(50, size=40_000)  # beyond a step of preallocation
        await world.snapshot()
        await world.commit()
        size = disk.size(file_name(NAME, world.journal.file_event_id))
        # As after kill -9: the file ends with preallocated NUL bytes.
        recovered = recover(disk, NAME, TYPE_NAME)
        assert recovered.valid_bytes < size
        assert recovered.cut_bytes == 0
        world.check_recovered(recovered)
        await world.close()
        assert disk.size(recovered.file) == recovered.valid_bytes
        await world.start()
    assert without_snapshot_taken(world.read_all()) == world.lines
    await world.close()
    disk.close()


async def test_a_second_start_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    lock = SystemDisk(tmp_path).lock(NAME)
    with pytest.raises(
        DuplicateStartError, match=r"controller is already running.*process \d+.*another data directory"
    ):
        SystemDisk(tmp_path).lock(NAME)
    other = SystemDisk(tmp_path).lock("agent")
    lock.release()
    SystemDisk(tmp_path).lock(NAME).release()
    other.release()


def test_a_full_real_disk_is_told_as_such() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    file = SystemDisk(full.parent).create(full.name)
    with pytest.raises(OSError, match="No space left") as caught:
        file.write(b"x")
    assert type(caught.value).__name__ == "DiskFullError"
    file.close()


async def test_what_the_passive_node_has_not_acknowledged_is_counted() -> None:
    world = JournalWorld()
    await world.start()
    await world.commit()
    assert world.journal.uncommitted == (0, 0)
    gate = world.journal.acknowledgement
    gate.require(world.journal.committed_event_id)
    count = world.journal.committed_event_count
    first = world.append(2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert gate.waiting_since is not None, "written here, and waits for the passive node"
    last = world.append(3)
    assert world.journal.uncommitted[0] == 5
    assert world.journal.uncommitted[1] > 5 * len(world.lines[-1])
    assert world.journal.committed_event_count == count
    gate.acknowledged(first)
    await world.journal.committed(first)
    assert world.journal.uncommitted[0] == 3
    snapshot = asyncio.ensure_future(world.snapshot())  # begins a new file amid it; counts as one event
    await asyncio.sleep(0)
    assert world.journal.uncommitted[0] == 4
    gate.waive()
    await world.journal.committed(last)
    await snapshot
    await world.commit()
    assert world.journal.uncommitted == (0, 0)
    assert world.journal.committed_event_count == count + 7
    await world.close()
