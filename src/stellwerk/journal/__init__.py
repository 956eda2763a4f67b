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
)
from stellwerk.journal.export import export_js7
from stellwerk.journal.format import JournalHeader
from stellwerk.journal.journal import Journal, JournalOptions, delete_at_next_start
from stellwerk.journal.recovery import Recovered, recover
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
    "Recovered",
    "Space",
    "delete_at_next_start",
    "export_js7",
    "recover",
]
