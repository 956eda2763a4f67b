"""Java's date patterns: formatting and parsing (workflow spec 6.7, 7.2)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from stellwerk.language.expressions.java_date_elements import DateFormatError
from stellwerk.language.expressions.java_dates import format_instant, parse_date

NOON = int(datetime(2024, 2, 9, 11, 5, 7, 89_000, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("pattern", "zone", "expected"),
    [
        ("yyyy-MM-dd HH:mm:ssZ", "Europe/Berlin", "2024-02-09 12:05:07+0100"),
        ("uu/M/d, h 'o''clock' a", "UTC", "24/2/9, 11 o'clock AM"),
        ("yyyyMMddHHmmssSSS", "UTC", "20240209110507089"),
        ("EEE EEEE EEEEE e, MMM MMMM MMMMM, G", "UTC", "Fri Friday F 5, Feb February F, AD"),
        ("YYYY'w'ww D DDD Q QQQ QQQQ W F", "UTC", "2024w06 40 040 1 Q1 1st quarter 2 2"),
        ("k K H h", "UTC", "11 11 11 11"),
        ("S SSSSSSSSS n A", "UTC", "0 089000000 89000000 39907089"),
        ("VV z", "Europe/Berlin", "Europe/Berlin CET"),
        ("XXX X XX x xxx Z ZZZZ ZZZZZ O", "UTC", "Z Z Z +00 +00:00 +0000 GMT Z GMT"),
        (
            "XXX X XX x xxx Z ZZZZ ZZZZZ O",
            "Asia/Kolkata",
            "+05:30 +0530 +0530 +0530 +05:30 +0530 GMT+05:30 +05:30 GMT+5:30",
        ),
        ("X VV", "-03:00", "-03 -03:00"),
        ("ppppd|[yy]", "UTC", "   9|24"),
        ("''", "UTC", "'"),
    ],
)
def test_formatting(pattern: str, zone: str, expected: str) -> None:
    assert format_instant(NOON, pattern, zone) == expected


@pytest.mark.parametrize(("hour", "expected"), [(0, "24 0 0 12 AM"), (12, "12 0 12 12 PM"), (13, "13 1 13 1 PM")])
def test_the_four_ways_to_count_hours(hour: int, expected: str) -> None:
    moment = int(datetime(2024, 1, 1, hour, tzinfo=UTC).timestamp() * 1000)
    assert format_instant(moment, "k K H h a", "UTC") == expected


@pytest.mark.parametrize(
    "pattern", ["b", "yyyy-QQQQQQ", "'open", "{y}", "y]", "hhh", "zzzz", "B", "V", "aa", "p", "MMMMMM"]
)
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(DateFormatError):
        format_instant(NOON, pattern, "UTC")


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../etc/passwd", "+25:00", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(DateFormatError, match="Unknown time zone"):
        format_instant(NOON, "yyyy", zone)


def test_a_time_out_of_range_is_refused() -> None:
    with pytest.raises(DateFormatError):
        format_instant(10**18, "yyyy", "UTC")


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("2024-02-29", "yyyy-MM-dd", date(2024, 2, 29)),
        ("20240229", "yyyyMMdd", date(2024, 2, 29)),
        ("29.2.24", "d.M.yy", date(2024, 2, 29)),
        ("2024w09", "YYYY'w'ww", date(2024, 2, 26)),
        ("2024-W09-3", "YYYY-'W'ww-e", date(2024, 2, 28)),
        ("2020w53", "YYYY'w'ww", date(2020, 12, 28)),
        ("2024-060", "yyyy-DDD", date(2024, 2, 29)),
        ("Thu, 29 Feb 2024", "EEE, d MMM yyyy", date(2024, 2, 29)),
        ("2024-02-29", "yyyy-MM-dd[ HH:mm]", date(2024, 2, 29)),
        ("2024-02-29 10:00", "yyyy-MM-dd[ HH:mm]", date(2024, 2, 29)),
    ],
)
def test_parsing(text: str, pattern: str, expected: date) -> None:
    assert parse_date(text, pattern) == expected


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2024-2-29", "yyyy-MM-dd"),
        ("2023-02-29", "yyyy-MM-dd"),
        ("2024-13-01", "yyyy-MM-dd"),
        ("2024-02-29 ", "yyyy-MM-dd"),
        ("2023w53", "YYYY'w'ww"),
        ("2024-366x", "yyyy-DDD"),
        ("2023-366", "yyyy-DDD"),
        ("Fri, 29 Feb 2024", "EEE, d MMM yyyy"),
        ("2024-02", "yyyy-MM"),
        ("2024 2025-01-01", "yyyy yyyy-MM-dd"),
    ],
)
def test_a_text_that_is_no_such_date_is_refused(text: str, pattern: str) -> None:
    with pytest.raises(DateFormatError):
        parse_date(text, pattern)
