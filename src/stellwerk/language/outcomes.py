"""Outcomes of an order's steps (orders spec 2.5, workflow spec 2.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.values.problems import Problem

NamedValues = dict[str, Any]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """How a step ended. Only the subclasses exist as values; `AnyOutcome` is their union."""

    @property
    def is_succeeded(self) -> bool:
        return False

    @property
    def is_catchable(self) -> bool:
        """May a Try block around the failed step catch it?"""
        return True


class Succeeded(Outcome, frozen=True, kw_only=True):
    named_values: NamedValues = {}

    @property
    def is_succeeded(self) -> bool:
        return True


class Caught(Outcome, frozen=True, kw_only=True):
    """A marker that OrderCaught leaves in the history; carries no values."""

    @property
    def is_succeeded(self) -> bool:
        return True


class Failed(Outcome, frozen=True, kw_only=True):
    """The step ended unsuccessfully: the expected kind of failure."""

    message: str | None = None
    named_values: NamedValues = {}
    uncatchable: bool = False

    @property
    def is_catchable(self) -> bool:
        return not self.uncatchable


class TimedOut(Outcome, frozen=True, kw_only=True):
    """Always a failure, whatever the inner outcome says."""

    outcome: Succeeded | Failed


class Killed(Outcome, frozen=True, kw_only=True):
    outcome: Succeeded | Failed


class Other(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Other", omit_defaults=True):
    """A technical problem around the step."""

    problem: Problem


class ProcessLost(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="ProcessLost", omit_defaults=True):
    """The process has been lost; the job is repeated. Absent problem: ProcessLostDueToUnknownReason."""

    problem: Problem | None = None


class JobSchedulerRestarted(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="JobSchedulerRestarted", omit_defaults=True
):
    """Old name of ProcessLost, accepted on input only."""

    problem: Problem | None = None


class Disrupted(Outcome, frozen=True, kw_only=True):
    reason: Other | ProcessLost | JobSchedulerRestarted
    uncatchable: bool = False

    @property
    def is_catchable(self) -> bool:
        return not self.uncatchable

    @property
    def is_process_lost(self) -> bool:
        return not isinstance(self.reason, Other)

    @property
    def problem(self) -> Problem:
        return self.reason.problem or Problem.of("ProcessLostDueToUnknownReason")

    @classmethod
    def other(cls, problem: Problem, uncatchable: bool = False) -> Disrupted:
        return cls(reason=Other(problem=problem), uncatchable=uncatchable)

    @classmethod
    def process_lost(cls, problem: Problem | None = None) -> Disrupted:
        return cls(reason=ProcessLost(problem=problem))


AnyOutcome = Succeeded | Failed | TimedOut | Killed | Disrupted | Caught

#: The outcome of an order that has no history yet.
SUCCEEDED = Succeeded()


def values_of(outcome: AnyOutcome) -> NamedValues | None:
    """The named values that `$name` finds: of Succeeded, Failed and what has timed out (orders spec 2.6)."""
    if isinstance(outcome, TimedOut):
        return outcome.outcome.named_values
    if isinstance(outcome, Succeeded | Failed):
        return outcome.named_values
    return None


def short_text(outcome: AnyOutcome) -> str:
    """The short form in messages such as `Order:A|b Failed(...)` (orders spec 9.2)."""
    if isinstance(outcome, Failed):
        return f"Failed({outcome.message})" if outcome.message else "Failed"
    if isinstance(outcome, TimedOut | Killed):
        return f"{type(outcome).__name__}({short_text(outcome.outcome)})"
    if isinstance(outcome, Disrupted):
        return f"Disrupted({outcome.problem})"
    return type(outcome).__name__
