"""Runs the tests of workflows: a rehearsal on simulated time, then the comparison with what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.author.case_files import (
    Action,
    Case,
    CaseFile,
    JobOutcome,
    duration_ms,
    instant_ms,
    instant_text,
    order_day,
    read_case_file,
)
from stellwerk.author.files import AuthorFile, find_files
from stellwerk.author.rehearsal import JobEnd, Rehearsal
from stellwerk.engine import commands, noticing
from stellwerk.engine import requests as r
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order, state_name
from stellwerk.engine.scopes import order_scope
from stellwerk.language.instructions import ExecuteNamed
from stellwerk.language.items import AgentRef, Calendar, SubagentItem
from stellwerk.language.jobs import (
    CommandLineExecutable,
    InternalExecutable,
    PathExecutable,
    ShellScriptExecutable,
    WorkflowJob,
)
from stellwerk.language.outcomes import AnyOutcome, Disrupted, Failed, Succeeded
from stellwerk.language.positions import position_text
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import Problem, ProblemError

#: The order day of ids like `#2026-01-15#…`, for Cycle instructions; the Cockpit keeps one of this name.
_DAILY_PLAN = Calendar(path="dailyPlan", order_id_pattern="#([^#]+)#.*", period_date_pattern="yyyy-MM-dd")
#: Lines of the history that a failed test shows.
_SHOWN_EVENTS = 60


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """One test."""

    file: str
    name: str
    #: What is not as expected; empty: passed.
    differences: tuple[str, ...]
    #: The order's events with their times, for a failed test.
    history: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        return not self.differences


def run_file(file: Path) -> Iterator[Result]:
    """Raises `ProblemError` for a file that cannot be used, `OSError` for one that cannot be read."""
    found = read_case_file(file)
    objects = _objects(file, found)
    for case in found.test:
        try:
            yield _Run(file, found, case, objects).result()
        except ProblemError as error:
            yield Result(str(file), case.name, (str(error.problem),))


def _objects(file: Path, found: CaseFile) -> list[AuthorFile]:
    folder = file.parent
    if found.files is None:
        paths = find_files([folder])
    else:
        paths = [path for pattern in found.files for path in sorted(folder.glob(pattern))]
    objects = [AuthorFile(path) for path in paths]
    if not any(item.kind == "WORKFLOW" for item in objects):
        raise ProblemError(f"{file}: there is no workflow in {folder}; name files in `files`")
    return objects


class _Run:
    """One case on its way."""

    def __init__(self, file: Path, found: CaseFile, case: Case, objects: list[AuthorFile]) -> None:
        self._file = file
        self._found = found
        self._case = case
        self._start_ms = instant_ms(case.start or found.start)
        self._workflow = self._the_workflow(objects)
        day = order_day(self._start_ms, 0).isoformat()
        self._order_id = case.order or f"#{day}#T1-{self._workflow.id.path}"
        self._outcomes = {name: list(_listed(value)) for name, value in {**found.jobs, **case.jobs}.items()}
        self._started: list[tuple[int, str, str]] = []
        self._rehearsal = Rehearsal(self._job, self._start_ms)
        self._prepare(objects)

    def _the_workflow(self, objects: list[AuthorFile]) -> Workflow:
        workflows = {item.name: item for item in objects if item.kind == "WORKFLOW"}
        name = self._case.workflow or self._found.workflow
        if name is None and len(workflows) == 1:
            name = next(iter(workflows))
        if name is None:
            raise ProblemError(f"say which `workflow` is tested: {', '.join(sorted(workflows))}")
        item = workflows.get(name.removesuffix(".workflow.json"))
        if item is None:
            raise ProblemError(f"there is no workflow {name!r} among {', '.join(sorted(workflows))}")
        return _valid(item)

    def _prepare(self, objects: list[AuthorFile]) -> None:
        rehearsal = self._rehearsal
        rehearsal.add_item(_DAILY_PLAN)
        for item in objects:
            if item.item is not None and not isinstance(item.item, AgentRef | SubagentItem):
                rehearsal.add_item(item.item)
            if item.kind == "WORKFLOW" and item.workflow is not None:
                rehearsal.add_workflow(item.workflow)
        rehearsal.add_workflow(self._workflow)
        unknown = sorted(set(self._outcomes) - {"*"} - set(self._names_of_jobs()))
        if unknown:
            raise ProblemError(f"there is no job or label {', '.join(unknown)} in these workflows")

    def _names_of_jobs(self) -> Iterator[str]:
        for workflow in self._rehearsal.controller.workflows.values():
            for position, instruction in workflow.instructions():
                if instruction.label is not None:
                    yield instruction.label
                if isinstance(instruction, ExecuteNamed):
                    yield instruction.job_name
                else:
                    yield position_text(position)

    # --- jobs ---

    def _job(self, order: Order) -> JobEnd:
        workflow = self._rehearsal.controller.workflow(order.workflow_id)
        instruction = workflow.instruction(order.position)
        key, job = workflow.job(order.position)
        names = [instruction.label, key.name, position_text(key.place) if key.name is None else None, "*"]
        shown = next(name for name in names if name is not None)
        self._started.append((self._rehearsal.now_ms, shown, order.id))
        for name in names:
            outcomes = self._outcomes.get(name) if name is not None else None
            if outcomes:
                outcome = outcomes[0] if len(outcomes) == 1 else outcomes.pop(0)
                return JobEnd(_job_outcome(outcome, job), duration_ms(outcome.duration))
        return JobEnd(_job_outcome(JobOutcome(), job))

    # --- running ---

    def result(self) -> Result:
        case, rehearsal = self._case, self._rehearsal
        for day in range(case.days):
            self._add(day)
        end_ms = self._start_ms + duration_ms(case.run_for or self._found.run_for)
        for action in sorted(case.do, key=lambda item: duration_ms(item.at)):
            rehearsal.advance_to(self._start_ms + duration_ms(action.at))
            self._act(action)
        rehearsal.advance_to(max(end_ms, rehearsal.now_ms))
        differences = tuple(self._differences())
        return Result(str(self._file), case.name, differences, tuple(self._history()) if differences else ())

    def _add(self, day: int) -> None:
        case = self._case
        order_id, scheduled_ms = self._order_id, None if case.scheduled_for is None else instant_ms(case.scheduled_for)
        if case.days > 1:
            date = order_day(self._start_ms, day).isoformat()
            order_id = f"#{date}#T1-{self._workflow.id.path}"
            if scheduled_ms is not None:
                scheduled_ms += day * 86_400_000
        self._rehearsal.command(
            commands.add_order,
            r.FreshOrder(
                id=order_id,
                workflow_path=self._workflow.id.path,
                arguments=case.arguments,
                scheduled_for=scheduled_ms,
            ),
        )

    def _act(self, action: Action) -> None:
        act = _ACTIONS.get(action.command)
        if act is None:
            raise ProblemError(f"unknown command {action.command!r}; known: {', '.join(sorted(_ACTIONS))}")
        act(self._rehearsal, action, action.order or self._order_id, self._workflow.id.path)

    # --- comparing ---

    def _differences(self) -> Iterator[str]:
        expect = self._case.expect
        order = self._rehearsal.controller.orders.get(self._order_id)
        state = "Deleted" if order is None else state_name(order.state)
        if expect.state is not None and state != expect.state:
            yield _differs("state", expect.state, state)
        path = [name for _, name, _ in self._started]
        if expect.path is not None and path != expect.path:
            yield _differs("path", expect.path, path)
        for name, wanted in (expect.runs or {}).items():
            count = path.count(name)
            if count != wanted:
                yield _differs(f"runs.{name}", wanted, count)
        for name, times in (expect.starts or {}).items():
            actual = [instant_text(time) for time, job, _ in self._started if job == name]
            wanted_times = [instant_text(instant_ms(time)) for time in times]
            if actual != wanted_times:
                yield _differs(f"starts.{name}", wanted_times, actual)
        yield from self._order_differences(order)
        yield from self._end_differences()
        for order_id, wanted_state in (expect.orders or {}).items():
            other = self._rehearsal.controller.orders.get(order_id)
            other_state = "Deleted" if other is None else state_name(other.state)
            if other_state != wanted_state:
                yield _differs(f"orders.{order_id}", wanted_state, other_state)

    def _order_differences(self, order: Order | None) -> Iterator[str]:
        expect = self._case.expect
        tags = [_tag(event) for key, event in self._rehearsal.events if key == self._order_id]
        if expect.events is not None and not _is_subsequence(expect.events, tags):
            yield _differs("events", expect.events, tags)
        if order is None:
            return
        if expect.position is not None and position_text(order.position) != expect.position:
            yield _differs("position", expect.position, position_text(order.position))
        if expect.message is not None and expect.message not in _message(order.last_outcome):
            yield _differs("message", expect.message, _message(order.last_outcome))
        scope = order_scope(self._rehearsal.controller, order, self._rehearsal.context())
        for name, wanted in (expect.variables or {}).items():
            try:
                value: Any = scope.named(name)
            except KeyError:
                value = None
            if value != wanted:
                yield _differs(f"variables.{name}", wanted, value)

    def _end_differences(self) -> Iterator[str]:
        expect = self._case.expect
        if expect.ended_at is None and expect.ends_within is None:
            return
        ends = [
            time
            for (key, event), time in zip(self._rehearsal.events, self._rehearsal.times_ms, strict=True)
            if key == self._order_id and isinstance(event, e.OrderFinished | e.OrderFailed | e.OrderCancelled)
        ]
        if not ends:
            yield "the order has not ended"
            return
        if expect.ended_at is not None and ends[-1] != instant_ms(expect.ended_at):
            yield _differs("ended_at", instant_text(instant_ms(expect.ended_at)), instant_text(ends[-1]))
        if expect.ends_within is not None and ends[-1] - self._start_ms > duration_ms(expect.ends_within):
            yield _differs("ends_within", expect.ends_within, f"{(ends[-1] - self._start_ms) / 1000:g} s")

    def _history(self) -> Iterator[str]:
        shown = [
            f"{instant_text(time)} {key} {_event_text(event)}"
            for (key, event), time in zip(self._rehearsal.events, self._rehearsal.times_ms, strict=True)
            if isinstance(event, e.OrderEvent) and not isinstance(event, _INVISIBLE)
        ]
        if len(shown) > _SHOWN_EVENTS:
            yield f"({len(shown) - _SHOWN_EVENTS} events before)"
        yield from shown[-_SHOWN_EVENTS:]


_INVISIBLE = (e.OrderAttachable, e.OrderAttached, e.OrderDetachable, e.OrderDetached)


def _valid(item: AuthorFile) -> Workflow:
    if item.workflow is None or item.problems:
        problems = [problem.problem for problem in item.problems]
        raise ProblemError(Problem.combined(problems or [Problem(message=f"{item.file} is no workflow")]))
    return item.workflow


def _listed(value: list[JobOutcome] | JobOutcome) -> list[JobOutcome]:
    return value if isinstance(value, list) else [value]


def _job_outcome(outcome: JobOutcome, job: WorkflowJob) -> AnyOutcome:
    if outcome.lost:
        return Disrupted.process_lost(Problem.of("ProcessLostDueToUnknownReason"))
    values = {**outcome.values, "returnCode": outcome.return_code}
    executable = job.executable
    if isinstance(executable, InternalExecutable):
        is_success = outcome.return_code == 0
    else:
        assert isinstance(executable, ShellScriptExecutable | PathExecutable | CommandLineExecutable)
        is_success = executable.return_code_meaning.is_success(outcome.return_code)
    return Succeeded(named_values=values) if is_success else Failed(named_values=values)


def _differs(what: str, expected: Any, actual: Any) -> str:
    return f"{what}: expected {_shown(expected)}, but it is {_shown(actual)}"


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return instant_text(instant_ms(value))
    return repr(value)


def _tag(event: Any) -> str:
    return str(type(event).__struct_config__.tag)


def _event_text(event: Any) -> str:
    members = msgspec.to_builtins(event)
    del members["TYPE"]
    text = ", ".join(f"{name}={value}" for name, value in members.items())
    return f"{_tag(event)} {text[:200]}".rstrip()


def _message(outcome: AnyOutcome) -> str:
    if isinstance(outcome, Failed):
        return outcome.message or ""
    return str(outcome.problem) if isinstance(outcome, Disrupted) else ""


def _is_subsequence(wanted: list[str], actual: list[str]) -> bool:
    rest = iter(actual)
    return all(any(tag == wanted_tag for tag in rest) for wanted_tag in wanted)


# --- what a person does ---

_Act = Callable[[Rehearsal, Action, str, str], None]


def _add_order(rehearsal: Rehearsal, action: Action, order_id: str, workflow: str) -> None:
    fresh = r.FreshOrder(id=order_id, workflow_path=action.workflow or workflow, arguments=action.arguments)
    rehearsal.command(commands.add_order, fresh)


def _notice(action: Action) -> list[str]:
    if action.board is None:
        raise ProblemError(f"{action.command} needs a board")
    return [action.board, action.key] if action.key else [action.board]


_ACTIONS: dict[str, _Act] = {
    "add": _add_order,
    "cancel": lambda run, action, order_id, _: run.command(commands.cancel_orders, [order_id], e.FreshOrStarted()),
    "kill": lambda run, action, order_id, _: run.command(
        commands.cancel_orders, [order_id], e.FreshOrStarted(kill=e.Kill())
    ),
    "suspend": lambda run, action, order_id, _: run.command(commands.suspend_orders, [order_id], e.SuspensionMode()),
    "resume": lambda run, action, order_id, _: run.command(commands.resume_order, r.ResumeOrder(order_id=order_id)),
    "confirm": lambda run, action, order_id, _: run.command(commands.answer_order_prompt, order_id),
    "post-notice": lambda run, action, order_id, _: run.command(
        noticing.post_notice, r.PostNotice(notice_id=_notice(action))
    ),
    "delete-notice": lambda run, action, order_id, _: run.command(
        noticing.delete_notice, r.DeleteNotice(notice_id=_notice(action))
    ),
}
