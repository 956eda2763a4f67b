"""What can go wrong with a journal, one class per thing that a caller handles differently.

Texts are for the person who has to act: what is wrong, where, what to do.
"""

from __future__ import annotations

from stellwerk.effects.disk import DiskFullError


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


class JournalSealedError(JournalFailedError):
    """The node has been switched over: it may not write any more."""


def copy_of(failure: JournalFailedError) -> JournalFailedError:
    """One exception object for each who gets it: a shared one would collect the tracebacks of all."""
    copy = type(failure)(*failure.args)
    copy.__cause__ = failure.__cause__
    return copy


def failed(error: OSError) -> JournalFailedError:
    """What an error of the disk means to a journal."""
    if isinstance(error, DiskFullError):
        return JournalDiskFullError(
            f"No room on the disk for the journal: {error}. Nothing acknowledged is lost. Free some space; "
            "the node goes on in a new file when there is room."
        )
    return JournalFailedError(
        f"The journal cannot be written: {error}. Nothing acknowledged is lost. Check the disk and its logs, "
        "then start the node again."
    )
