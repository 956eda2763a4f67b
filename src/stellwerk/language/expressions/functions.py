"""Function calls and symbols (workflow spec 6.6).

Three tables: `FIXED_FUNCTIONS` are pure and their number of arguments is checked by the parser; `SCOPED_FUNCTIONS`
read the scope and check their arguments when they are evaluated; `_FUNCTIONS_OF_SCOPES` are passed on to the scope.
A name without arguments that is in no table is a symbol of the scope, as `tryCount` and `tryCount()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from stellwerk.language.expressions import errors, java_dates
from stellwerk.language.expressions.expression import Expression
from stellwerk.language.expressions.identifiers import KEYWORDS, quote_identifier
from stellwerk.language.expressions.java_date_elements import DateFormatError
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.expressions.names import job_resource_value
from stellwerk.language.expressions.nodes import Constant
from stellwerk.language.expressions.scope import Scope
from stellwerk.language.expressions.values import (
    as_integer,
    as_number,
    as_string,
    soft_string,
    substring,
    to_boolean,
    to_number,
    to_string,
)
from stellwerk.values.json import JsonValue

#: Symbols that may stand without parentheses (workflow spec 6.2).
SYMBOLS: Final = frozenset(
    {
        "controllerId",
        "job",
        "label",
        "maxTries",
        "orderId",
        "timedOut",
        "tryCount",
        "workflow",
        "workflowPath",
        "workflowPosition",
    }
)

_FUNCTIONS_OF_SCOPES: Final = frozenset({"toFile", "subagentIds", "uniqueOrderId"})


class Argument(NamedTuple):
    """An argument as written: positional, or `keyword=value`."""

    keyword: str | None
    value: Expression


# --- functions with a fixed number of arguments ---

Operands: TypeAlias = Sequence[Expression]


def _mk_string(scope: Scope, arguments: Operands) -> JsonValue:
    value = arguments[0].evaluate(scope)
    return "".join([to_string(element) for element in value]) if type(value) is list else to_string(value)


def _strings(scope: Scope, arguments: Operands) -> list[str] | None:
    """The arguments as Strings, one after the other; None as soon as one is missing."""
    result: list[str] = []
    for argument in arguments:
        value = argument.evaluate(scope)
        if value is None:
            return None
        result.append(as_string(value))
    return result


def _strip_margin(scope: Scope, arguments: Operands) -> JsonValue:
    strings = _strings(scope, arguments)
    return None if strings is None else "\n".join([_without_margin(line) for line in strings[0].split("\n")])


def _without_margin(line: str) -> str:
    head, bar, tail = line.partition("|")
    return tail if bar and all(character <= " " for character in head) else line


def _replace_all(scope: Scope, arguments: Operands) -> JsonValue:
    strings = _strings(scope, arguments)
    return None if strings is None else java_regex(strings[1]).replace_all(strings[0], strings[2])


def _match(scope: Scope, arguments: Operands) -> JsonValue:
    strings = _strings(scope, arguments)
    return None if strings is None else java_regex(strings[1]).match_expanded(strings[0], strings[2])


def _substring(scope: Scope, arguments: Operands) -> JsonValue:
    strings = _strings(scope, arguments[:1])
    if strings is None:
        return None
    indices: list[int] = []
    for argument in arguments[1:]:
        value = argument.evaluate(scope)
        if value is None:
            return None
        indices.append(as_integer(value))
    return substring(strings[0], indices[0], indices[1] if len(indices) > 1 else None)


def _extremum(take_first: Callable[[JsonValue, JsonValue], bool]) -> Callable[[Scope, Operands], JsonValue]:
    def evaluate(scope: Scope, arguments: Operands) -> JsonValue:
        left, right = arguments[0].evaluate(scope), arguments[1].evaluate(scope)
        if left is None:
            return None
        left = as_number(left)
        if right is None:
            return None
        right = as_number(right)
        return left if take_first(left, right) else right

    return evaluate


class FixedFunction(NamedTuple):
    minimum: int
    maximum: int
    evaluate: Callable[[Scope, Operands], JsonValue]
    is_pure: bool = True


FIXED_FUNCTIONS: Final[dict[str, FixedFunction]] = {
    "toNumber": FixedFunction(1, 1, lambda scope, arguments: to_number(arguments[0].evaluate(scope))),
    "toBoolean": FixedFunction(1, 1, lambda scope, arguments: to_boolean(arguments[0].evaluate(scope))),
    "mkString": FixedFunction(1, 1, _mk_string),
    "stripMargin": FixedFunction(1, 1, _strip_margin),
    "replaceAll": FixedFunction(3, 3, _replace_all),
    "match": FixedFunction(3, 3, _match),
    "substring": FixedFunction(2, 3, _substring),
    "min": FixedFunction(2, 2, _extremum(lambda left, right: left <= right)),  # type: ignore[operator]
    "max": FixedFunction(2, 2, _extremum(lambda left, right: left >= right)),  # type: ignore[operator]
    "impure": FixedFunction(1, 1, lambda scope, arguments: arguments[0].evaluate(scope), is_pure=False),
}


class FixedCall(Expression):
    """A call of one of `FIXED_FUNCTIONS`; the parser has checked the number of arguments."""

    __slots__ = ("_evaluate", "arguments", "name")

    def __init__(self, name: str, arguments: Sequence[Expression]) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        function = FIXED_FUNCTIONS[name]
        self._evaluate = function.evaluate
        super().__init__(is_pure=None if function.is_pure else False)

    def children(self) -> Sequence[Expression]:
        return self.arguments

    def evaluate(self, scope: Scope) -> JsonValue:
        return self._evaluate(scope, self.arguments)

    def write(self, out: list[str]) -> None:
        _write_call(out, self.name, [Argument(None, argument) for argument in self.arguments])


# --- functions that read the scope ---

#: Arguments in the order of the signature; None where an optional one is not given.
Bound: TypeAlias = Sequence[Expression | None]


def _evaluate_given(expression: Expression | None, scope: Scope) -> JsonValue:
    """The value of a required argument: the binding guarantees that it is there."""
    assert expression is not None
    return expression.evaluate(scope)


def _env(scope: Scope, arguments: Bound) -> JsonValue:
    if scope.environment is None:
        raise errors.unknown_function("env")
    name = _evaluate_given(arguments[0], scope)
    if name is None:
        return None
    value = scope.environment.get(as_string(name))
    if value is not None:
        return value
    if arguments[1] is None:
        raise errors.unknown_key("EnvironmentVariable", as_string(name))
    return soft_string(arguments[1].evaluate(scope))


def _formatted(function: str, epoch_ms: int | None, scope: Scope, arguments: Bound) -> JsonValue:
    """The time in the format and zone of the arguments; no time is the empty string."""
    pattern = _evaluate_given(arguments[0], scope)
    zone = "" if arguments[1] is None else arguments[1].evaluate(scope)
    if pattern is None or zone is None:
        return None
    pattern, zone = as_string(pattern), as_string(zone)
    if epoch_ms is None:
        return ""
    try:
        return java_dates.format_instant(epoch_ms, pattern, zone or scope.zone)
    except DateFormatError as error:
        raise errors.invalid_arguments(function, f"{pattern}, {zone}: {error}") from error


def _now(scope: Scope, arguments: Bound) -> JsonValue:
    if scope.now_ms is None:
        raise errors.unknown_function("now")
    return _formatted("now", scope.now_ms, scope, arguments)


def _scheduled_or_empty(scope: Scope, arguments: Bound) -> JsonValue:
    if not scope.has_schedule:
        raise errors.unknown_function("scheduledOrEmpty")
    return _formatted("scheduledOrEmpty", scope.scheduled_for_ms, scope, arguments)


def _job_resource_variables(scope: Scope, arguments: Bound) -> JsonValue:
    path = _evaluate_given(arguments[0], scope)
    return None if path is None else job_resource_value(scope, as_string(path), None)


def _job_resource_variable(scope: Scope, arguments: Bound) -> JsonValue:
    path = _evaluate_given(arguments[0], scope)
    name = _evaluate_given(arguments[1], scope)
    return None if path is None or name is None else job_resource_value(scope, as_string(path), as_string(name))


class ScopedFunction(NamedTuple):
    """Parameters by name, in order; those from `required` on are optional."""

    parameters: tuple[str, ...]
    required: int
    evaluate: Callable[[Scope, Bound], JsonValue]

    def bind(self, arguments: Sequence[Argument]) -> Bound | None:
        """Arguments in the order of the parameters, by position or by the right name; None if they do not fit."""
        if not self.required <= len(arguments) <= len(self.parameters):
            return None
        if any(a.keyword not in (None, p) for a, p in zip(arguments, self.parameters, strict=False)):
            return None
        return [a.value for a in arguments] + [None] * (len(self.parameters) - len(arguments))


SCOPED_FUNCTIONS: Final[dict[str, ScopedFunction]] = {
    "env": ScopedFunction(("name", "default"), 1, _env),
    "now": ScopedFunction(("format", "timezone"), 1, _now),
    "scheduledOrEmpty": ScopedFunction(("format", "timezone"), 1, _scheduled_or_empty),
    "jobResourceVariable": ScopedFunction(("path", "name"), 2, _job_resource_variable),
    "jobResourceVariables": ScopedFunction(("path",), 1, _job_resource_variables),
}


class FunctionCall(Expression):
    """`name(…)`, or a symbol without parentheses (`arguments` None)."""

    __slots__ = ("_bound", "_function", "arguments", "name")

    def __init__(self, name: str, arguments: Sequence[Argument] | None) -> None:
        self.name = name
        self.arguments = None if arguments is None else tuple(arguments)
        self._function = SCOPED_FUNCTIONS.get(name)
        self._bound = None if self._function is None else self._function.bind(arguments or ())
        super().__init__(is_pure=False)

    def children(self) -> Sequence[Expression]:
        return [argument.value for argument in self.arguments or ()]

    def own_job_resource_path(self) -> str | None:
        if self.name in ("jobResourceVariable", "jobResourceVariables") and self._bound is not None:
            path = self._bound[0]
            if isinstance(path, Constant) and isinstance(path.value, str):
                return path.value
        return None

    def absorbs(self, suffix: str) -> bool:
        return suffix == "(" and self.arguments is None

    def evaluate(self, scope: Scope) -> JsonValue:
        if self._function is not None:
            if self._bound is None:
                raise errors.invalid_arguments(self.name, self._arguments_text())
            return self._function.evaluate(scope, self._bound)
        if not self.arguments:
            try:
                return scope.symbol(self.name)
            except KeyError:
                pass  # No symbol: a function of the scope, or unknown.
        if self.name not in _FUNCTIONS_OF_SCOPES:
            raise errors.unknown_function(self.name)
        positional: list[JsonValue] = []
        keywords: dict[str, JsonValue] = {}
        for keyword, expression in self.arguments or ():
            if keyword is None and not keywords:
                positional.append(expression.evaluate(scope))
            elif keyword is not None and keyword not in keywords:
                keywords[keyword] = expression.evaluate(scope)
            else:
                raise errors.invalid_arguments(self.name, self._arguments_text())
        return scope.function(self.name, positional, keywords)

    def _arguments_text(self) -> str:
        out: list[str] = []
        _write_arguments(out, self.arguments or ())
        return "".join(out)

    def write(self, out: list[str]) -> None:
        if self.arguments is None:
            out.append(quote_identifier(self.name))
        else:
            _write_call(out, self.name, self.arguments)


def _write_arguments(out: list[str], arguments: Sequence[Argument]) -> None:
    for index, (keyword, value) in enumerate(arguments):
        if index:
            out.append(", ")
        if keyword is not None:
            out.append(quote_identifier(keyword) + "=")
        value.write(out)


def _write_call(out: list[str], name: str, arguments: Sequence[Argument]) -> None:
    out.append(quote_identifier(name, always=name in KEYWORDS) + "(")
    _write_arguments(out, arguments)
    out.append(")")


#: What each function and symbol is for; the reference page is made of it (workflow spec 6.6).
TEXTS: Final[dict[str, str]] = {
    "toNumber": "`toNumber(x)`: a String that holds a number, or a Boolean (1 or 0), as Number",
    "toBoolean": "`toBoolean(x)`: the Strings `true` and `false`, or the Numbers 1 and 0, as Boolean",
    "mkString": "`mkString(x)`: a List's elements as one String without separator; another value as String",
    "stripMargin": "`stripMargin(s)`: each line without its white space up to and including `|`",
    "replaceAll": "`replaceAll(s, regex, replacement)`: all matches replaced; `$1` is the first group",
    "match": "`match(s, regex, replacement)`: the replacement, if the whole String matches; else an error",
    "substring": "`substring(s, start)`, `substring(s, start, end)`: a part, counted from 0",
    "min": "`min(a, b)`: the smaller Number",
    "max": "`max(a, b)`: the greater Number",
    "impure": "`impure(x)`: x, evaluated anew each time (for tests)",
    "env": "`env(name)`, `env(name, default)`: environment variable of the process that evaluates",
    "now": "`now(format)`, `now(format, timezone)`: the present time; the format is a Java date-time pattern",
    "scheduledOrEmpty": "`scheduledOrEmpty(format)`, `…(format, timezone)`: when the order is scheduled, or an empty"
    " String",
    "jobResourceVariable": "`jobResourceVariable(path, name)`: a variable of a job resource",
    "jobResourceVariables": "`jobResourceVariables(path)`: all variables of a job resource as Object",
    "toFile": "`toFile(content)`, `toFile(content, filename)`: writes a temporary file and gives its path; in a job's"
    " environment and arguments only",
    "subagentIds": "`subagentIds()`, `subagentIds(bundle)`: ids of the Agent's Subagents; in ForkList at an Agent only",
    "uniqueOrderId": "`uniqueOrderId(pattern)`: the first order id that is free, numbered by `%d` or `%05d`; in"
    " AddOrder only",
    "controllerId": "the Controller's id",
    "job": "the job, in a job's expressions",
    "label": "the label of the instruction, or an empty String",
    "maxTries": "`maxTries` of the Try around",
    "orderId": "the order's id",
    "timedOut": "has the last job been timed out?",
    "tryCount": "number of the try, from 1; 0 outside of Try",
    "workflow": "Object with the workflow's `timezone`",
    "workflowPath": "the workflow's path",
    "workflowPosition": "workflow, version and position",
}
