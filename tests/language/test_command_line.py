"""Command lines (workflow spec 4.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellwerk.language.command_line import parse_command_line
from stellwerk.language.expressions import ExpressionError, Scope
from stellwerk.values.json import JsonValue


class Values(Scope):
    def __init__(self, **values: JsonValue) -> None:
        self._values = values

    def named(self, name: str) -> JsonValue:
        return self._values[name]


def words(text: str, **values: JsonValue) -> list[str]:
    return parse_command_line(text).evaluate(Values(**values))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/bin/echo", ["/bin/echo"]),
        ("  a \t b\nc\x01d  ", ["a", "b", "c", "d"]),
        ("'a b'c\"d e\"", ["a bcd e"]),
        ('""', [""]),
        ("a ''it's'' b", ["a", "it's", "b"]),
        ("'a' 'b'", ["a", "b"]),
        (r"\\ \" \' \$", ["\\", '"', "'", "$"]),
        (r'"\\ \" \$ it' + "'s\"", ["\\ \" $ it's"]),
        ("'\\ $x'", ["\\ $x"]),
        ("$x", ["a  b"]),
        ("-D$x${x}c", ["-Da  ba  bc"]),
        ('"<$x> ${n}"', ["<a  b> 7"]),
        ("$n-$n", ["7-7"]),
        ("${`odd name`}", ["odd"]),
        ("$gone", [""]),
        ("/* a // b", ["/*", "a", "//", "b"]),
        ("grün;ls|wc>&*", ["grün;ls|wc>&*"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text, x="a  b", n=7, gone=None, **{"odd name": "odd"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("a 'b", "position 3 “a ❓'b”"),
        ('a "b', "String is not closed"),
        ("a ''", "closing ''"),
        ("a \\n", "position 4"),
        ("a \\", "position 4"),
        ('"\\\'"', "position 3"),
        ("$", "name of a variable"),
        ("$1", "name of a variable"),
        ("${a", "Expected “}”"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as failure:
        parse_command_line(text)
    assert message in str(failure.value)


def test_an_unknown_variable_fails_at_evaluation() -> None:
    command_line = parse_command_line("echo $unknown")
    with pytest.raises(ExpressionError, match="unknown"):
        command_line.evaluate(Values())


@given(st.text())
def test_a_value_is_one_word_and_arrives_unchanged(value: str) -> None:
    assert words('p $x "$x" pre${x}post', x=value) == ["p", value, value, f"pre{value}post"]


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        command_line = parse_command_line(text)
    except ExpressionError:
        return
    assert command_line.words
