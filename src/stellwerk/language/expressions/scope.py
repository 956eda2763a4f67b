"""What an expression can see: named values, arguments, symbols, environment, time, job resources (workflow spec 5.4).

The evaluator asks a `Scope`; owners of values (an order at a workflow position, a job being started, a notice board)
subclass it and answer what they know. The base class knows nothing: each default says "not here".
Scopes answer from memory: no clock, no file, no environment of the process but what they were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stellwerk.language.expressions import errors
from stellwerk.values.json import JsonValue

if TYPE_CHECKING:
    from stellwerk.language.expressions.expression import Expression


class Scope:
    """Knows nothing. Subclasses override what they know; attributes may be class, instance or dataclass attributes."""

    __slots__ = ()

    #: For `env(…)`; None: the function is unknown here.
    environment: Mapping[str, str] | None = None
    #: Epoch milliseconds for `now(…)`, `$js7EpochMilli`, `$js7EpochSecond`; None: they are unknown here.
    now_ms: int | None = None
    #: IANA id of the zone of `now` and `scheduledOrEmpty` when the expression names none.
    zone: str = "UTC"
    #: For `scheduledOrEmpty(…)`: epoch milliseconds; None: the order is not scheduled.
    scheduled_for_ms: int | None = None
    #: False: there is no order that could be scheduled, `scheduledOrEmpty` is unknown here.
    has_schedule: bool = True

    def named(self, name: str) -> JsonValue:
        """The value of `$name`. Raises `KeyError`: no such named value."""
        raise KeyError(name)

    def argument(self, name: str) -> JsonValue:
        """The value of `argument(name)`. Raises `KeyError`: no such order argument."""
        raise KeyError(name)

    def by_label(self, label: str, key: str) -> JsonValue:
        """What the last execution of the instruction with this label returned. Raises `KeyError`."""
        raise KeyError(key)

    def by_job(self, job: str, key: str) -> JsonValue:
        """What the last execution of this named job returned. Raises `KeyError`."""
        raise KeyError(key)

    def symbol(self, name: str) -> JsonValue:
        """The value of `orderId`, `tryCount`, … (with or without parentheses). Raises `KeyError`: unknown here."""
        raise KeyError(name)

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        """The variables of a job resource. Raises `KeyError`: no such job resource; any other `LookupError`: job
        resources cannot be used here."""
        raise LookupError(path)

    def job_resource_scope(self) -> Scope:
        """The scope for the variables of job resources: no named values, no arguments, no other job resources."""
        return JobResourceScope(self)

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        """Functions that only some scopes have: `toFile`, `subagentIds`, `uniqueOrderId`."""
        raise errors.unknown_function(name)


class ChildScope(Scope):
    """Values of function parameters in front of another scope."""

    def __init__(self, parent: Scope, values: Mapping[str, JsonValue]) -> None:
        self._parent = parent
        self._values = values
        self.environment = parent.environment
        self.now_ms = parent.now_ms
        self.zone = parent.zone
        self.scheduled_for_ms = parent.scheduled_for_ms
        self.has_schedule = parent.has_schedule

    def named(self, name: str) -> JsonValue:
        if name in self._values:
            return self._values[name]
        return self._parent.named(name)

    def argument(self, name: str) -> JsonValue:
        return self._parent.argument(name)

    def by_label(self, label: str, key: str) -> JsonValue:
        return self._parent.by_label(label, key)

    def by_job(self, job: str, key: str) -> JsonValue:
        return self._parent.by_job(job, key)

    def symbol(self, name: str) -> JsonValue:
        return self._parent.symbol(name)

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        return self._parent.job_resource(path)

    def job_resource_scope(self) -> Scope:
        return self._parent.job_resource_scope()

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        return self._parent.function(name, positional, keywords)


class JobResourceScope(ChildScope):
    """The default scope of a job resource's variables. `extra` are the `js7…` names that they may use."""

    def __init__(self, parent: Scope, extra: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(parent, extra or {})

    def named(self, name: str) -> JsonValue:
        return self._values[name]

    def argument(self, name: str) -> JsonValue:
        raise KeyError(name)

    def by_label(self, label: str, key: str) -> JsonValue:
        raise KeyError(key)

    def by_job(self, job: str, key: str) -> JsonValue:
        raise KeyError(key)

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        raise LookupError(path)

    def job_resource_scope(self) -> Scope:
        return self
