"""Values of expressions: types, conversions, equality, order, arithmetic (workflow spec 6.3, 6.4).

A value is a `JsonValue`; `None` is *missing*. Numbers are `int` or `Decimal` (34 significant digits, half-even, the
scale is kept), never `float`; a number of scale 0 is always an `int`, so that `2.0 / 1.0` prints as `2`.
Note that Python's `True == 1` must never decide anything here: `equal` does.

Strict functions (`as_…`) accept one type; the caller handles missing, as only it knows what that means there.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from stellwerk.language.expressions import errors
from stellwerk.values.json import DECIMAL_CONTEXT, JsonValue

Number: TypeAlias = int | Decimal

#: Values that are nested deeper are refused rather than risking the interpreter's stack.
MAX_VALUE_DEPTH: Final = 100

#: Strings within printed lists and objects are cut after this many characters (workflow spec 6.3).
_NESTED_STRING_LENGTH: Final = 200

#: Integers within this bound need no rounding to 34 digits.
_EXACT: Final = 10**34

#: Numbers of more digits are not turned into `int`, whose conversion to text Python restricts.
_MAX_INT_DIGITS: Final = 4000

_DECIMAL_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")

_TYPE_NAMES: Final[dict[type, str]] = {
    str: "String",
    int: "Number",
    Decimal: "Number",
    bool: "Boolean",
    list: "List",
    dict: "Object",
    type(None): "Missing",
}


def type_name(value: Any) -> str:
    """The name of the value's type (workflow spec 6.3); everything that is no JSON value is a Function."""
    return _TYPE_NAMES.get(type(value), "Function")


def is_number(value: Any) -> bool:
    return type(value) is int or type(value) is Decimal


def wrong_type(expected_type: str, value: Any) -> errors.ExpressionError:
    """The problem `UnexpectedValueType` for this value."""
    return errors.unexpected_type(expected_type, f"{type_name(value)}: {literal(value)}")


# --- strict conversions ---


def as_string(value: JsonValue) -> str:
    if type(value) is str:
        return value
    raise wrong_type("String", value)


def as_boolean(value: JsonValue) -> bool:
    if type(value) is bool:
        return value
    raise wrong_type("Boolean", value)


def as_number(value: JsonValue) -> Number:
    if type(value) is int or type(value) is Decimal:
        return value
    raise wrong_type("Number", value)


def as_list(value: JsonValue) -> list[JsonValue]:
    if type(value) is list:
        return value
    raise wrong_type("List", value)


def as_object(value: JsonValue) -> dict[str, JsonValue]:
    if type(value) is dict:
        return value
    raise wrong_type("Object", value)


def as_integer(value: JsonValue, bits: int = 32) -> int:
    """A Number without fraction that fits into a signed integer of so many bits."""
    number = as_number(value)
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise errors.arithmetic_error(f"Number is out of range: {to_string(number)}")
    integer = int(number)
    if integer != number:
        raise errors.arithmetic_error(f"Not an integer: {to_string(number)}")
    return integer


def as_duration_ms(value: JsonValue) -> int:
    """A Number of seconds as milliseconds, truncated (workflow spec 6.3)."""
    number = as_number(value)
    if not -(1 << 53) < number < 1 << 53:
        raise errors.arithmetic_error(f"Duration is out of range: {to_string(number)}")
    return int(multiply(number, 1000))


# --- soft conversions ---


def to_string(value: JsonValue) -> str:
    """*convertToString*: every value has one; missing becomes the empty string."""
    if type(value) is str:
        return value
    return "" if value is None else literal(value)


def soft_string(value: JsonValue) -> str | None:
    """*Soft to string*: String, Number, Boolean; missing stays missing; everything else is an error."""
    if value is None or type(value) is str:
        return value
    if type(value) is int or type(value) is Decimal or type(value) is bool:
        return literal(value)
    raise wrong_type("String", value)


def to_number(value: JsonValue) -> Number | None:
    """`toNumber(value)`; missing stays missing."""
    if value is None or type(value) is int or type(value) is Decimal:
        return value
    if type(value) is bool:
        return int(value)
    if type(value) is str:
        if not _DECIMAL_TEXT.fullmatch(value):
            raise errors.not_a_number(value)
        try:
            return number_from_text(value)
        except decimal.DecimalException as error:
            raise errors.not_a_number(value) from error
    raise wrong_type("Number", value)


def to_boolean(value: JsonValue) -> bool | None:
    """`toBoolean(value)`; missing stays missing."""
    if value is None or type(value) is bool:
        return value
    if value == "true" or (is_number(value) and value == 1):
        return True
    if value == "false" or (is_number(value) and value == 0):
        return False
    raise wrong_type("Boolean", value)


# --- text ---

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\t": "\\t", "\r": "\\r", "\n": "\\n"})


def escape_double_quoted(text: str) -> str:
    """The text as it stands between double quotes."""
    return text.translate(_ESCAPES)


def quote_string(text: str) -> str:
    """The canonical form of a string constant (workflow spec 6.2)."""
    if text and "'" not in text and "\r" not in text:
        return f"'{text}'"
    return f'"{escape_double_quoted(text)}"'


def literal(value: Any) -> str:
    """The value in literal notation, as it stands within a printed list."""
    return _literal(value, 0)


