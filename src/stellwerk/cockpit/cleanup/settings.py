"""When the cleanup service works, how fast, and what is too old (cockpit-services 8, section `cleanup`). Pure."""

from __future__ import annotations

from functools import cached_property

import msgspec

from stellwerk.language.calendars import time_of_day
from stellwerk.language.calendars.local_days import LocalDay
from stellwerk.language.schedules.local_time import local_date, time_zone, to_local

#: Begin and end, in milliseconds since the epoch.
Window = tuple[int, int]

#: What one transaction may take; behind it others write.
BATCH_SECONDS = 0.05
_SMALLEST_BATCH = 20


class CleanupSettings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Durations in seconds; an age of 0: nothing of it is removed."""

    time_zone: str = "UTC"
    #: Days of the week, 1 Monday to 7 Sunday, at which a period begins; none: the service does not run by itself.
    weekdays: frozenset[int] = frozenset()
    period_begin: str = "01:00"
    period_end: str = "04:00"
    force: bool = False
    #: With `force`: so long without giving way to others, …
    pause_duration: int = 60
    #: … and then so long with it.
    pause_delay: int = 30
    batch_size: int = 1000
    order_history_age: int = 0
    order_history_logs_age: int = 0
    daily_plan_history_age: int = 0
    audit_log_age: int = 0
    monitoring_history_age: int = 0
    notification_history_age: int = 0
    profile_age: int = 0
    failed_login_history_age: int = 0
    deployment_history_versions: int = 0

    @cached_property
    def has_work(self) -> bool:
        return any(
            (
                self.order_history_age,
                self.order_history_logs_age,
                self.daily_plan_history_age,
                self.audit_log_age,
                self.monitoring_history_age,
                self.notification_history_age,
                self.profile_age,
                self.failed_login_history_age,
                self.deployment_history_versions,
            )
        )

    def window(self, now_ms: int) -> Window | None:
        """The period that has begun and not ended; one that ends before it begins ends on the next day."""
        zone = time_zone(self.time_zone)
        begin, end = time_of_day(self.period_begin or "00"), time_of_day(self.period_end or "24")
        today = local_date(to_local(now_ms, zone))
        for ordinal in (today.toordinal(), today.toordinal() - 1):
            # 1 January of year 1, ordinal 1, was a Monday.
            if (ordinal - 1) % 7 + 1 not in self.weekdays:
                continue
            first = LocalDay(zone, ordinal).instant(begin)
            last = LocalDay(zone, ordinal if end > begin else ordinal + 1).instant(end)
            if first <= now_ms < last:
                return first, last
        return None


def next_batch_size(size: int, seconds: float, maximum: int) -> int:
    """From how long a batch has taken: the next one is to take `BATCH_SECONDS` at most, and `maximum` rows."""
    if seconds > BATCH_SECONDS:
        return max(min(_SMALLEST_BATCH, maximum), size // 2)
    return min(maximum, size * 2) if seconds < BATCH_SECONDS / 3 else size


def gives_way(settings: CleanupSettings, running_seconds: float) -> bool:
    """Whether others get as much time as the batches take, `running_seconds` after the begin of a run."""
    if not settings.force:
        return True
    turn = settings.pause_duration + settings.pause_delay
    return turn > 0 and running_seconds % turn >= settings.pause_duration
