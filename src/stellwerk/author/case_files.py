"""Test files of workflows: TOML, read into structs with every problem told (docs/how-to/test-workflows.md).

workflow = "nightly"
[[test]]
name = "two failures, then success"
jobs.load = [{return_code = 1}, {return_code = 1}, {values = {rows = "5"}, duration = "10m"}]
expect.state = "Finished"
expect.path = ["load", "load", "load", "report"]
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.values.problems import ProblemError

SUFFIX = ".test.toml"
#: Where the clock of a test stands that says nothing of it: a Thursday, far from any change of the clocks.
DEFAULT_START = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
#: How much time may pass in a test that does not say it.
DEFAULT_RUN_FOR = "35d"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

Duration = str | int | float


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class JobOutcome(_Part, frozen=True, kw_only=True):
    """How one execution of a job ends."""

    return_code: int = 0
    #: What it returns.
    values: dict[str, Any] = {}
    duration: Duration = 0
    #: The process is lost, as by a crash of the Agent.
    lost: bool = False


class Action(_Part, frozen=True, kw_only=True):
    """Something that a person does in the middle of it, `at` this time after the start."""

    at: Duration
    command: str
    order: str | None = None
    workflow: str | None = None
    arguments: dict[str, Any] = {}
    board: str | None = None
    key: str = ""


class Expectation(_Part, frozen=True, kw_only=True):
    """What must have come true at the end; what is not said is not looked at."""

    #: State of the order: Finished, Failed, Prompting, …
    state: str | None = None
    #: Label or job name of each job in the order of their starts, those of child orders included.
    path: list[str] | None = None
    #: Job → number of its executions.
    runs: dict[str, int] | None = None
    #: Job → times of its starts.
    starts: dict[str, list[datetime]] | None = None
    #: Variables of the order.
    variables: dict[str, Any] | None = None
    #: Text that the failure's message contains.
    message: str | None = None
    #: Types of events that come in this order, others may be between.
    events: list[str] | None = None
    position: str | None = None
    ended_at: datetime | None = None
    #: Longest time from the start of the test to the end of the order.
    ends_within: Duration | None = None
    #: Orders that were added besides, by id → state.
    orders: dict[str, str] | None = None


class Case(_Part, frozen=True, kw_only=True):
    """One test: one order, unless actions add more."""

    name: str
    workflow: str | None = None
    order: str | None = None
    arguments: dict[str, Any] = {}
    start: datetime | None = None
    scheduled_for: datetime | None = None
    run_for: Duration | None = None
    jobs: dict[str, list[JobOutcome] | JobOutcome] = {}
    do: list[Action] = []
    #: The same order on each day: ids `#yyyy-mm-dd#…` from this day on, for so many days.
    days: int = 1
    expect: Expectation = Expectation()


class CaseFile(_Part, frozen=True, kw_only=True):
    """One file."""

    #: Inventory files, relative to the test file; absent: all of its folder.
    files: list[str] | None = None
    workflow: str | None = None
    start: datetime = DEFAULT_START
    run_for: Duration = DEFAULT_RUN_FOR
    jobs: dict[str, list[JobOutcome] | JobOutcome] = {}
    test: list[Case]


def read_case_file(file: Path) -> CaseFile:
    """Raises `ProblemError` that says what is wrong, and where."""
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProblemError(f"{file}: not a TOML file: {error}") from error
    try:
        found = msgspec.convert(value, CaseFile)
    except msgspec.ValidationError as error:
        raise ProblemError(f"{file}: {error}") from error
    if not found.test:
        raise ProblemError(f"{file}: there is no [[test]]")
    return found


def duration_ms(value: Duration) -> int:
    """Seconds, or a text such as `1h 30min`. Raises `ProblemError`."""
    if isinstance(value, int | float):
        milliseconds = int(value * 1000)
    else:
        if not re.fullmatch(rf"\s*(?:{_DURATION.pattern}\s*)+", value):
            raise ProblemError(f"not a duration: {value!r} (expected like 90, '90s', '5min', '2h 30min', '31d')")
        milliseconds = int(sum(Decimal(number) * _UNITS_MS[unit] for number, unit in _DURATION.findall(value)))
    if milliseconds < 0:
        raise ProblemError(f"a duration must not be negative: {value!r}")
    return milliseconds


def instant_ms(value: datetime) -> int:
    """A time without zone is UTC."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def instant_text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def order_day(start_ms: int, days: int) -> date:
    return datetime.fromtimestamp(start_ms / 1000 + days * 86_400, UTC).date()
