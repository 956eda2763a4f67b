"""EventIds: microseconds since 1970, strictly increasing per journal family (orders spec 1.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BEFORE_FIRST = 0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventIdGenerator:
    """Issues EventIds after `last`; a clock that is set back only slows the ids, it never repeats one."""

    __slots__ = ("last",)

    def __init__(self, last: int = BEFORE_FIRST) -> None:
        self.last = last

    def next(self, now_ms: int) -> int:
        now = now_ms * 1000
        self.last = now if self.last < now else self.last + 1
        return self.last


def timestamp_ms(event_id: int) -> int:
    """The time an EventId stands for, in milliseconds since 1970."""
    return event_id // 1000


def event_id_text(event_id: int) -> str:
    """The form used in problem arguments: `1738324800123000/2025-01-31T12:00:00.123Z`, `0/BeforeFirst`."""
    if event_id == BEFORE_FIRST:
        return "0/BeforeFirst"
    instant = (_EPOCH + timedelta(milliseconds=event_id // 1000)).isoformat(timespec="milliseconds")
    return f"{event_id}/{instant.replace('+00:00', 'Z')}"
