"""The journal: durable append with group commit, snapshots, recovery, release, reading for event streams.

    recovered = recover(disk, "controller", "ControllerState")
    ...fold recovered.snapshot and recovered.events into the state...
    journal = await Journal.start(disk, recovered, clock=..., random=..., snapshot=..., on_failure=...)
    journal.append([line], event_id)
    await journal.committed(event_id)

Knows lines of bytes, EventIds and transactions, not orders. See `format` for the file, `journal` for the theory.
"""

from stellwerk.journal.errors import (
    JournalClosedError,
    JournalCorruptedError,
    JournalDiskFullError,
    JournalError,
    JournalFailedError,
    JournalSealedError,
)
from stellwerk.journal.export import export_js7
from stellwerk.journal.format import JournalHeader
from stellwerk.journal.journal import Journal, delete_at_next_start, finish_deletion
from stellwerk.journal.raw import raw_journal
from stellwerk.journal.readable import JournalOptions, ReadableJournal
from stellwerk.journal.recovery import Recovered, cut, recover
from stellwerk.journal.replica import Replica, finish_replacement
from stellwerk.journal.space import Space

__all__ = [
    "Journal",
    "JournalClosedError",
    "JournalCorruptedError",
    "JournalDiskFullError",
    "JournalError",
    "JournalFailedError",
    "JournalHeader",
    "JournalOptions",
    "JournalSealedError",
    "ReadableJournal",
    "Recovered",
    "Replica",
    "Space",
    "cut",
    "delete_at_next_start",
    "export_js7",
    "finish_deletion",
    "finish_replacement",
    "raw_journal",
    "recover",
]
