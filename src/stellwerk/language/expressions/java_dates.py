"""Java's date-time patterns (`java.time.format.DateTimeFormatter.ofPattern`): formatting instants, parsing dates.

Workflow spec 6.7, 7.2.

Guarantees: every pattern letter of Java is either understood or refused by name, at compilation, with a
`DateFormatError`; nothing is printed as it stands because it was not known. Texts (months, days, AM/PM) are English,
weeks are those of ISO 8601. Zones come from `zoneinfo`; this module reads no clock.
Refused: `zzzz`, `v`, `vvvv` (names of zones in words), `B` (parts of the day), `g` (Julian days).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import regex

from stellwerk.language.expressions.java_date_elements import DateFormatError, Element, Moment, element_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_offset_zone = regex.compile(r"(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?(?::?([0-9]{2}))?")


def format_instant(epoch_ms: int, pattern: str, zone_id: str) -> str:
    """The instant as local time of the zone in the given pattern. Raises `DateFormatError`."""
    try:
        local = (_EPOCH + timedelta(milliseconds=epoch_ms)).astimezone(zone_of(zone_id))
    except OverflowError as error:
        raise DateFormatError(f"Time is out of range: {epoch_ms} ms") from error
    moment = Moment(local, zone_id)
    return "".join([element.format(moment) for element in _compile(pattern).elements])


def parse_date(text: str, pattern: str) -> date:
    """The date in the text: year, month and day; or year and day of year; or week-based year and week (its Monday, or
    the day of the week that is given). Raises `DateFormatError`."""
    compiled = _compile(pattern)
    match = compiled.parser.fullmatch(text)
    if match is None:
        raise DateFormatError(f"Text {text!r} does not fit the date pattern {pattern!r}")
    fields: dict[str, int] = {}
    for index, element in enumerate(compiled.elements):
        group = match.groupdict().get(f"f{index}")
        if element.field is not None and group is not None:
            value = element.parse(group)
            if fields.setdefault(element.field, value) != value:
                raise DateFormatError(f"Text {text!r} contradicts itself in {element.field} (pattern {pattern!r})")
    try:
        found = _resolve(fields)
    except ValueError as error:
        raise DateFormatError(f"Text {text!r} is no valid date: {error}") from error
    if found is None:
        raise DateFormatError(f"The date pattern {pattern!r} does not determine a day")
    weekday = fields.get("weekday")
    if weekday is not None and found.isoweekday() != weekday:
        raise DateFormatError(f"Text {text!r} contradicts itself: wrong day of the week")
    return found


def check_pattern(pattern: str) -> None:
    """Raises `DateFormatError` for a pattern that is none."""
    _compile(pattern)


@lru_cache(maxsize=256)
def zone_of(zone_id: str) -> tzinfo:
    """The zone of an IANA id or of an offset as Java writes them (`Z`, `+02:00`, `UTC+1`). Raises `DateFormatError`."""
    if zone_id in ("Z", "UTC", "GMT", "UT"):
        return UTC
    match = _offset_zone.fullmatch(zone_id)
    if match:
        hours, minutes, seconds = int(match[2]), int(match[3] or 0), int(match[4] or 0)
        offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if offset <= timedelta(hours=18) and minutes < 60 and seconds < 60:
            return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(zone_id)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DateFormatError(f"Unknown time zone: {zone_id!r}") from error


def _resolve(fields: dict[str, int]) -> date | None:
    year = fields.get("year")
    if year is not None and "month" in fields and "day" in fields:
        return date(year, fields["month"], fields["day"])
    if year is not None and "day of year" in fields:
        found = date(year, 1, 1) + timedelta(days=fields["day of year"] - 1)
        if fields["day of year"] < 1 or found.year != year:
            raise ValueError("day of year is out of range")
        return found
    if "week-based year" in fields and "week" in fields:
        return date.fromisocalendar(fields["week-based year"], fields["week"], fields.get("weekday", 1))
    return None


class _Pattern(NamedTuple):
    elements: tuple[Element, ...]
    parser: regex.Pattern[str]


@lru_cache(maxsize=256)
def _compile(pattern: str) -> _Pattern:
    if len(pattern) > 1000:
        raise DateFormatError("Date pattern is too long")
    elements: list[Element] = []
    parser: list[str] = []
    index = 0
    open_brackets = 0
    padding = 0
    while index < len(pattern):
        character = pattern[index]
        end = index + 1
        if character.isascii() and character.isalpha():
            while end < len(pattern) and pattern[end] == character:
                end += 1
            if character == "p":
                padding = end - index
                if not pattern[end : end + 1].isalpha():
                    raise DateFormatError(f"Pad letter 'p' must be followed by a pattern letter: {pattern}")
                index = end
                continue
            element = element_of(character, end - index)
            if padding:
                element = element.padded(padding)
                padding = 0
            parser.append(f"(?P<f{len(elements)}>{element.pattern})")
            elements.append(element)
        elif character == "'":
            text, end = _quoted(pattern, index)
            elements.append(Element.literal(text))
            parser.append(regex.escape(text))
        elif character == "[":
            open_brackets += 1
            parser.append("(?:")
        elif character == "]":
            if open_brackets == 0:
                raise DateFormatError(f"Date pattern has a ] without [: {pattern}")
            open_brackets -= 1
            parser.append(")?")
        elif character in "{}#":
            raise DateFormatError(f"Date pattern contains the reserved character {character!r}: {pattern}")
        else:
            elements.append(Element.literal(character))
            parser.append(regex.escape(character))
        index = end
    return _Pattern(tuple(elements), regex.compile("".join(parser) + ")?" * open_brackets))


def _quoted(pattern: str, index: int) -> tuple[str, int]:
    """The text of a quoted part that starts at `index`, and the index behind it; `''` is one quote."""
    if pattern.startswith("''", index):
        return "'", index + 2
    end = index + 1
    while True:
        end = pattern.find("'", end)
        if end < 0:
            raise DateFormatError(f"Date pattern ends with an incomplete string literal: {pattern}")
        if not pattern.startswith("''", end):
            return pattern[index + 1 : end].replace("''", "'"), end + 1
        end += 2
