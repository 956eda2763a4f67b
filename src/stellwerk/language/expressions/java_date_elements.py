"""The letters of Java's date-time patterns: what each prints, and what it accepts when a date is parsed.

Used by `java_dates` only, which describes the guarantees. One row of `_LETTERS` per letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import regex

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MILLIS_PER_SECOND: Final = 1000
_NANOS_PER_MILLI: Final = 1_000_000


class DateFormatError(Exception):
    """A pattern, a zone or a date text that is none; the text says what and where."""


class Moment(NamedTuple):
    """What is formatted: a local time with its offset, and the id of its zone."""

    local: datetime
    zone_id: str

    @property
    def offset_seconds(self) -> int:
        offset = self.local.utcoffset()
        return 0 if offset is None else int(offset.total_seconds())

    @property
    def nano(self) -> int:
        return self.local.microsecond * 1000

    @property
    def second_of_day(self) -> int:
        return self.local.hour * 3600 + self.local.minute * 60 + self.local.second


def _ignored(text: str) -> int:
    return 0


class Element(NamedTuple):
    """One part of a pattern. `field` None: the parsed text does not contribute to a date."""

    format: Callable[[Moment], str]
    pattern: str
    field: str | None = None
    parse: Callable[[str], int] = _ignored

    @classmethod
    def literal(cls, text: str) -> Element:
        return cls(lambda moment: text, regex.escape(text))

    def padded(self, width: int) -> Element:
        """Padded with blanks to the left, as by the letter `p`."""
        inner, parse = self.format, self.parse

        def format_padded(moment: Moment) -> str:
            text = inner(moment)
            if len(text) > width:
                raise DateFormatError(f"Value {text!r} does not fit the pad width {width}")
            return text.rjust(width)

        return Element(format_padded, " *" + self.pattern, self.field, lambda text: parse(text.lstrip(" ")))


def element_of(letter: str, count: int) -> Element:
    """The element for a letter that is repeated so many times. Raises `DateFormatError`."""
    make = _LETTERS.get(letter)
    if make is None:
        raise DateFormatError(f"Pattern letter is unknown or not supported: {letter}")
    return make(letter, count)


def _too_many(letter: str, count: int) -> DateFormatError:
    return DateFormatError(f"Pattern letter {letter} must not stand {count} times in a row: {letter * count}")


Value = Callable[[Moment], int]
Make = Callable[[str, int], Element]


def _year(value: Value, field: str) -> Make:
    def make(letter: str, count: int) -> Element:
        if count == 2:
            return Element(
                lambda moment: f"{value(moment) % 100:02d}", "[0-9]{2}", field, lambda text: 2000 + int(text)
            )
        if count > 19:
            raise _too_many(letter, count)
        pattern = rf"(?:[0-9]{{{count}}}|\+[0-9]{{{count + 1},19}})" if count >= 4 else f"[0-9]{{{count},9}}"
        return Element(lambda moment: str(value(moment)).zfill(count), pattern, field, int)

    return make


def _number(value: Value, field: str | None = None, greatest_count: int = 2) -> Make:
    """One letter: as many digits as needed; more letters: so many digits."""

    def make(letter: str, count: int) -> Element:
        if count > greatest_count:
            raise _too_many(letter, count)
        pattern = "[0-9]{1,9}" if count == 1 else f"[0-9]{{{count}}}"
        return Element(lambda moment: str(value(moment)).zfill(count), pattern, field, int)

    return make


def _named(value: Value, names: Mapping[int, list[str]], field: str | None, first_text: int) -> Make:
    """Texts per number of letters from `first_text` on; numbers below. `value` counts from 1."""
    number = _number(value, field)

    def make(letter: str, count: int) -> Element:
        if count < first_text:
            return number(letter, count)
        texts = names.get(count)
        if texts is None:
            raise _too_many(letter, count)
        indices = {text: index for index, text in enumerate(texts, 1)}
        # A narrow text, as J for January, June and July, does not tell the value.
        unique = len(indices) == len(texts)
        return Element(
            lambda moment: texts[value(moment) - 1],
            "|".join(texts),
            field if unique else None,
            lambda text: indices[text],
        )

    return make


def _texts(names: list[str], narrow: list[str] | None = None) -> Mapping[int, list[str]]:
    """By the number of letters: 3 short, 4 full, 5 narrow."""
    return {3: [name[:3] for name in names], 4: names, 5: narrow or [name[0] for name in names]}


_MONTH_TEXTS: Final = _texts(_MONTHS)
_WEEKDAY_TEXTS: Final = _texts(_WEEKDAYS)
_WEEKDAY_TEXTS_E: Final = {1: _WEEKDAY_TEXTS[3], 2: _WEEKDAY_TEXTS[3], **_WEEKDAY_TEXTS}
_QUARTER_TEXTS: Final = {
    3: ["Q1", "Q2", "Q3", "Q4"],
    4: ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"],
    5: ["1", "2", "3", "4"],
}


def _era(letter: str, count: int) -> Element:
    if count > 5:
        raise _too_many(letter, count)
    text = "Anno Domini" if count == 4 else "A" if count == 5 else "AD"
    return Element.literal(text)


def _half_day(letter: str, count: int) -> Element:
    if count > 1:
        raise _too_many(letter, count)
    return Element(lambda moment: "AM" if moment.local.hour < 12 else "PM", "AM|PM")


def _fraction(letter: str, count: int) -> Element:
    if count > 9:
        raise _too_many(letter, count)
    return Element(lambda moment: f"{moment.nano:09d}"[:count], f"[0-9]{{{count}}}")


def _day_of_year(letter: str, count: int) -> Element:
    if count > 3:
        raise _too_many(letter, count)
    pattern = ("[0-9]{1,9}", "[0-9]{2,3}", "[0-9]{3}")[count - 1]
    return Element(lambda moment: str(moment.local.timetuple().tm_yday).zfill(count), pattern, "day of year", int)


def _week_of_month(moment: Moment) -> int:
    """ISO: a week belongs to the month that has at least four of its days."""
    first_weekday = moment.local.replace(day=1).weekday()
    return (moment.local.day + first_weekday - 1) // 7 + (1 if first_weekday <= 3 else 0)


def _signed(seconds: int, colon: str, with_seconds: bool) -> str:
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, second = divmod(rest, 60)
    text = f"{sign}{hours:02d}{colon}{minutes:02d}"
    return f"{text}{colon}{second:02d}" if with_seconds and second else text


def _offset(zero: str) -> Make:
    """The letters X and x: an offset; `zero` stands for none, where it is not empty."""

    def make(letter: str, count: int) -> Element:
        if count > 5:
            raise _too_many(letter, count)
        colon = ":" if count in (3, 5) else ""

        def format_offset(moment: Moment) -> str:
            seconds = moment.offset_seconds
            if seconds == 0 and zero:
                return zero
            text = _signed(seconds, colon, count >= 4)
            return text[:3] if count == 1 and text.endswith("00") else text

        return Element(format_offset, r"Z|[+-][0-9]{2}(?::?[0-9]{2}){0,2}")

    return make


def _offset_z(letter: str, count: int) -> Element:
    if count > 5:
        raise _too_many(letter, count)
    if count == 4:
        return _localized_offset(letter, 4)
    if count == 5:
        return _offset("Z")(letter, 5)
    return Element(lambda moment: _signed(moment.offset_seconds, "", False), "[+-][0-9]{4}")


def _localized_offset(letter: str, count: int) -> Element:
    if count not in (1, 4):
        raise _too_many(letter, count)

    def format_offset(moment: Moment) -> str:
        seconds = moment.offset_seconds
        if seconds == 0:
            return "GMT"
        text = _signed(seconds, ":", True)
        if count == 1:
            text = text[0] + text[1:].removeprefix("0").removesuffix(":00")
        return "GMT" + text

    return Element(format_offset, r"GMT(?:[+-][0-9]{1,2}(?::[0-9]{2}){0,2})?")


def _zone_id(letter: str, count: int) -> Element:
    if count != 2:
        raise DateFormatError("Pattern letter V must stand twice: VV")
    return Element(lambda moment: moment.zone_id, r"[A-Za-z0-9_+\-/:]+")


def _zone_name(letter: str, count: int) -> Element:
    if count > 3:
        raise DateFormatError("Names of time zones in words (zzzz) are not supported; use VV or z")

    def format_name(moment: Moment) -> str:
        is_offset = moment.zone_id[:1] in "+-" or moment.zone_id == "Z"
        return moment.zone_id if is_offset else moment.local.tzname() or moment.zone_id

    return Element(format_name, r"[A-Za-z0-9+\-:]+")


_LETTERS: Final[dict[str, Make]] = {
    "G": _era,
    "u": _year(lambda moment: moment.local.year, "year"),
    "y": _year(lambda moment: moment.local.year, "year"),
    "Y": _year(lambda moment: moment.local.isocalendar().year, "week-based year"),
    "Q": _named(lambda moment: (moment.local.month + 2) // 3, _QUARTER_TEXTS, None, 3),
    "q": _named(lambda moment: (moment.local.month + 2) // 3, _QUARTER_TEXTS, None, 3),
    "M": _named(lambda moment: moment.local.month, _MONTH_TEXTS, "month", 3),
    "L": _named(lambda moment: moment.local.month, _MONTH_TEXTS, "month", 3),
    "w": _number(lambda moment: moment.local.isocalendar().week, "week"),
    "W": _number(_week_of_month, greatest_count=1),
    "d": _number(lambda moment: moment.local.day, "day"),
    "D": _day_of_year,
    "F": _number(lambda moment: (moment.local.day - 1) // 7 + 1, greatest_count=1),
    "E": _named(lambda moment: moment.local.isoweekday(), _WEEKDAY_TEXTS_E, "weekday", 1),
    "e": _named(lambda moment: moment.local.isoweekday(), _WEEKDAY_TEXTS, "weekday", 3),
    "c": _named(lambda moment: moment.local.isoweekday(), _WEEKDAY_TEXTS, "weekday", 2),
    "a": _half_day,
    "h": _number(lambda moment: (moment.local.hour + 11) % 12 + 1),
    "K": _number(lambda moment: moment.local.hour % 12),
    "k": _number(lambda moment: moment.local.hour or 24),
    "H": _number(lambda moment: moment.local.hour),
    "m": _number(lambda moment: moment.local.minute),
    "s": _number(lambda moment: moment.local.second),
    "S": _fraction,
    "A": _number(lambda m: m.second_of_day * _MILLIS_PER_SECOND + m.nano // _NANOS_PER_MILLI, greatest_count=19),
    "n": _number(lambda moment: moment.nano, greatest_count=19),
    "N": _number(lambda moment: moment.second_of_day * 10**9 + moment.nano, greatest_count=19),
    "V": _zone_id,
    "z": _zone_name,
    "O": _localized_offset,
    "X": _offset("Z"),
    "x": _offset(""),
    "Z": _offset_z,
}
