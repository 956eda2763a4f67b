"""Java's number placeholders, as far as order ids use them: `%d`, `%05d`, `%%` (workflow spec 2.15)."""

from __future__ import annotations

import re

from stellwerk.language.expressions.errors import invalid_arguments

_PLACEHOLDER = re.compile(r"%(?:(%)|(?:1\$)?([-0+, (]*)(\d*)d)")


def format_integer(pattern: str, number: int) -> str:
    """The pattern with its placeholders replaced. Raises `ExpressionError` when it has none, or another kind."""
    count = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal count
        if match[1]:
            return "%"
        count += 1
        flags, width = match[2], int(match[3] or 0)
        text = f"{number:,}" if "," in flags else str(number)
        sign = "+" if "+" in flags else " " if " " in flags else ""
        if "-" in flags:
            return (sign + text).ljust(width)
        if "0" in flags:
            return sign + text.zfill(width - len(sign))
        return (sign + text).rjust(width)

    text = _PLACEHOLDER.sub(replaced, pattern)
    if count != 1 or "%" in _PLACEHOLDER.sub("", pattern):
        raise invalid_arguments("uniqueOrderId", f"{pattern!r}: exactly one number placeholder like %05d is expected")
    return text
