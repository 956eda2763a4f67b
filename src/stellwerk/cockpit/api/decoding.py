"""The lenient reader of request bodies (cockpit-api 1.1): one decoder for every endpoint.

`first_json_value(body)` reads the first JSON value and ignores what follows it; duplicate keys, NaN and text that is no
Unicode are refused. `Reader(type)` turns plain values into structs with loose types: numbers and booleans may be
strings, a scalar stands for a list with one element, null is as absent, unknown members are ignored. What is wrong is
said with its JSON path. Values of open types (`Any`, `object`) are passed through untouched; numbers in them are `int`
or `Decimal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect as types

T = TypeVar("T")
Convert = Callable[[Any, str], Any]


class RequestError(Exception):
    """The request cannot be read: becomes status 420 with code JOC-420."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RequestError(f"JsonException: duplicate key {name!r}; give each member once")
            seen.add(name)
    return result


def _refuse_constant(name: str) -> Any:
    raise RequestError(f"JsonException: {name} is not a JSON value")


_json = json.JSONDecoder(object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse_constant)
_blank = re.compile(r"[ \t\r\n\ufeff]*")
_surrogate = re.compile("[\ud800-\udfff]")


def first_json_value(body: bytes) -> Any:
    """The first JSON value of `body`; `{}` if there is none."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"JsonException: the body is not UTF-8 at byte {error.start}") from None
    start = _blank.match(text).end()  # type: ignore[union-attr]  # matches the empty string, too
    if start == len(text):
        return {}
    try:
        value, _ = _json.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise RequestError(f"JsonException: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise RequestError("JsonException: the value is nested too deeply") from None
    except ValueError as error:
        raise RequestError(f"JsonException: {error}") from None
    if "\\u" in text and _has_surrogate(value):
        raise RequestError("JsonException: an escape stands for half a character (unpaired surrogate)")
    return value


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return _surrogate.search(value) is not None
    if isinstance(value, dict):
        return any(_has_surrogate(name) or _has_surrogate(member) for name, member in value.items())
    if isinstance(value, list):
        return any(_has_surrogate(element) for element in value)
    return False


class Reader(Generic[T]):
    """Compiled once per type; `read(plain)` gives the struct or raises `RequestError` with the path of the fault."""

    def __init__(self, type_: type[T]) -> None:
        self._convert = _Compiler().compile(types.type_info(type_))

    def read(self, plain: Any) -> T:
        result: T = self._convert(plain, "$")
        return result


class _Compiler:
    """From msgspec's description of a type to a converter; recursive structs are closed over by name."""

    def __init__(self) -> None:
        self._structs: dict[type, Convert] = {}

    def compile(self, info: types.Type) -> Convert:
        if isinstance(info, types.Metadata):
            return self.compile(info.type)
        if isinstance(info, types.StructType):
            return self._struct(info)
        if isinstance(info, types.UnionType):
            return self._union(info)
        if isinstance(info, types.ListType | types.VarTupleType | types.SetType | types.FrozenSetType):
            return self._list(info)
        if isinstance(info, types.DictType):
            return self._dict(info)
        if isinstance(info, types.AnyType | types.RawType):
            return lambda value, path: value
        return _scalar(info)

    def _struct(self, info: types.StructType) -> Convert:
        if info.cls in self._structs:
            return lambda value, path: self._structs[info.cls](value, path)
        self._structs[info.cls] = _not_ready
        cls = info.cls
        fields = [(field.encode_name, field.name, field.required, self.compile(field.type)) for field in info.fields]

        def convert(value: Any, path: str) -> Any:
            if not isinstance(value, dict):
                raise _mismatch(path, value, "object")
            arguments: dict[str, Any] = {}
            for json_name, name, required, read in fields:
                member = value.get(json_name)
                if member is not None:
                    arguments[name] = read(member, f"{path}.{json_name}")
                elif required:
                    raise RequestError(f"SOSJsonSchemaException: {path}.{json_name}: is missing but it is required")
            return cls(**arguments)

        self._structs[cls] = convert
        return convert

    def _union(self, info: types.UnionType) -> Convert:
        members = [member for member in info.types if not isinstance(member, types.NoneType)]
        converters = [self.compile(member) for member in members]
        if len(converters) == 1:
            return converters[0]

        def convert(value: Any, path: str) -> Any:
            # The member whose JSON kind fits comes first, so that "5" stays text where text is allowed.
            ranked = sorted(zip(members, converters, strict=True), key=lambda pair: not _fits(pair[0], value))
            problem: RequestError | None = None
            for _, read in ranked:
                try:
                    return read(value, path)
                except RequestError as error:
                    problem = problem or error
            raise problem or _mismatch(path, value, "value")

        return convert

    def _list(self, info: Any) -> Convert:
        element = self.compile(info.item_type)
        build = {types.VarTupleType: tuple, types.SetType: set, types.FrozenSetType: frozenset}.get(type(info), list)
        minimum, maximum = info.min_length, info.max_length

        def convert(value: Any, path: str) -> Any:
            values = value if isinstance(value, list) else [value]
            if minimum is not None and len(values) < minimum:
                raise RequestError(f"SOSJsonSchemaException: {path}: there must be a minimum of {minimum} items")
            if maximum is not None and len(values) > maximum:
                raise RequestError(f"SOSJsonSchemaException: {path}: there must be a maximum of {maximum} items")
            return build(
                element(member, f"{path}[{index}]") for index, member in enumerate(values) if member is not None
            )

        return convert

    def _dict(self, info: Any) -> Convert:
        key = self.compile(info.key_type)
        member = self.compile(info.value_type)

        def convert(value: Any, path: str) -> Any:
            if not isinstance(value, dict):
                raise _mismatch(path, value, "object")
            return {
                key(name, path): member(inner, f"{path}.{name}") for name, inner in value.items() if inner is not None
            }

        return convert


