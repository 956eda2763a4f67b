"""Reads JSON that people write into typed values and collects *all* problems, each with its JSON path.

`parse_json` refuses duplicate keys, deep nesting and trailing text; `Reader.read` then follows the annotations of
`msgspec.Struct` classes. A class can take part in three ways:

- `ALIASES: ClassVar[Mapping[str, str]]`: old member names and what they are called now,
- `prepare(cls, value: dict) -> dict`: rewrite an old form of the whole object (may raise `ProblemError`),
- `read_json(cls, value, path, reader) -> object`: take over completely.

Unknown members are ignored (workflow spec, conventions); `null` counts as absent. Pure.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from stellwerk.language.expressions import (
    Expression,
    Function,
    parse_expression,
    parse_expression_or_function,
    parse_function,
)
from stellwerk.language.positions import check_branch_path, check_position
from stellwerk.values.problems import Problem, ProblemError

MAXIMUM_DEPTH = 200
MAXIMUM_BYTES = 64 * 1024 * 1024


class ReadProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding: where (JSON path like `$.instructions[0].then`) and what; `remedy` says what to do."""

    path: str
    problem: Problem
    remedy: str | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}"
        return f"{text} ({self.remedy})" if self.remedy else text


class ReadError(ProblemError):
    """JSON was refused. `problems` holds every finding; the message names them all."""

    def __init__(self, problems: list[ReadProblem]) -> None:
        self.problems = problems
        if len(problems) == 1 and problems[0].problem.code is not None:
            only = problems[0]
            problem = Problem(
                message=f"{only.problem.message} (at {only.path})",
                code=only.problem.code,
                arguments=only.problem.arguments,
            )
        else:
            problem = Problem(message="JSON DecodingFailure at " + ";\n".join(str(item) for item in problems))
        super().__init__(problem)


class _Invalid:
    """Stands for a value that could not be read; its problem has been recorded."""


INVALID = _Invalid()


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ProblemError(f"JSON object has the member {json.dumps(key)} twice")
        result[key] = value
    return result


def _depth(text: str) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> Any:
    raise ProblemError(f"{name} is not a JSON number")