def _literal(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        if depth and len(value) > _NESTED_STRING_LENGTH:
            value = value[:_NESTED_STRING_LENGTH] + "…"
        return quote_string(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value) if -_EXACT < value < _EXACT else format(Decimal(value), "f")
    if kind is Decimal:
        return format(value, "f")
    if value is None:
        return "missing"
    if depth >= MAX_VALUE_DEPTH:
        raise errors.unexpected_type("a value with less nesting", f"{type_name(value)}: nested too deeply")
    if kind is list:
        return "[" + ", ".join([_literal(element, depth + 1) for element in value]) + "]"
    if kind is dict:
        return "{" + ", ".join([f"{quote_string(k)}:{_literal(v, depth + 1)}" for k, v in value.items()]) + "}"
    return str(value)


# --- comparison ---


def equal(left: JsonValue, right: JsonValue) -> bool:
    """Structural equality of type and value: `1 == 1.0`, but `'1' != 1` and `true != 1`."""
    return _equal(left, right, 0)


def _equal(left: Any, right: Any, depth: int) -> bool:
    kind = type(left)
    if kind is str or kind is bool or left is None:
        return type(right) is kind and bool(left == right)
    if kind is int or kind is Decimal:
        return is_number(right) and bool(left == right)
    if depth >= MAX_VALUE_DEPTH:
        raise errors.unexpected_type("a value with less nesting", f"{type_name(left)}: nested too deeply")
    if kind is list:
        return (
            type(right) is list
            and len(left) == len(right)
            and all(_equal(a, b, depth + 1) for a, b in zip(left, right, strict=True))
        )
    if kind is dict:
        return (
            type(right) is dict
            and left.keys() == right.keys()
            and all(_equal(member, right[name], depth + 1) for name, member in left.items())
        )
    return bool(left == right)


def compare(left: JsonValue, right: JsonValue) -> int | None:
    """-1, 0, 1 for two Numbers or two Strings (by UTF-16 code units); None when one is missing; else an error."""
    a: Any
    b: Any
    if type(left) is str and type(right) is str:
        if left.isascii() and right.isascii():
            a, b = left, right
        else:
            a, b = _utf16(left), _utf16(right)
    elif is_number(left) and is_number(right):
        a, b = left, right
    elif left is None or right is None:
        return None
    else:
        raise errors.not_comparable(type_name(left), type_name(right))
    return -1 if a < b else 1 if a > b else 0


def contains(elements: Sequence[JsonValue], value: JsonValue) -> bool:
    return any(equal(element, value) for element in elements)


# --- numbers ---


def number_from_text(text: str) -> Number:
    """A number from decimal text, with its scale. Raises `decimal.DecimalException` beyond the range of exponents."""
    if len(text) < _MAX_INT_DIGITS and "." not in text and "e" not in text and "E" not in text:
        return int(text)
    return _normal(Decimal(text), check_range=True)


def _normal(number: Decimal, check_range: bool = False) -> Number:
    """Scale 0 becomes `int`; there is no negative zero."""
    if check_range and number and not DECIMAL_CONTEXT.Emin <= number.adjusted() <= DECIMAL_CONTEXT.Emax:
        raise decimal.Overflow
    exponent: Any = number.as_tuple().exponent
    if not number:
        return Decimal((0, (0,), max(exponent, DECIMAL_CONTEXT.Emin))) if exponent < 0 else 0
    if exponent < 0 or number.adjusted() >= _MAX_INT_DIGITS:
        return number
    return int(number)


def add(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        result = left + right
        if -_EXACT < result < _EXACT:
            return result
    return _calculated(DECIMAL_CONTEXT.add, left, right)


def subtract(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        result = left - right
        if -_EXACT < result < _EXACT:
            return result
    return _calculated(DECIMAL_CONTEXT.subtract, left, right)


def multiply(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        result = left * right
        if -_EXACT < result < _EXACT:
            return result
    return _calculated(DECIMAL_CONTEXT.multiply, left, right)


def divide(left: Number, right: Number) -> Number:
    if right == 0:
        raise errors.arithmetic_error("Division by zero")
    return _calculated(DECIMAL_CONTEXT.divide, left, right)


def negate(number: Number) -> Number:
    return -number if type(number) is int else _normal(Decimal(number).copy_negate())


def _calculated(operation: Any, left: Number, right: Number) -> Number:
    try:
        return _normal(operation(Decimal(left), Decimal(right)))
    except decimal.Overflow as error:
        raise errors.arithmetic_error("Overflow") from error


# --- strings are counted in UTF-16 code units, as in Java ---


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def substring(text: str, start: int, end: int | None) -> str:
    """From code unit `start` to before `end`; half of a surrogate pair becomes U+FFFD."""
    if text.isascii():
        length = len(text)
        stop = length if end is None else end
        if not 0 <= start <= stop <= length:
            raise errors.substring_out_of_range(start, stop, length)
        return text[start:stop]
    units = _utf16(text)
    length = len(units) // 2
    stop = length if end is None else end
    if not 0 <= start <= stop <= length:
        raise errors.substring_out_of_range(start, stop, length)
    return units[2 * start : 2 * stop].decode("utf-16-be", "replace")
