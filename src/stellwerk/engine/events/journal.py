"""Events about the journal itself (orders spec 6.9). They have no key."""

from __future__ import annotations

import msgspec


class SnapshotTaken(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """First event of each journal file; written by the journal."""


class JournalEventsReleased(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """A receiver has made everything up to `until_event_id` durable."""

    user_id: str
    until_event_id: int


AnyJournalEvent = SnapshotTaken | JournalEventsReleased
