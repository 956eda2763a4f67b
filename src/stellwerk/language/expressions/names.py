"""Names: `$name`, `variable(…)`, `argument(…)`, `JobResource:…` (workflow spec 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from stellwerk.language.expressions import errors
from stellwerk.language.expressions.expression import Expression
from stellwerk.language.expressions.identifiers import quote_identifier, variable_reference
from stellwerk.language.expressions.scope import Scope
from stellwerk.language.expressions.values import as_string, quote_string, soft_string
from stellwerk.values.json import JsonValue

_UNKNOWN: Final = object()


def named_value(name: str, scope: Scope) -> Any:
    """The value of `$name` or the marker `_UNKNOWN`. The names of the current time come last (workflow spec 5.4)."""
    try:
        return scope.named(name)
    except KeyError:
        if name in ("js7EpochMilli", "js7EpochSecond"):
            # The clock is asked for these names only: scopes note who looks at the time.
            now_ms = scope.now_ms
            if now_ms is not None:
                return now_ms if name == "js7EpochMilli" else now_ms // 1000
        return _UNKNOWN


class NamedValue(Expression):
    """`$name`"""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(is_pure=False)

    def evaluate(self, scope: Scope) -> JsonValue:
        value = named_value(self.name, scope)
        if value is _UNKNOWN:
            raise errors.no_such_named_value(self.name)
        return value  # type: ignore[no-any-return]

    def write(self, out: list[str]) -> None:
        reference = variable_reference(self.name, quoted=False)
        out.append(f"variable({quote_string(self.name)})" if reference is None else reference)


class Lookup(Expression):
    """`variable(key=…, label=…, default=…)`, `argument(key=…, default=…)`: a name that is computed or has a default."""

    __slots__ = ("default", "function", "job", "key", "label")

    def __init__(
        self,
        function: str,
        key: Expression,
        label: str | None = None,
        job: str | None = None,
        default: Expression | None = None,
    ) -> None:
        self.function = function
        self.key = key
        self.label = label
        self.job = job
        self.default = default
        super().__init__(is_pure=False)

    def children(self) -> Sequence[Expression]:
        return (self.key,) if self.default is None else (self.key, self.default)

    def evaluate(self, scope: Scope) -> JsonValue:
        key = self.key.evaluate(scope)
        if key is None:
            return None
        name = as_string(key)
        value = self._look_up(name, scope)
        if value is not _UNKNOWN:
            return value  # type: ignore[no-any-return]
        if self.default is not None:
            return soft_string(self.default.evaluate(scope))
        if self.function == "argument":
            raise errors.no_such_argument(name)
        if self.label is not None:
            raise errors.no_value_at_label(self.label, name)
        if self.job is not None:
            raise errors.no_value_of_job(self.job, name)
        raise errors.no_such_named_value(name)

    def _look_up(self, name: str, scope: Scope) -> Any:
        try:
            if self.function == "argument":
                return scope.argument(name)
            if self.label is not None:
                return scope.by_label(self.label, name)
            if self.job is not None:
                return scope.by_job(self.job, name)
        except KeyError:
            return _UNKNOWN
        return named_value(name, scope)

    def write(self, out: list[str]) -> None:
        computed_only = self.function == "variable" and self.label is None and self.job is None and self.default is None
        out.append("variable(" if computed_only else f"{self.function}(key=")
        self.key.write(out)
        if self.label is not None:
            out.append(f", label={quote_identifier(self.label)}")
        if self.job is not None:
            out.append(f", job={quote_identifier(self.job)}")
        if self.default is not None:
            out.append(", default=")
            self.default.write(out)
        out.append(")")


def job_resource_value(scope: Scope, path: str, variable: str | None) -> JsonValue:
    """A variable of a job resource, or all of them as an Object."""
    try:
        variables = scope.job_resource(path)
    except KeyError:
        raise errors.unknown_key("JobResource", path) from None
    except LookupError:
        raise errors.job_resources_not_accessible() from None
    inner = scope.job_resource_scope()
    if variable is None:
        return {name: expression.evaluate(inner) for name, expression in variables.items()}
    if variable not in variables:
        raise errors.unknown_name(variable)
    return variables[variable].evaluate(inner)


class JobResourceReference(Expression):
    """`JobResource:Path` and `JobResource:Path:variable`"""

    __slots__ = ("path", "variable")

    def __init__(self, path: str, variable: str | None) -> None:
        self.path = path
        self.variable = variable
        super().__init__(is_pure=False)

    def evaluate(self, scope: Scope) -> JsonValue:
        return job_resource_value(scope, self.path, self.variable)

    def own_job_resource_path(self) -> str | None:
        return self.path

    def absorbs(self, suffix: str) -> bool:
        return suffix == "." and self.variable is None

    def write(self, out: list[str]) -> None:
        out.append(f"JobResource:{self.path}")
        if self.variable is not None:
            out.append(f":{quote_identifier(self.variable)}")
