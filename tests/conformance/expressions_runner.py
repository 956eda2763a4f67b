"""Runs one vector of `data/expressions*.jsonl` against the expression language (CONFORMANCE.md, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from stellwerk.language.expressions import (
    Expression,
    ExpressionError,
    Scope,
    equal,
    parse_expression,
    parse_expression_or_function,
    parse_function,
)
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.values.json import JsonValue


class VectorScope(Scope):
    """The scope that a vector describes."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._named = dict(description.get("named", {}))
        self._arguments = description.get("arguments", {})
        self._labels = description.get("label", {})
        self._jobs = description.get("job", {})
        self._symbols = description.get("symbols", {})
        self._job_resources = description.get("jobResources")
        self.environment = description.get("env")
        self.now_ms = _epoch_ms(description.get("now"))
        self.has_schedule = "scheduledFor" in description
        self.scheduled_for_ms = _epoch_ms(description.get("scheduledFor"))
        file_watch = description.get("fileWatch")
        if file_watch is not None:
            self._named["orderWatchPath"] = file_watch["path"]
            groups = java_regex(file_watch["pattern"]).groups(file_watch["filename"]) or ()
            self._named |= {str(index): group for index, group in enumerate(groups) if group is not None}

    def named(self, name: str) -> JsonValue:
        return self._named[name]  # type: ignore[no-any-return]

    def argument(self, name: str) -> JsonValue:
        return self._arguments[name]  # type: ignore[no-any-return]

    def by_label(self, label: str, key: str) -> JsonValue:
        return self._labels[label][key]  # type: ignore[no-any-return]

    def by_job(self, job: str, key: str) -> JsonValue:
        return self._jobs[job][key]  # type: ignore[no-any-return]

    def symbol(self, name: str) -> JsonValue:
        return self._symbols[name]  # type: ignore[no-any-return]

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        if self._job_resources is None:
            raise LookupError(path)
        return {name: parse_expression(text) for name, text in self._job_resources[path].items()}


def _epoch_ms(instant: str | None) -> int | None:
    return None if instant is None else round(datetime.fromisoformat(instant).timestamp() * 1000)


def _expected_value(value: Any) -> Any:
    """The vector's JSON with its numbers as the language has them."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_expected_value(element) for element in value]
    if isinstance(value, dict):
        if value.keys() == {"#number"}:
            return Decimal(value["#number"])
        return {name: _expected_value(member) for name, member in value.items()}
    return value


def run(case: dict[str, Any]) -> str | None:
    """None if the implementation does what the vector says, else the difference."""
    text = case["expr"]
    is_function = case.get("kind") == "function"
    try:
        function = parse_function(text) if is_function else None
        expression = function or parse_expression_or_function(text)
    except ExpressionError as error:
        return None if case.get("parse") == "error" and error.kind == case["error_kind"] else f"not parsed: {error}"
    if case.get("parse") == "error":
        return f"parsed as {expression}"

    canonical = expression.canonical()
    if "canonical" in case and canonical != case["canonical"]:
        return f"canonical form is {canonical!r}, expected {case['canonical']!r}"
    again = parse_expression_or_function(canonical)
    if again.canonical() != canonical:
        return f"canonical form {canonical!r} is parsed as {again.canonical()!r}"

    for parsed in (expression, again):
        difference = _evaluate(case, parsed)
        if difference is not None:
            return difference
    return None


def _evaluate(case: dict[str, Any], expression: Expression) -> str | None:
    scope = VectorScope(_expected_value(case.get("scope", {})))
    try:
        if case.get("kind") == "function":
            function = parse_function(expression.canonical())
            value = function.call([_expected_value(argument) for argument in case["args"]], scope)
        else:
            value = expression.evaluate(scope)
    except ExpressionError as error:
        if error.kind != case.get("error_kind"):
            return (
                f"{expression} fails with {error.kind}: {error}, expected {case.get('error_kind', case.get('result'))}"
            )
        if error.kind == "user-error" and error.problem.arguments["errorMessage"] != case["message"]:
            return f"{expression} fails with {error}, expected {case['message']}"
        return None
    if "error_kind" in case:
        return f"{expression} = {value!r}, expected the error {case['error_kind']}"
    if "result" in case and not equal(value, _expected_value(case["result"])):
        return f"{expression} = {value!r}, expected {case['result']!r}"
    return None
