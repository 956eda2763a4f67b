"""What can go wrong with a journal, one class per thing that a caller handles differently.

Texts are for the person who has to act: what is wrong, where, what to do.
"""

from __future__ import annotations


class JournalError(Exception):
    """Base class of everything here."""


class JournalCorruptedError(JournalError):
    """A journal file is damaged, foreign or lacks events that others already have: the start is refused."""


class JournalFailedError(JournalError):
    """A write or sync has failed: nothing more can be made durable; the node must start again from the disk."""


class JournalDiskFullError(JournalFailedError):
    """There was no room for a batch. The node may start again as soon as there is room."""


class JournalClosedError(JournalFailedError):
    """The journal has been closed in an orderly way."""
