"""Syntax errors with their place, and limits of size and nesting (workflow spec 6.1, 6.2)."""

from __future__ import annotations

import pytest

from stellwerk.language.expressions import ExpressionError, Scope, is_expression, parse_expression, parse_function


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "Unexpected end of expression"),
        ("- 1", 3, "There must not be a blank between the minus sign and the number"),
        ('"a\\x"', 3, "Unknown escape sequence “\\x”"),
        ("!!true", 1, "Unexpected “!”"),
        ("1 + if true then 1 else 2", 5, "Unexpected 'if' keyword, maybe parentheses around it are missing?"),
        ("UNKNOWN", 1, "Unknown symbol: UNKNOWN"),
        ("{a: 1, a: 2}", 8, "Duplicate field “a”"),
        ("$a $b", 4, "Expected end of expression or an operator"),
        ("1 /* x", 3, "Comment is not closed"),
        ("''", 1, 'The empty string is written ""'),
        ("'abc", 1, "String is not closed"),
        ('1 + "ab$-"', 9, "Expected name of a value"),
        ("match('a')", 1, "match function expects exactly 3 argument(s)"),
        ("substring('a')", 1, "substring function expects exactly 2 or 3 argument(s)"),
        ("variable('a', label=L, job=J)", 29, "label and job exclude each other"),
        ("variable('a', 'b')", 15, "argument needs a name"),
        ("argument('a', label=L)", 15, "unknown argument “label”"),
        ("$list(0", 8, "Expected “)”"),
        ("JobResource: R", 13, "path of a job resource"),
        ("$_x", 2, "Expected name of a value"),
        ("[1, 2,]", 7, "Expected an expression"),
        ("`a`", 1, "Unknown symbol: a"),
        ("toNumber", 1, "Function toNumber needs arguments"),
    ],
)
def test_an_error_says_where_and_what(text: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert caught.value.kind == "syntax"
    assert str(caught.value).startswith(f"Error in expression: Parsing failed at position {position} “")
    assert message in str(caught.value)
    assert "❓" in str(caught.value)
    assert not is_expression(text)


def test_a_long_text_is_shown_in_part() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression("[" + "1, " * 1000 + "], " + "1, " * 1000)
    assert len(str(caught.value)) < 300
    assert "position 3002 “…" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a??b",
        "1--1",
        "1+-1",
        "1 =>2",
        "a ?-1",
        "$a ==-1",
        "1..2",
        "1.",
        "1e3",
        "'a''b'",
        "''a'''",
        "f(1 2)",
        "x =>",
        "(a,a) => 1",
    ],
)
def test_refused(text: str) -> None:
    assert not is_expression(text)
    with pytest.raises(ExpressionError):
        parse_function(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1 - -1", "1 - -1"),
        ("$a ? ? $b", None),
        ("f(a=-1, b = !true)", "f(a=-1, b=!true)"),
        ("{a:-1}", "{a:-1}"),
        ("variable('x', default=-1)", "variable(key='x', default=-1)"),
        ("$`a``b`", "$`a``b`"),
        ("$if ++ $true", "$if ++ $true"),
        ("$x.if", "$x.if"),
        ("!(!$x)", "!(!$x)"),
        ("!(-1)", "!(-1)"),
        ("-(-1)", "-(-1)"),
        ("-(1(0))", "-(1(0))"),
        ("($a?)?", "($a?)?"),
        ("$a ? ($b ? $c)", "$a ? ($b ? $c)"),
        ("1 - (2 - 3)", "1 - (2 - 3)"),
        ("(1 - 2) - 3", "1 - 2 - 3"),
        ("if (if $a then $b else $c) then 1 else 2", "if (if $a then $b else $c) then 1 else 2"),
        ("(orderId)(0)", "(orderId)(0)"),
        ("(JobResource:R).x", "(JobResource:R).x"),
        ("$x.toNumber.y", "$x.`toNumber`.y"),
        ("$x.`toNumber`", "$x.`toNumber`"),
        ("$x.toNumber", "toNumber($x)"),
        ('variable("a\nb")', "variable('a\nb')"),
        ("\"a$('b')c$`x`y\"", '"abc$`x`y"'),
        ("\"$(variable('0'))`\"", '"$($0)`"'),
        ("1in[1]", "1 in [1]"),
    ],
)
def test_accepted_and_printed(text: str, canonical: str | None) -> None:
    parsed = parse_expression(text).canonical()
    assert canonical is None or parsed == canonical
    assert parse_expression(parsed).canonical() == parsed


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 5000,
        "!(" * 5000,
        '"$(' * 5000,
        "if true then " * 5000,
        "f(" * 5000,
        "{a:" * 5000,
        "1" + " + 1" * 5000,
        "$a" + ".b" * 5000,
        "$a" + " ?" * 5000,
        "if true then 1 else " * 5000 + "1",
        "x" * 2_000_000,
    ],
)
def test_too_deep_or_too_long_texts_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert caught.value.kind == "syntax"
    assert any(words in str(caught.value) for words in ("too deeply", "too long"))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 70 + "1" + ")" * 70,
        "1" + " + 0" * 190,
        "if false then 0 else " * 190 + "1",
        "mkString(" * 35 + "[" * 35 + "1" + "]" * 35 + ")" * 35,
    ],
)
def test_texts_within_the_limits_are_parsed_printed_and_evaluated(text: str) -> None:
    expression = parse_expression(text)
    assert parse_expression(expression.canonical()) == expression
    assert expression.evaluate(Scope()) is not None


def test_equal_texts_give_the_same_tree() -> None:
    assert parse_expression("1 + 2") is parse_expression("1 + 2")
    assert parse_expression("1+2") == parse_expression("1 + 2")
    assert len({parse_expression("1+2"), parse_expression("1 + 2"), parse_expression("2 + 1")}) == 2
