"""What can go wrong with an expression: one exception class, its kinds, and one constructor per thing that happens.

`ExpressionError.problem` is what people and outcomes see (workflow spec 10); `kind` is what code and the conformance
vectors compare (tests/conformance/data/CONFORMANCE.md, section 1).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from stellwerk.values.problems import Problem, ProblemError

ErrorKind: TypeAlias = Literal[
    "syntax",
    "type",
    "unknown-name",
    "unknown-key",
    "unknown-function",
    "user-error",
    "arithmetic",
    "not-comparable",
    "conversion",
    "index",
    "range",
    "regex",
    "no-match",
    "job-resource",
    "invalid-arguments",
]

_EXCERPT_LENGTH: Final = 40
_VALUE_LENGTH: Final = 200


class ExpressionError(ProblemError):
    """An expression that cannot be parsed or evaluated."""

    def __init__(self, kind: ErrorKind, problem: Problem | str) -> None:
        super().__init__(problem)
        self.kind: ErrorKind = kind


def syntax_error(text: str, offset: int, expected: str = "", message: str = "") -> ExpressionError:
    """A parse error at the 0-based `offset`; the message counts from 1 and shows the text around (spec 6.2)."""
    before = text[max(0, offset - _EXCERPT_LENGTH) : offset]
    after = text[offset : offset + _EXCERPT_LENGTH]
    if offset > _EXCERPT_LENGTH:
        before = "…" + before
    if offset + _EXCERPT_LENGTH < len(text):
        after += "…"
    unexpected = f"Unexpected “{text[offset]}”" if offset < len(text) else "Unexpected end of expression"
    parts = [
        f"Parsing failed at position {offset + 1} “{before}❓{after}”",
        f"Expected {expected}" if expected else "",
        message or unexpected,
    ]
    return ExpressionError("syntax", "Error in expression: " + " · ".join(part for part in parts if part))


def unexpected_type(expected_type: str, value_text: str) -> ExpressionError:
    """`value_text` is `TypeName: literal`, as in `Missing: missing`."""
    if len(value_text) > _VALUE_LENGTH:
        value_text = value_text[:_VALUE_LENGTH] + "…"
    return ExpressionError("type", Problem.of("UnexpectedValueType", expectedType=expected_type, value=value_text))


def no_such_named_value(name: str) -> ExpressionError:
    return ExpressionError("unknown-name", f"No such named value: {name}")


def no_such_argument(name: str) -> ExpressionError:
    return ExpressionError("unknown-name", f"No such order argument: {name}")


def no_value_at_label(label: str, name: str) -> ExpressionError:
    return ExpressionError(
        "unknown-name", f"Workflow instruction at label {label} did not return a named value '{name}'"
    )


def no_value_of_job(job: str, name: str) -> ExpressionError:
    return ExpressionError("unknown-name", f"Last execution of job '{job}' did not return a named value '{name}'")


def unknown_name(name: str) -> ExpressionError:
    """An unknown field of an object, or an unknown variable of a job resource."""
    return ExpressionError("unknown-name", Problem.of("UnknownNameInExpression", name=name))


def unknown_key(type_name: str, key: str) -> ExpressionError:
    """An unknown environment variable or job resource."""
    return ExpressionError("unknown-key", Problem.of("UnknownKey", type=type_name, key=key))


def unknown_function(name: str) -> ExpressionError:
    return ExpressionError("unknown-function", f"Unknown function: {name}")


def user_error(message: str) -> ExpressionError:
    return ExpressionError("user-error", Problem.of("ErrorInExpression", errorMessage=message))


def arithmetic_error(message: str) -> ExpressionError:
    return ExpressionError("arithmetic", f"ArithmeticException: {message}")


def not_comparable(left_type: str, right_type: str) -> ExpressionError:
    return ExpressionError("not-comparable", f"{left_type} and {right_type} are not comparable")


def not_a_number(text: str) -> ExpressionError:
    return ExpressionError("conversion", f"Not a valid number: {text}")


def index_out_of_range(index: int, length: int) -> ExpressionError:
    return ExpressionError("index", f"Index {index} out of range 0...{length - 1}")


def substring_out_of_range(start: int, end: int, length: int) -> ExpressionError:
    return ExpressionError("range", f"substring: begin {start}, end {end}, length {length} is out of range")


def regex_error(message: str) -> ExpressionError:
    return ExpressionError("regex", message)


def does_not_match() -> ExpressionError:
    return ExpressionError("no-match", "Does not match")


def job_resources_not_accessible() -> ExpressionError:
    return ExpressionError("job-resource", "Job resources are not accessible in this expression")


def invalid_arguments(function: str, arguments: str) -> ExpressionError:
    return ExpressionError(
        "invalid-arguments", Problem.of("InvalidFunctionArguments", function=function, arguments=arguments)
    )
