"""Journal throughput on the real disk, printed as one line of JSON. Usage: python bench/journal.py [DIRECTORY]

`appended`: 200 tasks append transactions of 3 events of about 300 bytes and wait for each to be durable.
`single`: one task, one event at a time. `replay`: verify and yield all lines, alone and with decoding of the envelope.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from stellwerk.effects.clock import SystemClock, SystemRandom
from stellwerk.effects.system_disk import SystemDisk
from stellwerk.journal import Journal, JournalOptions, recover
from stellwerk.values.events import decode_envelope, encode_line

BODY = b'{"TYPE":"OrderProcessed","outcome":{"TYPE":"Succeeded","namedValues":{"text":"%s"}}}' % (b"x" * 200)
TASKS = 200
TRANSACTIONS = 250
SINGLES = 3000


async def main(directory: Path) -> None:
    disk = SystemDisk(directory)
    clock = SystemClock()
    options = JournalOptions(low_space_bytes=0, reserve_bytes=0)
    journal = await Journal.start(
        disk,
        recover(disk, "bench", "BenchState"),
        clock=clock,
        random=SystemRandom(),
        snapshot=[],
        on_failure=lambda failure: sys.exit(str(failure)),
        options=options,
    )
    commits = 0

    def count(_: int) -> None:
        nonlocal commits
        commits += 1

    journal.on_commit(count)

    def append(events: int) -> int:
        lines = []
        for _ in range(events):
            event_id = journal.event_ids.next(clock.now_ms())
            lines.append(encode_line(event_id, "#2026-11-24#ORDER-1", BODY))
        journal.append(lines, event_id)
        return event_id

    async def work() -> None:
        for _ in range(TRANSACTIONS):
            await journal.committed(append(3))

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(TASKS)))
    grouped_seconds = time.perf_counter() - begin
    grouped_commits = commits

    begin = time.perf_counter()
    for _ in range(SINGLES):
        await journal.committed(append(1))
    single_seconds = time.perf_counter() - begin

    begin = time.perf_counter()
    read = 0
    position = journal.torn_event_id
    while lines := journal.read_after(position):
        read += len(lines)
        position = int(lines[-1][11:27])
    read_seconds = time.perf_counter() - begin
    await journal.close()

    begin = time.perf_counter()
    recovered = recover(disk, "bench", "BenchState")
    verify_seconds = time.perf_counter() - begin
    events = sum(1 for _ in recovered.events)
    replay_seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for line in recover(disk, "bench", "BenchState").events:
        decode_envelope(line)
    decode_seconds = time.perf_counter() - begin
    disk.close()
    print(
        json.dumps(
            {
                "appended_committed_events_per_s": round(TASKS * TRANSACTIONS * 3 / grouped_seconds),
                "transactions_per_commit": round(TASKS * TRANSACTIONS / grouped_commits, 1),
                "single_commits_per_s": round(SINGLES / single_seconds),
                "read_events_per_s": round(read / read_seconds),
                "verify_megabytes_per_s": round(recovered.valid_bytes / verify_seconds / 1e6),
                "replay_events_per_s": round(events / replay_seconds),
                "replay_with_envelope_events_per_s": round(events / decode_seconds),
            }
        )
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as temporary:
        asyncio.run(main(Path(temporary)))
