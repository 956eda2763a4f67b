"""Workflows in words: what an instruction does, what a period is, for `stellwerk explain` and its diagram."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.language.instructions import (
    AddOrder,
    AdmissionTime,
    Break,
    BreakOrder,
    ConsumeNotices,
    Cycle,
    EmptyInstruction,
    End,
    ExecuteAnonymous,
    ExecuteNamed,
    ExpectNotices,
    Fail,
    Finish,
    Fork,
    ForkList,
    Gap,
    If,
    ImplicitEnd,
    Instruction,
    Lock,
    Options,
    PostNotices,
    Prompt,
    Retry,
    Say,
    Sleep,
    StickySubagent,
    Stop,
    Try,
)
from stellwerk.language.schedules import AdmissionTimeScheme, Period, Schedule
from stellwerk.language.schedules.cycle import Continuous, Periodic, Ticking
from stellwerk.language.schedules.periods import (
    DailyPeriod,
    MonthlyDatePeriod,
    MonthlyLastDatePeriod,
    MonthlyLastWeekdayPeriod,
    MonthlyWeekdayPeriod,
    SpecificDatePeriod,
    WeekdayPeriod,
)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("first", "second", "third", "fourth")
_WEEK = 7 * 86_400


def duration(milliseconds: int) -> str:
    """`1 h 30 min`."""
    if milliseconds % 1000:
        return f"{milliseconds / 1000:g} s"
    rest = milliseconds // 1000
    parts = []
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


def _clock(second_of_day: int) -> str:
    text = f"{second_of_day // 3600:02}:{second_of_day // 60 % 60:02}"
    return text + (f":{second_of_day % 60:02}" if second_of_day % 60 else "")


def period(value: Period) -> str:
    """`Monday 08:00 for 2 h`."""
    at = _clock(value.second_of_day)
    match value:
        case DailyPeriod():
            if value.second_of_day == 0 and value.duration_ms == 86_400_000:
                return "always"
            when = f"daily at {at}"
        case WeekdayPeriod():
            when = f"{_WEEKDAYS[value.second_of_week // 86_400]} {at}"
        case MonthlyDatePeriod():
            when = f"on day {value.second_of_month // 86_400 + 1} of the month at {at}"
        case MonthlyLastDatePeriod():
            days = (-value.last_second_of_month - 1) // 86_400
            when = f"on the last day of the month{f' but {days}' if days else ''} at {at}"
        case MonthlyWeekdayPeriod():
            weekday = _WEEKDAYS[value.second_of_weeks % _WEEK // 86_400]
            when = f"on the {_ORDINALS[value.second_of_weeks // _WEEK]} {weekday} of the month at {at}"
        case MonthlyLastWeekdayPeriod():
            weekday = _WEEKDAYS[(value.second_of_weeks + 5 * _WEEK) % _WEEK // 86_400]
            weeks = (-value.second_of_weeks - 1) // _WEEK
            when = f"on the last {weekday} of the month{f' but {weeks}' if weeks else ''} at {at}"
        case SpecificDatePeriod():
            from stellwerk.language.schedules.local_time import local_date

            when = f"on {local_date(value.seconds_since_local_epoch * 1000)} at {at}"
    return f"{when} for {duration(value.duration_ms)}"


def scheme(value: AdmissionTimeScheme) -> str:
    texts = []
    for part in value.restricted_schemes:
        text = ", ".join(period(item) for item in part.periods)
        months = getattr(part.restriction, "months", None)
        texts.append(text + (f" in the months {', '.join(map(str, months))}" if months else ""))
    return "; ".join(texts) or "never"


def schedule(value: Schedule) -> str:
    texts = []
    for part in value.schemes:
        repeat: Any = part.repeat
        match repeat:
            case Periodic():
                offsets = ", ".join(duration(offset) for offset in repeat.offsets_ms)
                how = f"every {duration(repeat.period_ms)}" + (f" at {offsets}" if offsets != "0 s" else "")
            case Ticking():
                how = f"every {duration(repeat.interval_ms)} from the beginning of the period"
            case Continuous():
                limit = f", at most {repeat.limit} times" if repeat.limit is not None else ""
                how = (
                    f"again {duration(repeat.pause_ms)} after the end{limit}" if repeat.pause_ms else f"at once{limit}"
                )
        texts.append(f"{how} ({scheme(part.admission_time_scheme)})")
    return "; ".join(texts) or "never"


def _demands(instruction: Lock) -> str:
    return ", ".join(
        f"{demand.lock_path}" + ("" if demand.count is None else f" ({demand.count})") for demand in instruction.demands
    )


def _arguments(values: Mapping[str, Any]) -> str:
    return f" with {', '.join(f'{name} = {value}' for name, value in values.items())}" if values else ""


def _execute(instruction: ExecuteNamed) -> str:
    return f"run job {instruction.job_name}{_arguments(instruction.default_arguments)}"


def _try(instruction: Try) -> str:
    if instruction.max_tries is None and instruction.retry_delays_ms is None:
        return "try"
    tries = f"at most {instruction.max_tries} times" if instruction.max_tries is not None else "until it succeeds"
    delays = ", ".join(duration(delay) for delay in instruction.retry_delays_ms or ())
    return f"try, {tries}" + (f", with pauses of {delays}" if delays else "")


def _add_order(instruction: AddOrder) -> str:
    return (
        f"add order {instruction.order_id} of workflow {instruction.workflow_path}{_arguments(instruction.arguments)}"
    )


_UNANNOUNCED = {"Wait": "", "SkipWhenNoNotice": ", skip if it is not announced", "DontWait": ", go on if not announced"}

_OPTIONS = {None: "with options", True: "stop where it fails", False: "do not stop where it fails"}

_WORDS: Mapping[type[Instruction], Callable[[Any], str]] = {
    AddOrder: _add_order,
    AdmissionTime: lambda i: f"only {scheme(i.admission_time_scheme)}",
    Break: lambda i: "leave the cycle",
    BreakOrder: lambda i: "break the order (test only)",
    ConsumeNotices: lambda i: f"wait for the notices {i.boards} and consume them{_UNANNOUNCED[i.when_not_announced]}",
    Cycle: lambda i: f"repeat {schedule(i.schedule)}",
    EmptyInstruction: lambda i: "do nothing",
    End: lambda i: "end",
    ExecuteAnonymous: lambda i: f"run a job at Agent {i.job.agent_path}{_arguments(i.default_arguments)}",
    ExecuteNamed: _execute,
    ExpectNotices: lambda i: f"wait for the notices {i.boards}{_UNANNOUNCED[i.when_not_announced]}",
    Fail: lambda i: "fail" + (f" with {i.message}" if i.message is not None else ""),
    Finish: lambda i: "finish" + (" as failed" if i.outcome is not None and not i.outcome.is_succeeded else ""),
    Fork: lambda i: f"in parallel{', failing when a branch has failed' if i.join_if_failed else ''}",
    ForkList: lambda i: f"in parallel for each of {i.children}",
    Gap: lambda i: "gap",
    If: lambda i: "if",
    ImplicitEnd: lambda i: "end",
    Lock: lambda i: f"hold {_demands(i)}",
    Options: lambda i: (
        "with options" if i.stop_on_failure is None else f"stop on failure: {str(i.stop_on_failure).lower()}"
    ),
    PostNotices: lambda i: f"post notices to {', '.join(i.board_paths)}",
    Prompt: lambda i: f"ask {i.question}",
    Retry: lambda i: "try again",
    Say: lambda i: f"say {i.what}",
    Sleep: lambda i: f"sleep {i.duration} s",
    StickySubagent: lambda i: f"all jobs on the same Subagent of Agent {i.agent_path}",
    Stop: lambda i: "stop until somebody resumes the order",
    Try: _try,
}


def instruction(value: Instruction) -> str:
    """What it does, in a few words."""
    return _WORDS[type(value)](value)


def branch(value: Instruction, branch_id: str) -> str:
    """How one of its blocks is called; empty where there is only one."""
    if isinstance(value, If):
        if branch_id == "else":
            return "else"
        index = 0 if branch_id == "then" else int(branch_id[5:]) - 1
        return f"{'else ' if index else ''}if {value.if_thens[index].predicate}"
    if isinstance(value, Try):
        return "" if branch_id == "try" else "on failure"
    return branch_id[5:] if branch_id.startswith("fork+") else ""