def _not_ready(value: Any, path: str) -> Any:
    raise AssertionError("a recursive struct is used before it is compiled")


def _scalar(info: types.Type) -> Convert:
    """Text, numbers, booleans, enums, literals: msgspec converts and checks constraints."""
    target: Any = _python_type(info)
    name = _json_kind(info)
    accepts_text_of_scalars = isinstance(info, types.StrType)

    def convert(value: Any, path: str) -> Any:
        if isinstance(value, dict | list):
            raise _mismatch(path, value, name)
        if accepts_text_of_scalars and not isinstance(value, str):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            converted = msgspec.convert(value, target, strict=False)
        except msgspec.ValidationError as error:
            raise RequestError(f"SOSJsonSchemaException: {path}: {_lower(str(error))}") from None
        # What no database takes: larger numbers, and in texts of PostgreSQL the character NUL.
        if type(converted) is int and not -(2**63) <= converted < 2**63:
            raise RequestError(f"SOSJsonSchemaException: {path}: the number has more than 64 bits")
        if type(converted) is str and "\0" in converted:
            raise RequestError(f"SOSJsonSchemaException: {path}: the text holds the character NUL")
        return converted

    return convert


def _python_type(info: types.Type) -> Any:
    from typing import Annotated, Literal

    constraints = {
        name: getattr(info, name)
        for name in ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
        if getattr(info, name, None) is not None
    }
    base: Any
    if isinstance(info, types.StrType):
        base = str
    elif isinstance(info, types.IntType):
        base = int
    elif isinstance(info, types.FloatType):
        base = float
    elif isinstance(info, types.BoolType):
        return bool
    elif isinstance(info, types.DecimalType):
        return Decimal
    elif isinstance(info, types.EnumType):
        return info.cls
    elif isinstance(info, types.LiteralType):
        return Literal[tuple(info.values)]
    else:
        raise TypeError(f"request types must not contain {type(info).__name__}")
    return Annotated[base, msgspec.Meta(**constraints)] if constraints else base


def _json_kind(info: types.Type) -> str:
    kinds: dict[type, str] = {
        types.StrType: "string",
        types.IntType: "integer",
        types.FloatType: "number",
        types.DecimalType: "number",
        types.BoolType: "boolean",
    }
    return kinds.get(type(info), "string")


def _fits(info: types.Type, value: Any) -> bool:
    if isinstance(value, bool):
        return isinstance(info, types.BoolType)
    if isinstance(value, int):
        return isinstance(info, types.IntType | types.DecimalType)
    if isinstance(value, Decimal):
        return isinstance(info, types.FloatType | types.DecimalType)
    if isinstance(value, str):
        return isinstance(info, types.StrType | types.EnumType | types.LiteralType)
    if isinstance(value, list):
        return isinstance(info, types.ListType)
    return isinstance(info, types.StructType | types.DictType)


def _mismatch(path: str, value: Any, expected: str) -> RequestError:
    found = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", Decimal: "number"}
    return RequestError(f"SOSJsonSchemaException: {path}: {found[type(value)]} found, {expected} expected")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
