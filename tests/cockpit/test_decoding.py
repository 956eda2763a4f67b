"""The lenient reader of request bodies (cockpit-api 1.1): a corpus of what clients send, and of what is refused."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellwerk.cockpit.api.decoding import Reader, RequestError, first_json_value
from stellwerk.values.json import encode


class Colour(enum.Enum):
    RED = "RED"


class Inner(msgspec.Struct, rename="camel"):
    workflow_path: str
    inner: Inner | None = None


class Sample(msgspec.Struct, rename="camel"):
    controller_id: str
    limit: int = 10
    compact: bool = False
    names: list[str] = []
    inner: list[Inner] = []
    colour: Colour | None = None
    kind: Literal["a", "b"] | None = None
    either: str | list[str | int] | None = None
    configuration: Any = None
    short: Annotated[str, msgspec.Meta(max_length=3)] = ""
    by_name: dict[str, int] = {}


reader = Reader(Sample)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {}),
        (b"  \n", {}),
        (b"\xef\xbb\xbf{}", {}),
        (b'{"a":1} }', {"a": 1}),
        (b'{"a":1}, "auditLog": {"comment":"x"} }', {"a": 1}),
        (b'{"a":1}{"b":2}', {"a": 1}),
        (b"true garbage", True),
        (b'{"n":1.10}', {"n": Decimal("1.10")}),
        (b'{"n":12345678901234567890123456789}', {"n": 12345678901234567890123456789}),
        ('{"ü":"\\u00fc😀"}'.encode(), {"ü": "ü😀"}),
        (b'{"s":"\\ud83d\\ude00"}', {"s": "😀"}),
        (b'{"s":"\\u0000"}', {"s": "\0"}),
    ],
)
def test_the_first_value_is_read_and_the_rest_ignored(body: bytes, expected: Any) -> None:
    assert first_json_value(body) == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{, }", "line 1, column 2"),
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"x":[{"a":1,"a":1}]}', "duplicate key 'a'"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"a":', "line 1"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "limit"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        first_json_value(body)


@pytest.mark.parametrize(
    ("given_", "field", "expected"),
    [
        ({"limit": "5"}, "limit", 5),
        ({"limit": None}, "limit", 10),
        ({"compact": "true"}, "compact", True),
        ({"compact": "false"}, "compact", False),
        ({"names": "one"}, "names", ["one"]),
        ({"names": ["a", None, 7]}, "names", ["a", "7"]),
        ({"inner": {"workflowPath": "/w"}}, "inner", [Inner("/w")]),
        ({"inner": [{"workflowPath": "/w", "inner": {"workflowPath": "/v"}}]}, "inner", [Inner("/w", Inner("/v"))]),
        ({"colour": "RED"}, "colour", Colour.RED),
        ({"kind": "b"}, "kind", "b"),
        ({"either": "x"}, "either", "x"),
        ({"either": [0, "then", 1]}, "either", [0, "then", 1]),
        ({"configuration": {"a": None, "n": Decimal("1.0")}}, "configuration", {"a": None, "n": Decimal("1.0")}),
        ({"byName": {"a": "1", "b": None}}, "by_name", {"a": 1}),
        ({"unknown": {"deep": [1]}}, "limit", 10),
    ],
)
def test_types_are_loose(given_: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(reader.read({"controllerId": "c", **given_}), field) == expected


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({}, r"\$\.controllerId: is missing but it is required"),
        ({"controllerId": None}, r"\$\.controllerId: is missing"),
        ({"controllerId": {"a": 1}}, r"\$\.controllerId: object found, string expected"),
        ({"controllerId": "c", "limit": "many"}, r"\$\.limit"),
        ({"controllerId": "c", "inner": [{}]}, r"\$\.inner\[0\]\.workflowPath: is missing"),
        ({"controllerId": "c", "colour": "BLUE"}, r"\$\.colour"),
        ({"controllerId": "c", "kind": "z"}, r"\$\.kind"),
        ({"controllerId": "c", "limit": 2**63}, r"\$\.limit: the number has more than 64 bits"),
        ({"controllerId": "c", "limit": -(2**63) - 1}, r"\$\.limit: the number has more than 64 bits"),
        ({"controllerId": "a\0b"}, r"\$\.controllerId: the text holds the character NUL"),
        ({"controllerId": "c", "short": "long"}, r"\$\.short"),
        ([], r"\$: array found, object expected"),
        ("text", r"\$: string found, object expected"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(given_: Any, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        reader.read(given_)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abc"), inner, max_size=4),
    max_leaves=15,
)


@given(_values, st.sampled_from([b"", b" }", b"]]", b'"x']))
def test_any_value_is_read_back_whatever_follows(value: Any, rest: bytes) -> None:
    text = encode(value)
    # A number followed by text that could go on with it would be another number.
    assert first_json_value(text + b" " + rest) == value


@given(st.dictionaries(st.sampled_from([field.encode_name for field in msgspec.structs.fields(Sample)]), _values))
def test_whatever_is_given_is_read_or_refused_with_a_path(value: dict[str, Any]) -> None:
    try:
        reader.read(value)
    except RequestError as error:
        assert "$" in str(error)
