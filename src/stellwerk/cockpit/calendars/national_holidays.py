"""National holidays for the calendar editor, which stores their dates in `holidays[].dates` (services spec 3.1).

They come from the library `holidays`. It computes with data of its own, but reads translations from files and takes
half a second to be imported, so it is not for the pure layers, and it is imported when it is first needed: call from a
thread. A calendar, once stored, does not need it.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import NamedTuple

from stellwerk.values.problems import ProblemError

#: Years that are given at once.
MAXIMUM_YEARS = 100
_ENGLISH = "en_US"


class Country(NamedTuple):
    """`code`: ISO 3166-1, two letters; `subdivisions`: ISO 3166-2 without the country, and some cities."""

    code: str
    subdivisions: tuple[str, ...]


class NationalHoliday(NamedTuple):
    date: date
    name: str


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """All that are known, by their code."""
    import holidays

    supported = holidays.list_supported_countries(include_aliases=False)
    return tuple(Country(code, tuple(subdivisions)) for code, subdivisions in sorted(supported.items()))


def national_holidays(
    country: str, first_year: int, last_year: int, *, subdivision: str | None = None, language: str | None = None
) -> tuple[NationalHoliday, ...]:
    """Public holidays of whole years, ascending; days on which one is observed instead are among them.

    `language` (like `de` or `en_US`): that of the names, where the country has it, else English, else the country's
    own. Raises `ProblemError` for what is unknown, and for more than 100 years at once.
    """
    import holidays

    if not date.min.year <= first_year <= last_year <= date.max.year:
        raise ProblemError(f"years {first_year} to {last_year}: the first must not be after the last")
    if last_year - first_year >= MAXIMUM_YEARS:
        raise ProblemError(f"more than {MAXIMUM_YEARS} years at once: ask for some of them")
    known = {entry.code: entry.subdivisions for entry in countries()}
    if country not in known:
        raise ProblemError(f"no holidays are known of the country {country!r}: give two letters as in ISO 3166")
    if subdivision is not None and subdivision not in known[country]:
        which = ", ".join(known[country]) or "none"
        raise ProblemError(f"{country} has no subdivision {subdivision!r} with holidays; there are: {which}")
    years = range(first_year, last_year + 1)
    of_country = holidays.country_holidays(country)
    languages = of_country.supported_languages
    # Without a language the library takes the one of the process's environment.
    spoken = next((item for item in (language, _ENGLISH) if item in languages), of_country.default_language)
    found = holidays.country_holidays(country, subdiv=subdivision, years=years, language=spoken)
    return tuple(NationalHoliday(day, name) for day, name in sorted(found.items()) if day.year in years)
