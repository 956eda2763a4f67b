"""Dates in requests (cockpit-api 1.6) and names of inventory objects (cockpit-services 1.3)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.start_times import scheduled_for_ms
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.projection.model import NEVER_MS
from stellwerk.language.inventory.names import name_fault

#: Saturday
NOW = int(datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC).timestamp() * 1000)


def _text(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.parametrize(
    "text, zone, begin, end",
    [
        ("2026-01-31T23:00:00Z", None, "2026-01-31T23:00:00", "2026-01-31T23:00:00"),
        ("2026-01-31 23:00:00+0100", None, "2026-01-31T22:00:00", "2026-01-31T22:00:00"),
        ("2026-01-31T23:00:00+01", None, "2026-01-31T22:00:00", "2026-01-31T22:00:00"),
        ("2026-01-31T23:00:00Z", "Europe/Berlin", "2026-01-31T22:00:00", "2026-01-31T22:00:00"),
        ("-2h", None, "2026-01-31T10:34:56", "2026-01-31T10:34:56"),
        ("0d", None, "2026-01-31T00:00:00", "2026-02-01T00:00:00"),
        ("-1d", "Europe/Berlin", "2026-01-29T23:00:00", "2026-01-30T23:00:00"),
        ("-1d-2h", None, "2026-01-29T22:00:00", "2026-01-30T22:00:00"),
        ("1d -30m", None, "2026-01-31T23:30:00", "2026-02-01T23:30:00"),
        ("0w", None, "2026-01-26T00:00:00", "2026-02-02T00:00:00"),
        ("-2M", None, "2025-11-01T00:00:00", "2025-12-01T00:00:00"),
        ("+1y", None, "2027-01-01T00:00:00", "2028-01-01T00:00:00"),
        ("never", None, "9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ("", None, None, None),
        (None, None, None, None),
    ],
)
def test_filters(text: str | None, zone: str | None, begin: str | None, end: str | None) -> None:
    assert _text(instant_ms(text, NOW, time_zone=zone)) == begin
    assert _text(instant_ms(text, NOW, time_zone=zone, is_end=True)) == end


@pytest.mark.parametrize("text", ["x", "1", "1q", "2026-13-01T00:00:00Z", "-9999999y", "1d x"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        instant_ms(text, NOW)


@pytest.mark.parametrize("zone", ["Nowhere/City", "Europe", "../etc/passwd", "a" * 300, "a\0b"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    """`Europe` is a folder of the system's time zones."""
    with pytest.raises(BadRequest, match="is no time zone"):
        instant_ms("2026-01-31 12:00", NOW, time_zone=zone)


@pytest.mark.parametrize(
    "text, zone, expected",
    [
        ("now", None, None),
        ("", None, None),
        (None, None, None),
        ("now + 90", None, "2026-01-31T12:36:26"),
        ("now+01:00", None, "2026-01-31T13:34:56"),
        ("now + 00:00:04", None, "2026-01-31T12:35:00"),
        ("2026-07-01 12:00", "Europe/Berlin", "2026-07-01T10:00:00"),
        ("2026-07-01T12:00:30", None, "2026-07-01T12:00:30"),
    ],
)
def test_start_of_orders(text: str | None, zone: str | None, expected: str | None) -> None:
    assert _text(scheduled_for_ms(text, NOW, zone)) == expected
    assert scheduled_for_ms("never", NOW, zone) == NEVER_MS


@pytest.mark.parametrize("text", ["tomorrow", "-1d", "2026-07-01", "now - 5"])
def test_other_starts_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        scheduled_for_ms(text, NOW, None)


@pytest.mark.parametrize("name", ["a", "A-1", "übung", "1st", "x_y.z", "日本"])
def test_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name, text",
    [
        ("", "empty"),
        ("a b", "Spaces"),
        ("a/b", "Punctuations"),
        ("a$", "Punctuations"),
        ("a\uff01", "Punctuations"),
        (".a", "begin"),
        ("a-", "end"),
        ("a..b", "consecutive"),
        ("a\x00b", "Control"),
        ("class", "reserved"),
    ],
)
def test_names_that_break_a_rule(name: str, text: str) -> None:
    fault = name_fault(name)
    assert fault is not None and text in fault


def test_paths() -> None:
    assert names.normalized("a//b/") == "/a/b"
    assert names.parents_of("/a/b/c") == ["/a", "/a/b"]
    assert names.is_in_folder("/a/b/c", "/a", recursive=True) and not names.is_in_folder(
        "/a/b/c", "/a", recursive=False
    )
    assert not names.is_in_folder("/ab/c", "/a", recursive=True) and names.is_in_folder("/x", "/", recursive=False)
