"""Names of items, jobs and labels (workflow spec 1.4)."""

from __future__ import annotations

import unicodedata

from stellwerk.values.problems import Problem

_START = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Nd"})
_PART = _START | {"Pc", "Mn", "Mc", "Cf"}


def _is_part(text: str) -> bool:
    if not text or unicodedata.category(text[0]) not in _START or text.endswith("."):
        return False
    return all(character in "-." or unicodedata.category(character) in _PART for character in text[1:])


def is_simple_name(text: str) -> bool:
    """A name without `/`: jobs, plan keys."""
    return _is_part(text)


def is_name(text: str) -> bool:
    """A name of an item, parts separated by `/`."""
    return all(_is_part(part) for part in text.split("/"))


def check_name(type_name: str, text: str) -> Problem | None:
    """What is wrong with the name of an item of this type, or None."""
    if not text:
        return Problem.of("EmptyString", type=type_name)
    return None if is_name(text) else Problem.of("InvalidName", type=type_name, name=text)
