"""When the cleanup service works, and how much at once (cockpit-services 8, 9.3)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stellwerk.cockpit.cleanup.settings import BATCH_SECONDS, CleanupSettings, gives_way, next_batch_size

EVERY_DAY = frozenset(range(1, 8))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def settings(
    weekdays: frozenset[int] = EVERY_DAY, begin: str = "01:00", end: str = "04:00", zone: str = "UTC"
) -> CleanupSettings:
    return CleanupSettings(weekdays=weekdays, period_begin=begin, period_end=end, time_zone=zone)


@pytest.mark.parametrize(
    ("when", "given", "expected"),
    [
        # 2026-11-23 is a Monday
        ("2026-11-23T00:59:59", settings(), None),
        ("2026-11-23T01:00", settings(), ("2026-11-23T01:00", "2026-11-23T04:00")),
        ("2026-11-23T03:59:59", settings(), ("2026-11-23T01:00", "2026-11-23T04:00")),
        ("2026-11-23T04:00", settings(), None),
        ("2026-11-23T02:00", settings(frozenset()), None),
        ("2026-11-23T02:00", settings(frozenset({1})), ("2026-11-23T01:00", "2026-11-23T04:00")),
        ("2026-11-24T02:00", settings(frozenset({1})), None),
        ("2026-11-22T02:00", settings(frozenset({7})), ("2026-11-22T01:00", "2026-11-22T04:00")),
        # Over midnight it is the day of the beginning that counts.
        ("2026-11-23T23:00", settings(frozenset({1}), "22:00", "03:00"), ("2026-11-23T22:00", "2026-11-24T03:00")),
        ("2026-11-24T02:00", settings(frozenset({1}), "22:00", "03:00"), ("2026-11-23T22:00", "2026-11-24T03:00")),
        ("2026-11-24T23:00", settings(frozenset({1}), "22:00", "03:00"), None),
        ("2026-11-23T12:00", settings(begin="00:00", end="24:00"), ("2026-11-23T00:00", "2026-11-24T00:00")),
        ("2026-11-23T12:00", settings(begin="", end=""), ("2026-11-23T00:00", "2026-11-24T00:00")),
        # In the zone's own time, also over the hour that comes twice.
        ("2026-11-23T00:30", settings(zone="Europe/Berlin"), ("2026-11-23T00:00", "2026-11-23T03:00")),
        ("2026-10-25T01:30", settings(zone="Europe/Berlin"), ("2026-10-24T23:00", "2026-10-25T03:00")),
    ],
)
def test_a_period_is_found_by_weekday_and_wall_time(
    when: str, given: CleanupSettings, expected: tuple[str, str] | None
) -> None:
    assert given.window(ms(when)) == (None if expected is None else tuple(map(ms, expected)))


def test_batches_shrink_until_they_are_short_and_grow_to_what_is_set() -> None:
    assert next_batch_size(1000, BATCH_SECONDS * 2, 1000) == 500
    assert next_batch_size(30, BATCH_SECONDS * 9, 1000) == 20
    assert next_batch_size(7, BATCH_SECONDS * 9, 7) == 7, "never more than is set"
    assert next_batch_size(100, BATCH_SECONDS / 2, 1000) == 100
    assert next_batch_size(600, BATCH_SECONDS / 9, 1000) == 1000


def test_only_with_force_others_have_to_wait_and_then_for_so_long_as_is_set() -> None:
    assert gives_way(settings(), 0.0)
    forced = CleanupSettings(force=True, pause_duration=60, pause_delay=30)
    assert [gives_way(forced, seconds) for seconds in (0, 59.9, 60, 89.9, 90, 151)] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]
    assert not gives_way(CleanupSettings(force=True, pause_duration=0, pause_delay=0), 5.0)