def parse_json(data: bytes | str) -> Any:
    """Plain values of one JSON text. Raises `ProblemError` saying line and column."""
    if len(data) > MAXIMUM_BYTES:
        raise ProblemError(f"JSON text is longer than {MAXIMUM_BYTES} bytes")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise ProblemError(f"JSON text is not UTF-8: byte {error.start}") from error
    if text.count("[") + text.count("{") > MAXIMUM_DEPTH and _depth(text) > MAXIMUM_DEPTH:
        raise ProblemError(f"JSON is nested deeper than {MAXIMUM_DEPTH} levels")
    try:
        return json.loads(
            text, object_pairs_hook=_refuse_duplicates, parse_float=Decimal, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise ProblemError(f"JSON text is wrong at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:  # an integer with too many digits
        raise ProblemError(f"JSON text is wrong: {error}") from error


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a Boolean"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def milliseconds(seconds: int | Decimal) -> int:
    """A JSON duration (seconds with fraction) in milliseconds, truncated."""
    return int(Decimal(seconds) * 1000)


class DurationMs(int):
    """Annotation for members that are durations in seconds in JSON and milliseconds in memory."""


class _Plan:
    """How to read one struct class: worked out once."""

    def __init__(self, type_: type[msgspec.Struct]) -> None:
        hints = get_type_hints(type_)
        self.fields = [
            (field.name, field.encode_name, hints[field.name], field.required)
            for field in msgspec.structs.fields(type_)
        ]
        self.aliases: Mapping[str, str] = getattr(type_, "ALIASES", {})
        self.prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = getattr(type_, "prepare", None)


_plan = lru_cache(maxsize=None)(_Plan)


class Reader:
    """One reading; `problems` grows, nothing is raised before `result`."""

    def __init__(self) -> None:
        self.problems: list[ReadProblem] = []

    def problem(self, path: str, problem: Problem | str, remedy: str | None = None) -> _Invalid:
        value = Problem(message=problem) if isinstance(problem, str) else problem
        self.problems.append(ReadProblem(path=path, problem=value, remedy=remedy))
        return INVALID

    def read(self, type_: Any, value: Any, path: str) -> Any:
        """The value as `type_`, or INVALID after recording why not."""
        if type_ is Any:
            return value
        if inspect.isclass(type_):
            return self._read_class(type_, value, path)
        origin = get_origin(type_)
        arguments = get_args(type_)
        if origin in (Union, types.UnionType):
            if value is None and type(None) in arguments:
                return None
            remaining = [argument for argument in arguments if argument is not type(None)]
            if len(remaining) == 1:
                return self.read(remaining[0], value, path)
            return self._read_union(remaining, value, path)
        if origin is Literal:
            if value in arguments:
                return value
            return self.problem(path, f"{value!r} is not one of {', '.join(map(str, arguments))}")
        if origin in (tuple, list, frozenset):
            if not isinstance(value, list):
                return self.problem(path, f"an array is expected, but this is {_json_type(value)}")
            items = [self.read(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(value)]
            return INVALID if any(item is INVALID for item in items) else origin(items)
        if origin is dict:
            if not isinstance(value, dict):
                return self.problem(path, f"an object is expected, but this is {_json_type(value)}")
            entries = {
                key: self.read(arguments[1], item, f"{path}.{key}") for key, item in value.items() if item is not None
            }
            return INVALID if any(item is INVALID for item in entries.values()) else entries
        raise TypeError(f"the reader does not know {type_!r}")

    def _read_union(self, alternatives: list[Any], value: Any, path: str) -> Any:
        if isinstance(value, dict) and "TYPE" in value:
            tagged = [item for item in alternatives if inspect.isclass(item) and issubclass(item, msgspec.Struct)]
            for item in tagged:
                if value["TYPE"] == item.__struct_config__.tag or value["TYPE"] in getattr(item, "TAG_ALIASES", ()):
                    return self.read(item, value, path)
            if tagged:
                known = ", ".join(str(item.__struct_config__.tag) for item in tagged)
                return self.problem(f"{path}.TYPE", f"unknown TYPE {value['TYPE']!r}", f"known: {known}")
        for item in alternatives:
            trial = Reader()
            result = trial.read(item, value, path)
            if result is not INVALID:
                return result
        return self.problem(path, f"{_json_type(value)} is not accepted here")

    def _read_class(self, type_: type[Any], value: Any, path: str) -> Any:
        custom = getattr(type_, "read_json", None)
        if custom is not None:
            return custom(value, path, self)
        if type_ in _SCALARS:
            try:
                return _SCALARS[type_](value)
            except ProblemError as error:
                return self.problem(path, error.problem)
        if issubclass(type_, msgspec.Struct):
            return self.read_struct(type_, value, path)
        raise TypeError(f"the reader does not know {type_!r}")

    def read_struct(self, type_: type[msgspec.Struct], value: Any, path: str) -> Any:
        """Read one object by its annotations, without a look at `read_json`."""
        if not isinstance(value, dict):
            return self.problem(path, f"an object is expected, but this is {_json_type(value)}")
        plan = _plan(type_)
        if plan.prepare is not None:
            try:
                value = plan.prepare(value)
            except ProblemError as error:
                return self.problem(path, error.problem)
        for old, new in plan.aliases.items():
            if old in value and value.get(new) is None:
                value = {**value, new: value[old]}
        members: dict[str, Any] = {}
        is_valid = True
        for name, json_name, hint, is_required in plan.fields:
            member = value.get(json_name)
            if member is None:
                if is_required:
                    self.problem(path, f"member {json_name!r} is missing")
                    is_valid = False
                continue
            result = self.read(hint, member, f"{path}.{json_name}")
            if result is INVALID:
                is_valid = False
            else:
                members[name] = result
        return type_(**members) if is_valid else INVALID

    def result(self, value: Any) -> Any:
        """The value, or `ReadError` with everything found."""
        if self.problems:
            raise ReadError(self.problems)
        return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ProblemError(f"a string is expected, but this is {_json_type(value)}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProblemError(f"true or false is expected, but this is {_json_type(value)}")
    return value


def _integer(value: Any) -> int:
    if is_number(value) and value == int(value):
        return int(value)
    raise ProblemError(f"an integer is expected, but this is {_json_type(value)}: {value}")


def _decimal(value: Any) -> Decimal:
    if not is_number(value):
        raise ProblemError(f"a number is expected, but this is {_json_type(value)}")
    return Decimal(value)


def _duration(value: Any) -> int:
    if not is_number(value):
        raise ProblemError(f"a number of seconds is expected, but this is {_json_type(value)}")
    try:
        return milliseconds(value)
    except (InvalidOperation, OverflowError) as error:
        raise ProblemError(f"not a valid duration: {value}") from error


def _expression(value: Any) -> Expression:
    return parse_expression(_string(value))


def _function(value: Any) -> Function:
    return parse_function(_string(value))


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    str: _string,
    bool: _boolean,
    int: _integer,
    Decimal: _decimal,
    DurationMs: _duration,
    Expression: _expression,
    Function: _function,
}


class PositionValue(tuple[int | str, ...]):
    """Annotation for members that hold a position."""

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        try:
            return check_position(value)
        except ProblemError as error:
            return reader.problem(path, error.problem)


class BranchPathValue(tuple[int | str, ...]):
    """Annotation for members that hold the path of a block."""

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        try:
            return check_branch_path(value)
        except ProblemError as error:
            return reader.problem(path, error.problem)


def read(type_: Any, data: bytes | str) -> Any:
    """Parse and read one JSON text. Raises `ReadError` or `ProblemError`."""
    reader = Reader()
    return reader.result(reader.read(type_, parse_json(data), "$"))


__all__ = [
    "INVALID",
    "BranchPathValue",
    "DurationMs",
    "PositionValue",
    "ReadError",
    "ReadProblem",
    "Reader",
    "parse_expression_or_function",
    "parse_json",
    "read",
]
