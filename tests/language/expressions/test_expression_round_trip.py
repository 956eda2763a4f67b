"""Printing and parsing are inverse: canonical → parse → canonical (workflow spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.expressions import (
    EMPTY_SCOPE,
    Expression,
    ExpressionError,
    Function,
    parse_expression,
    parse_expression_or_function,
    parse_function,
    quote_string,
)
from stellwerk.language.expressions.functions import FIXED_FUNCTIONS, SYMBOLS, Argument, FixedCall, FunctionCall
from stellwerk.language.expressions.names import JobResourceReference, Lookup, NamedValue
from stellwerk.language.expressions.nodes import (
    Constant,
    Element,
    Field,
    IfThenElse,
    Interpolation,
    ListLiteral,
    ObjectLiteral,
)
from stellwerk.language.expressions.operators import BINARY_OPERATORS, Not, Question, UserError, negated
from stellwerk.language.expressions.values import number_from_text

texts = st.text(
    alphabet=st.one_of(st.sampled_from("ab_1$'\"`\\ \r\n\té"), st.characters(exclude_categories=["Cs"])), max_size=8
)
names = st.one_of(
    st.sampled_from(["a", "name", "if", "toNumber", "mkString", "then", "x1", "ä_b"]),
    texts.filter(lambda text: text != "" and "\n" not in text),
)
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3)
constants = st.one_of(
    st.sampled_from([None, True, False]).map(Constant),
    st.integers().map(Constant),
    numbers.map(lambda number: Constant(number_from_text(format(number, "f")))),
    texts.map(Constant),
)
leaves: st.SearchStrategy[Expression] = st.one_of(
    constants,
    st.one_of(names, st.from_regex("[0-9]{1,3}", fullmatch=True), texts).map(NamedValue),
    st.sampled_from(sorted(SYMBOLS)).map(lambda name: FunctionCall(name, None)),
    st.builds(JobResourceReference, st.sampled_from(["R", "a/b-c", "r.x", "1"]), st.one_of(st.none(), names)),
)


def _interpolation(parts: list[str | Expression]) -> Expression:
    """Adjacent constants merged, as the parser does."""
    merged: list[str | Expression] = []
    for part in parts:
        if isinstance(part, Constant) and isinstance(part.value, str):
            part = part.value
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return Constant("".join(str(part) for part in merged))
    return Interpolation(merged)


def _lookup(function: str, key: Expression, where: str, name: str, default: Expression | None) -> Expression:
    if function == "argument":
        return Lookup(function, key, default=default)
    if where == "" and default is None and isinstance(key, Constant) and isinstance(key.value, str):
        return NamedValue(key.value)
    return Lookup(function, key, name if where == "label" else None, name if where == "job" else None, default)


def _nodes(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    arguments = st.builds(Argument, st.one_of(st.none(), names), children)
    function_names = names.filter(lambda name: name not in FIXED_FUNCTIONS)
    builders: list[st.SearchStrategy[Expression]] = [
        st.builds(
            lambda operator, a, b: BINARY_OPERATORS[operator][1](a, b),
            st.sampled_from(sorted(BINARY_OPERATORS)),
            children,
            children,
        ),
        st.builds(Not, children),
        st.builds(negated, children),
        st.builds(UserError, children),
        st.builds(Question, children, st.one_of(st.none(), children)),
        st.builds(IfThenElse, children, children, children),
        st.builds(Element, children, children),
        st.builds(Field, children, names),
        st.builds(ListLiteral, st.lists(children, max_size=3)),
        st.builds(ObjectLiteral, st.dictionaries(names, children, max_size=3)),
        st.builds(_interpolation, st.lists(st.one_of(texts, children), max_size=4)),
        st.builds(
            _lookup,
            st.sampled_from(["variable", "argument"]),
            children,
            st.sampled_from(["", "label", "job"]),
            names,
            st.one_of(st.none(), children),
        ),
        st.builds(lambda name, a: FixedCall(name, [a]), st.sampled_from(["toNumber", "mkString", "impure"]), children),
        st.builds(FunctionCall, function_names, st.lists(arguments, max_size=3)),
    ]
    return st.one_of(builders)


expressions = st.recursive(leaves, _nodes, max_leaves=12)


def _outcome(evaluate: Callable[[], Any]) -> Any:
    try:
        return repr(evaluate())
    except ExpressionError as error:
        return error.kind, str(error)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_the_canonical_text_is_parsed_to_an_equivalent_expression(expression: Expression) -> None:
    text = expression.canonical()
    parsed = parse_expression(text)
    assert parsed.canonical() == text
    assert parsed == expression
    assert hash(parsed) == hash(expression)
    assert parsed.is_pure == expression.is_pure
    assert parsed.job_resource_paths() == expression.job_resource_paths()
    assert _outcome(lambda: parsed.evaluate(EMPTY_SCOPE)) == _outcome(lambda: expression.evaluate(EMPTY_SCOPE))


@settings(max_examples=50, deadline=None)
@given(st.lists(names, max_size=3, unique=True), expressions)
def test_functions_too(parameters: list[str], body: Expression) -> None:
    text = Function(parameters, body).canonical()
    assert parse_function(text).canonical() == text
    assert parse_expression_or_function(text) == Function(parameters, body)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1.,()[]{}$'\"`\\ \n?!-+*/<>=&|:#"))
def test_every_text_is_parsed_or_refused_with_a_syntax_error(text: str) -> None:
    try:
        parsed = parse_expression_or_function(text)
    except ExpressionError as error:
        assert error.kind == "syntax"
        assert str(error).startswith("Error in expression:")
    else:
        assert parse_expression_or_function(parsed.canonical()) == parsed


@given(texts)
def test_a_quoted_string_is_that_string(text: str) -> None:
    assert parse_expression(quote_string(text)).constant == text


@given(st.one_of(st.integers(), numbers))
def test_the_scale_of_a_number_is_kept(number: int | Decimal) -> None:
    text = format(Decimal(number), "f")
    if Decimal(number).is_zero():
        text = text.removeprefix("-")
    assert parse_expression(text).canonical() == text
