"""When a text of the inventory is an expression, and when it is meant literally (workflow spec 9.2, services 1.6)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from stellwerk.language.expressions import is_expression, quote_string

_EPOCH = re.compile(r"\$epoch(Milli|Second)\b")
_SIMPLE_IDENTIFIER = re.compile(r"[^\W\d_]\w*\Z")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")


def with_engine_names(text: str) -> str:
    """`$epochMilli`, `$epochSecond` under the names that the engine knows."""
    return _EPOCH.sub(r"$js7Epoch\1", text) if "$epoch" in text else text


def expression_or_string(text: str) -> str:
    """*quoteString*: a text that parses as an expression unchanged, any other as a string constant."""
    if not text:
        return '""'
    renamed = with_engine_names(text)
    return renamed if is_expression(renamed) else quote_string(text)


def quote_unless_typed(text: str) -> str:
    """The stricter rule for defaults, finals, messages: plain text is a string, even if it looks like arithmetic.

    So `2024-01-31` stays the text it looks like, while `1`, `true`, `$x` and `now('yyyy')` are expressions.
    """
    if not text:
        return '""'
    is_plain = not any(character in text for character in "\"'$")
    if is_plain and text not in ("true", "false") and not _NUMBER.match(text):
        return quote_string(text)
    return expression_or_string(text)


def expression_of(value: Any) -> Any:
    """The expression text for a JSON value that stands where an expression is expected; other things unchanged."""
    if isinstance(value, str):
        return expression_or_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(value)
    if isinstance(value, list):
        return "[" + ", ".join(str(expression_of(item)) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{identifier(key)}: {expression_of(item)}" for key, item in value.items()) + "}"
    return "missing" if value is None else value


def number_text(value: int | Decimal) -> str:
    """A number as the expression language writes it: without exponent."""
    return str(value) if isinstance(value, int) else f"{value:f}"


def expressions_of(value: Any) -> Any:
    """Each member of an object of expressions by `expression_of`; null members vanish."""
    if not isinstance(value, dict):
        return value
    return {name: expression_of(item) for name, item in value.items() if item is not None}


def identifier(name: str) -> str:
    """A name as it stands in an expression: plain if simple, else in backticks."""
    return name if _SIMPLE_IDENTIFIER.match(name) else "`" + name.replace("`", "``") + "`"


def variable(name: str) -> str:
    """`$name`. A text that already is an expression is left alone."""
    return name if name.startswith("$") else "$" + identifier(name)


def quoted(text: str) -> str:
    """A string constant."""
    return quote_string(text)
