"""Evaluation: the specification's vectors (6.8), scopes, functions, purity, limits (workflow spec 5.4, 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from stellwerk.language.expressions import (
    ChildScope,
    Expression,
    ExpressionError,
    FunctionValue,
    Scope,
    as_boolean,
    as_duration_ms,
    as_integer,
    is_expression,
    parse_expression,
    parse_expression_or_function,
    parse_function,
    to_string,
    type_name,
)
from stellwerk.values.json import JsonValue


class OrderScope(Scope):
    """An order as in the specification's vectors."""

    now_ms = 1_700_000_000_000
    environment: Mapping[str, str] = {"HOME": "/home"}

    def __init__(self) -> None:
        self.calls: list[tuple[str, Sequence[JsonValue], Mapping[str, JsonValue]]] = []

    def named(self, name: str) -> JsonValue:
        values: dict[str, JsonValue] = {
            "s": "AA",
            "n": 7,
            "b": True,
            "o": {"f": {"a": 1}},
            "returnCode": 1,
            "l": ["A", "B"],
        }
        return values[name]

    def symbol(self, name: str) -> JsonValue:
        symbols: dict[str, JsonValue] = {"orderId": "#2024-12-03#X", "tryCount": 1}
        return symbols[name]

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        variables = {"v": "'V'", "x-y": "1", "order": "orderId", "named": "$s", "other": "JobResource:R:v"}
        return {"R": {name: parse_expression(text) for name, text in variables.items()}}[path]

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        self.calls.append((name, positional, keywords))
        return "called"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+7", 7),
        ("-7", -7),
        ("-(-1)", 1),
        (r"'a\x'", r"a\x"),
        ('"-->$s${b}$(missing)$(100 + $n)<--"', "-->AAtrue107<--"),
        ('"${o.f.a}-$n"', "1-7"),
        ("$o.f.a + 3", 4),
        ("$l(1)", "B"),
        ("[1, missing, 'x']", [1, None, "x"]),
        ("variable(missing)", None),
        ("argument(missing)", None),
        ('variable("UNKNOWN", default="D")', "D"),
        ("toNumber('123')", 123),
        ("toNumber(true)", 1),
        ("toNumber(missing)", None),
        ('mkString([7, "-", missing, true])', "7-true"),
        ("error('E') ?", None),
        ("error('E') ? 7 + 3", 10),
        ("6 / 3?", 2),
        ("(1 / 0)?", None),
        ("(1 / 0) ? -1", -1),
        ("$u1 ? $u2 ?", None),
        ("'1' == 1", False),
        ("missing == missing", True),
        ("missing != 1", True),
        ("missing <= 1", None),
        ("'A' < 'B'", True),
        ("missing * 7", None),
        ("'->' ++ $returnCode ++ '<-'", "->1<-"),
        ("'->' ++ missing", None),
        ("$n in [1, 7]", True),
        ("'AB' matches 'A.*'", True),
        ('missing matches ""', True),
        ("!false", True),
        ("! (!true)", True),
        ("if $b then 1 else error('x')", 1),
        ("match(orderId, '#([0-9-]+)#.*', '$1')", "2024-12-03"),
        (r"replaceAll('a.b.c', '\.', '-')", "a-b-c"),
        ("substring('Hello', 1, 3)", "el"),
        ("JobResource:R:v", "V"),
        ("JobResource:R:`x-y`", 1),
        # more
        ("jobResourceVariable('R', 'v')", "V"),
        ("JobResource:R:order", "#2024-12-03#X"),
        ("$js7EpochMilli / 1000 == $js7EpochSecond", True),
        ("now(format='yyyy-MM-dd', timezone=\"\")", "2023-11-14"),
        ("scheduledOrEmpty('yyyy')", ""),
        ("env('HOME')", "/home"),
        ("env('NONE', 7)", "7"),
        ("tryCount() + tryCount", 2),
        ("1 == true", False),
        ("true in [1]", False),
        ("{a: 1, b: [true]} == {b: [true], a: 1.0}", True),
        ("{a: true} == {a: 1}", False),
        ("[1] ++ ['a']", [1, "a"]),
        ("/* a */ 1 // b\n + /* c */ 2", 3),
        ("if false then 1 else if false then 2 else if true then 3 else 4", 3),
    ],
)
def test_vectors_of_the_specification(text: str, expected: JsonValue) -> None:
    value = parse_expression(text).evaluate(OrderScope())
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("$l(2)", "index", "Index 2 out of range 0...1"),
        ("[1, error('E')]", "user-error", "ErrorInExpression: E"),
        ("toBoolean('x')", "type", "UnexpectedValueType: "),
        ("'A' < 1", "not-comparable", "String and Number are not comparable"),
        ("missing * error('E')", "user-error", "E"),
        ('$returnCode + "3"', "type", "UnexpectedValueType: "),
        ("unknown(1)", "unknown-function", "Unknown function: unknown"),
        ("unknown(error('x'))", "unknown-function", "Unknown function: unknown"),
        ("label", "unknown-function", "Unknown function: label"),
        ("$u", "unknown-name", "No such named value: u"),
        ("argument('u')", "unknown-name", "No such order argument: u"),
        ("variable('k', label=L)", "unknown-name", "at label L did not return a named value 'k'"),
        ("variable('k', job=J)", "unknown-name", "Last execution of job 'J' did not return a named value 'k'"),
        ("$o.x", "unknown-name", "UnknownNameInExpression: "),
        ("JobResource:R:u", "unknown-name", "UnknownNameInExpression: "),
        ("JobResource:U", "unknown-key", "UnknownKey: "),
        ("JobResource:R:named", "unknown-name", "No such named value: s"),
        ("JobResource:R:other", "job-resource", "Job resources are not accessible"),
        ("env('U')", "unknown-key", "UnknownKey: "),
        ("env()", "invalid-arguments", "InvalidFunctionArguments: "),
        ("now(timezone='UTC', format='yyyy')", "invalid-arguments", "InvalidFunctionArguments: "),
        ("now('yyyy', 'Nowhere')", "invalid-arguments", "Unknown time zone"),
        ("now('bbb')", "invalid-arguments", "Pattern letter"),
        ("$l(0.5)", "arithmetic", "Not an integer: 0.5"),
        ("$l(99999999999)", "arithmetic", "out of range"),
        ("toNumber('1e9999')", "conversion", "Not a valid number: 1e9999"),
        ("substring('ab', 2, 1)", "range", "out of range"),
        ("[1] in 1", "type", "Expected a value of type List, but got Number: 1"),
    ],
)
def test_errors_of_the_evaluation(text: str, kind: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text).evaluate(OrderScope())
    assert caught.value.kind == kind
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["env('A')", "now('yyyy')", "JobResource:R", "orderId", "toFile('x')", "$js7EpochMilli"]
)
def test_the_empty_scope_knows_nothing(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text).evaluate(Scope())
    assert caught.value.kind in ("unknown-function", "job-resource", "unknown-name")


