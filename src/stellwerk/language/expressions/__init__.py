"""The expression language (workflow spec 6): `parse_expression(text).evaluate(scope)`.

Pure and bounded: a parsed `Expression` is immutable and evaluates from its `Scope` alone; texts, nesting, numbers, and
the time of a regular expression are limited. Every failure is an `ExpressionError` with a kind and a `Problem`.
The package knows neither orders nor workflows: what `$name` means is the business of the scopes (workflow spec 5.4).

Modules: `scanner`, `parser` (text → tree); `expression`, `nodes`, `names`, `operators`, `functions` (the
tree: meaning and canonical text);
`values` (types, conversions, arithmetic); `scope`; `java_regex`, `java_dates` (Java's patterns); `errors`.
"""

from stellwerk.language.expressions.errors import ErrorKind, ExpressionError
from stellwerk.language.expressions.expression import EMPTY_SCOPE, Expression
from stellwerk.language.expressions.nodes import Function, FunctionValue
from stellwerk.language.expressions.parser import (
    is_expression,
    parse_expression,
    parse_expression_or_function,
    parse_function,
)
from stellwerk.language.expressions.scope import ChildScope, JobResourceScope, Scope
from stellwerk.language.expressions.values import (
    as_boolean,
    as_duration_ms,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_string,
    equal,
    quote_string,
    soft_string,
    to_boolean,
    to_number,
    to_string,
    type_name,
)

__all__ = [
    "EMPTY_SCOPE",
    "ChildScope",
    "ErrorKind",
    "Expression",
    "ExpressionError",
    "Function",
    "FunctionValue",
    "JobResourceScope",
    "Scope",
    "as_boolean",
    "as_duration_ms",
    "as_integer",
    "as_list",
    "as_number",
    "as_object",
    "as_string",
    "equal",
    "is_expression",
    "parse_expression",
    "parse_expression_or_function",
    "parse_function",
    "quote_string",
    "soft_string",
    "to_boolean",
    "to_number",
    "to_string",
    "type_name",
]
