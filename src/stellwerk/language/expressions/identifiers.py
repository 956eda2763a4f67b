"""Identifiers of the expression language and how they are quoted (workflow spec 6.1).

A simple identifier starts with a Unicode identifier start (a letter; neither `_` nor `$`) and goes on with Unicode
identifier parts. Everything else stands between backticks, in which two backticks mean one.
"""

from __future__ import annotations

from typing import Final

import regex

KEYWORDS: Final = frozenset(
    {"argument", "else", "error", "false", "if", "in", "matches", "missing", "then", "true", "variable"}
)

#: Patterns for the scanner; without groups.
SIMPLE_PATTERN: Final = r"\p{ID_Start}[\p{ID_Continue}\p{Cf}]*+"
QUOTED_PATTERN: Final = r"`(?:[^`\n]|``)++`"
DIGITS_PATTERN: Final = r"[0-9]++"

_simple = regex.compile(SIMPLE_PATTERN)
_part = regex.compile(r"[\p{ID_Continue}\p{Cf}]")
_digits = regex.compile(DIGITS_PATTERN)


def is_simple_identifier(name: str) -> bool:
    return _simple.fullmatch(name) is not None


def is_digits(name: str) -> bool:
    return _digits.fullmatch(name) is not None


def continues_name(text: str) -> bool:
    """Would the begin of this text be read as part of an identifier in front of it?"""
    return _part.match(text) is not None


def quote_identifier(name: str, always: bool = False) -> str:
    """The name as an identifier, between backticks where needed."""
    return name if not always and is_simple_identifier(name) else "`" + name.replace("`", "``") + "`"


def unquote_identifier(token: str) -> str:
    """The name that an identifier, simple or quoted, stands for."""
    return token[1:-1].replace("``", "`") if token.startswith("`") else token


def variable_reference(name: str, quoted: bool) -> str | None:
    """`$name`; None where the name cannot be written so: it is empty or has a line feed."""
    if not name or "\n" in name:
        return None
    if not quoted and (is_simple_identifier(name) or is_digits(name)):
        return "$" + name
    return "$" + quote_identifier(name, always=True)