def test_functions_of_the_scope_get_their_arguments() -> None:
    scope = OrderScope()
    assert parse_expression("toFile($s, filename='*.txt')").evaluate(scope) == "called"
    assert scope.calls == [("toFile", ["AA"], {"filename": "*.txt"})]


def test_function_parameters_hide_names_of_the_scope() -> None:
    function = parse_function("(n, m) => $n * 10 + $m + $returnCode")
    assert function.parameter_count == 2
    assert function.call([2, 3], OrderScope()) == 24
    assert ChildScope(OrderScope(), {"x": 1}).now_ms == OrderScope.now_ms


def test_a_function_literal_evaluates_to_a_function() -> None:
    value: Any = parse_expression_or_function("x => $x + 1").evaluate(Scope())
    assert (type_name(value), to_string(value)) == ("Function", "x => $x + 1")
    assert isinstance(value, FunctionValue)
    assert value.call([1]) == 2
    assert not is_expression("x => $x + 1")


@pytest.mark.parametrize(
    "text", ["1", "1 + 2", "toNumber('1')", "[1, {a: 'x'}]", "!$x", "error($x)", "if true then 1 else 2"]
)
def test_pure_expressions(text: str) -> None:
    assert parse_expression(text).is_pure


@pytest.mark.parametrize(
    "text", ["$x", "orderId", "now('yyyy')", "JobResource:R", "argument('x')", "!($x == 1)", "impure(1)", "f()", '"$x"']
)
def test_impure_expressions(text: str) -> None:
    assert not parse_expression(text).is_pure


def test_constants() -> None:
    for text, value in (
        ("1.50", Decimal("1.50")),
        ("'a'", "a"),
        ("missing", None),
        ("[1, {a: true}]", [1, {"a": True}]),
    ):
        expression = parse_expression(text)
        assert expression.is_constant
        assert expression.constant == value
    for text in ("1 + 2", "$x", "[$x]", '"$x"'):
        assert not parse_expression(text).is_constant
        assert parse_expression(text).constant is None


def test_a_constant_list_is_a_new_one_each_time() -> None:
    expression = parse_expression("[1]")
    first: Any = expression.constant
    first.append(2)
    assert expression.constant == [1]


def test_job_resources_that_are_named_in_the_text() -> None:
    text = "[JobResource:A:x, if $b then jobResourceVariables('B/c') else jobResourceVariable($name, 'v')]"
    assert parse_expression(text).job_resource_paths() == {"A", "B/c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'v' ++ 1.50", "v1.50"),
        ('"$(1.50 + 1)"', "2.50"),
        ('"$(2.0 / 1.0)"', "2"),
        ('"$(1 / 3)"', "0.3333333333333333333333333333333333"),
        ('"$(12345678901234567890123456789012345 + 1)"', "12345678901234567890123456789012350"),
        ("\"$(toNumber('1e3'))\"", "1000"),
        ("\"$(toNumber('1e-7'))\"", "0.0000001"),
        ('"$(0 * -1.0)"', "0.0"),
        ('"$(-(0))"', "0"),
    ],
)
def test_numbers_keep_their_scale(text: str, expected: str) -> None:
    assert parse_expression(text).evaluate(Scope()) == expected


def test_numbers_beyond_the_range_are_errors() -> None:
    with pytest.raises(ExpressionError, match="Overflow") as caught:
        parse_expression("toNumber('1e6000') * toNumber('1e6000')").evaluate(Scope())
    assert caught.value.kind == "arithmetic"
    with pytest.raises(ExpressionError, match="Number is out of range"):
        parse_expression("1" * 7000)
    assert parse_expression("1" * 5000).canonical() == "1" * 5000


def test_strings_are_counted_and_ordered_by_utf_16_code_units() -> None:
    assert parse_expression("substring('a😀b', 3)").evaluate(Scope()) == "b"
    assert parse_expression("substring('a😀b', 0, 2)").evaluate(Scope()) == "a\ufffd"
    assert parse_expression("'😀' < '\uffee'").evaluate(Scope()) is True


def test_long_strings_within_lists_are_cut() -> None:
    assert to_string(["x" * 201]) == "['" + "x" * 200 + "…']"
    assert to_string("x" * 201) == "x" * 201


def test_strip_margin_keeps_lines_without_bar() -> None:
    assert parse_expression("stripMargin('  |a\n b|\n\t|c|\n')").evaluate(Scope()) == "a\n b|\nc|\n"


def test_strict_conversions() -> None:
    assert as_boolean(True) is True
    assert as_integer(Decimal("3.0")) == 3
    assert as_duration_ms(Decimal("1.0019")) == 1001
    assert as_duration_ms(Decimal("-1.0019")) == -1001
    with pytest.raises(ExpressionError) as caught:
        as_boolean(None)
    assert caught.value.problem.code == "UnexpectedValueType"
    assert caught.value.problem.arguments == {"expectedType": "Boolean", "value": "Missing: missing"}
    with pytest.raises(ExpressionError):
        as_boolean(1)


def test_deeply_nested_values_are_refused_rather_than_exhausting_the_stack() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    scope = ChildScope(Scope(), {"v": value})
    for text in ('"$v"', "$v == $v"):
        with pytest.raises(ExpressionError, match="nested too deeply"):
            parse_expression(text).evaluate(scope)
