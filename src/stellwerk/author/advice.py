"""Likely mistakes in workflows that can be deployed: what `stellwerk check` says beyond the rules of the language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from stellwerk.author import rules
from stellwerk.author.files import AuthorFile
from stellwerk.author.rules import Rule
from stellwerk.author.walk import Visited, blocks, visit
from stellwerk.language.expressions import Expression, Function
from stellwerk.language.expressions.names import NamedValue
from stellwerk.language.expressions.nodes import ObjectLiteral
from stellwerk.language.instructions import (
    AddOrder,
    AdmissionTime,
    Break,
    ConsumeNotices,
    Cycle,
    End,
    ExecuteAnonymous,
    ExecuteNamed,
    ExpectNotices,
    Fail,
    Finish,
    ForkList,
    Instruction,
    Lock,
    PostNotices,
    Retry,
    StickySubagent,
    Stop,
    Try,
)
from stellwerk.language.instructions.try_ import contains_retry
from stellwerk.language.items import LockItem
from stellwerk.language.jobs import ShellScriptExecutable, WorkflowJob
from stellwerk.language.run_times import RunTime
from stellwerk.language.schedules import AdmissionTimeScheme, time_zone
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError


class Advice(msgspec.Struct, frozen=True):
    """A finding at a JSON path of the engine's form."""

    file: AuthorFile
    path: str
    rule: Rule
    message: str


def of_each(files: Iterable[AuthorFile]) -> Iterator[Advice]:
    """What a workflow shows by itself."""
    for file in files:
        if file.workflow is None:
            continue
        yield from _of_definition(file, file.workflow)
        yield from _expected_run_times(file)
        yield from _of_blocks(file, file.workflow)
        for visited in visit(file.workflow):
            yield from _of_instruction(file, visited)
        yield from _unset_variables(file, file.workflow)


# --- one workflow ---


def _of_definition(file: AuthorFile, workflow: Workflow) -> Iterator[Advice]:
    zone = workflow.definition.time_zone
    try:
        time_zone(zone)
    except ProblemError:
        yield Advice(file, "$.timeZone", rules.UNKNOWN_TIME_ZONE, f"{zone!r} is no time zone")
    always = [item for item in workflow.definition.instructions if isinstance(item, AddOrder)]
    for instruction in always:
        if instruction.workflow_path == workflow.id.path:
            index = workflow.definition.instructions.index(instruction)
            yield Advice(
                file,
                f"$.instructions[{index}]",
                rules.ENDLESS_ADD_ORDER,
                f"each order adds another order of {workflow.id.path}",
            )


def _expected_run_times(file: AuthorFile) -> Iterator[Advice]:
    """Of these only the Cockpit knows (services spec 6.2), so they are not in the engine's form."""
    for name, job in (file.content.get("jobs") or {}).items():
        for member in ("warnIfLonger", "warnIfShorter"):
            value = job.get(member)
            try:
                if value is not None:
                    RunTime.parse(str(value))
            except ProblemError:
                message = f"{member} of job {name!r} is {value!r}"
                yield Advice(file, f"$.jobs.{name}.{member}", rules.EXPECTED_RUN_TIME, message)


def _of_blocks(file: AuthorFile, workflow: Workflow) -> Iterator[Advice]:
    executed = {item.job_name for _, item in workflow.instructions() if isinstance(item, ExecuteNamed)}
    for block, path in blocks(workflow):
        for name, job in block.jobs.items():
            job_path = f"{path}.jobs.{name}"
            if name not in executed:
                yield Advice(file, job_path, rules.UNUSED_JOB, f"job {name!r} is never executed")
            yield from _of_job(file, name, job, job_path)


def _of_job(file: AuthorFile, name: str, job: WorkflowJob, path: str) -> Iterator[Advice]:
    if job.process_limit == 0:
        yield Advice(file, f"{path}.processLimit", rules.ZERO_LIMIT, f"job {name!r} never runs")
    if job.admission_time_scheme is not None:
        yield from _of_scheme(file, f"{path}.admissionTimeScheme", job.admission_time_scheme)
    if isinstance(job.executable, ShellScriptExecutable) and "\r\n" in job.executable.script:
        yield Advice(file, f"{path}.executable.script", rules.CRLF_SCRIPT, f"the script of job {name!r} has CR LF")


def _of_scheme(file: AuthorFile, path: str, scheme: AdmissionTimeScheme) -> Iterator[Advice]:
    if not any(part.periods for part in scheme.restricted_schemes):
        yield Advice(file, path, rules.NEVER_ADMITTED, "there is no period")


_ENDS = (Fail, Finish, Stop, End, Break, Retry)


def _of_instruction(file: AuthorFile, visited: Visited) -> Iterator[Advice]:
    instruction, path = visited.instruction, visited.path
    if isinstance(instruction, _ENDS) and visited.following:
        head, _, number = path.rpartition("[")
        yield Advice(
            file,
            f"{head}[{int(number[:-1]) + 1}]",
            rules.UNREACHABLE,
            f"no order gets behind the {_tag(instruction)} before",
        )
    if isinstance(instruction, Try):
        yield from _of_try(file, instruction, path)
    elif isinstance(instruction, AdmissionTime):
        yield from _of_scheme(file, f"{path}.admissionTimeScheme", instruction.admission_time_scheme)
    elif isinstance(instruction, Cycle):
        for index, scheme in enumerate(instruction.schedule.schemes):
            scheme_path = f"{path}.schedule.schemes[{index}].admissionTimeScheme"
            yield from _of_scheme(file, scheme_path, scheme.admission_time_scheme)
    elif isinstance(instruction, Lock):
        outer = {demand.lock_path for item, _ in visited.ancestors if isinstance(item, Lock) for demand in item.demands}
        for index, demand in enumerate(instruction.demands):
            if demand.lock_path in outer:
                message = f"lock {demand.lock_path!r} is held already by an enclosing Lock instruction"
                yield Advice(file, f"{path}.demands[{index}]", rules.SELF_DEADLOCK, message)
    elif isinstance(instruction, StickySubagent):
        if any(isinstance(o, StickySubagent) and o.agent_path == instruction.agent_path for o, _ in visited.ancestors):
            yield Advice(file, path, rules.NESTED_STICKY, f"of Agent {instruction.agent_path!r}")
    elif isinstance(instruction, ExecuteNamed | ExecuteAnonymous):
        yield from _of_execute(file, visited)


def _of_try(file: AuthorFile, instruction: Try, path: str) -> Iterator[Advice]:
    if not instruction.catch.instructions:
        yield Advice(file, f"{path}.catch", rules.SWALLOWED_ERROR, "the catch block is empty")
    if contains_retry(instruction.catch) and instruction.max_tries is None:
        pause = "" if any(instruction.retry_delays_ms or ()) else ", without pause"
        yield Advice(file, path, rules.ENDLESS_RETRY, f"it retries without end{pause}")


def _of_execute(file: AuthorFile, visited: Visited) -> Iterator[Advice]:
    instruction = visited.instruction
    if isinstance(instruction, ExecuteAnonymous):
        job: WorkflowJob | None = instruction.job
        yield from _of_job(file, "of this instruction", instruction.job, f"{visited.path}.job")
    else:
        assert isinstance(instruction, ExecuteNamed)
        job = next((jobs[instruction.job_name] for jobs in visited.jobs if instruction.job_name in jobs), None)
    if job is None or not job.is_not_restartable:
        return
    for ancestor, branch in visited.ancestors:
        if isinstance(ancestor, Try) and branch == "try" and contains_retry(ancestor.catch):
            yield Advice(file, visited.path, rules.NOT_RESTARTABLE, "the Try around repeats it")
            return


def _tag(instruction: Instruction) -> str:
    return str(type(instruction).__struct_config__.tag)


# --- variables ---

_PREDEFINED = re.compile(r"^(js7\w+|returnCode|orderWatchPath|\d+)$")


def _unset_variables(file: AuthorFile, workflow: Workflow) -> Iterator[Advice]:
    """Named values that nothing sets. Only where undeclared order arguments are refused, so that all are known."""
    preparation = workflow.definition.order_preparation
    if preparation.allow_undeclared:
        return
    known = set(preparation.parameters)
    scripts: list[str] = []
    for _, instruction in workflow.instructions():
        names = _names_set_by(instruction)
        if names is None:
            return
        known |= names
    for job in workflow.all_jobs():
        known |= set(job.default_arguments)
        if not isinstance(job.executable, ShellScriptExecutable):
            return  # it may return anything
        scripts.append(job.executable.script)
    if workflow.definition.job_resource_paths or any(job.job_resource_paths for job in workflow.all_jobs()):
        return  # their variables are not in this file
    text = "\n".join(scripts)
    for visited in visit(workflow):
        for name in sorted(
            {name for expression in visited.instruction.expressions() for name in _names_in(expression)}
        ):
            if name in known or _PREDEFINED.match(name):
                continue
            if re.search(rf"\b{re.escape(name)}\b\s*=", text):
                continue  # a script returns it
            yield Advice(file, visited.path, rules.UNSET_VARIABLE, f"${name} is used here, and nothing sets it")


def _names_set_by(instruction: Instruction) -> set[str] | None:
    """None: any names, which only a run can tell."""
    if isinstance(instruction, Fail):
        return set(instruction.named_values)
    if isinstance(instruction, Finish):
        return set(instruction.outcome.named_values) if instruction.outcome is not None else set()
    names: set[str] = set()
    if isinstance(instruction, ExecuteNamed | ExecuteAnonymous):
        names |= set(instruction.default_arguments)
    if isinstance(instruction, ForkList):
        body = instruction.child_to_arguments.body
        if not isinstance(body, ObjectLiteral):
            return None
        names |= set(body.members)
    for nested in instruction.nested(False):
        names |= set(nested.block.result or {})
    return names


def _names_in(expression: Expression, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    if isinstance(expression, Function):
        bound |= frozenset(expression.parameters)
    if isinstance(expression, NamedValue) and expression.name not in bound:
        yield expression.name
    for child in expression.children():
        yield from _names_in(child, bound)


# --- all files together ---


def of_all(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    """What only the sight of several files shows."""
    yield from _same_names(files)
    yield from _lock_orders(files)
    yield from _lock_counts(files)
    yield from _missing_objects(files)
    yield from _never_posted(files)


def _same_names(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    first: dict[tuple[str, str], AuthorFile] = {}
    for file in files:
        other = first.setdefault((file.kind, file.name), file)
        if other is not file:
            yield Advice(file, "$", rules.SAME_NAME, f"{file.name!r} is the name of {other.file}, too")


def _lock_orders(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    """Locks taken within locks: a circle of such pairs is a deadlock that waits for its day."""
    edges: dict[str, dict[str, Advice]] = {}
    for file in files:
        for visited in visit(file.workflow) if file.workflow is not None else ():
            if not isinstance(visited.instruction, Lock):
                continue
            inner = [demand.lock_path for demand in visited.instruction.demands]
            for ancestor, _ in visited.ancestors:
                for outer in (demand.lock_path for demand in ancestor.demands) if isinstance(ancestor, Lock) else ():
                    for path in inner:
                        if path != outer:
                            message = f"{path!r} is taken while {outer!r} is held"
                            advice = Advice(file, visited.path, rules.LOCK_ORDER, message)
                            edges.setdefault(outer, {}).setdefault(path, advice)
    for outer, targets in edges.items():
        for path, advice in targets.items():
            way = _way(edges, path, outer)
            if way:
                others = "; elsewhere " + ", ".join(edges[a][b].message for a, b in pairwise(way))
                yield Advice(advice.file, advice.path, advice.rule, advice.message + others)


def _way(edges: dict[str, dict[str, Advice]], start: str, goal: str) -> list[str]:
    """A way from lock to lock, both ends included; empty if there is none."""
    came_from: dict[str, str] = {start: ""}
    pending = [start]
    while pending:
        node = pending.pop(0)
        if node == goal:
            way = [node]
            while came_from[way[0]]:
                way.insert(0, came_from[way[0]])
            return way
        for following in edges.get(node, ()):
            if following not in came_from:
                came_from[following] = node
                pending.append(following)
    return []


def _lock_counts(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    limits = {file.item.path: file.item.limit for file in files if isinstance(file.item, LockItem)}
    for file in files:
        for visited in visit(file.workflow) if file.workflow is not None else ():
            if isinstance(visited.instruction, Lock):
                for index, demand in enumerate(visited.instruction.demands):
                    limit = limits.get(demand.lock_path)
                    if limit is not None and demand.count is not None and demand.count > limit:
                        yield Advice(
                            file,
                            f"{visited.path}.demands[{index}]",
                            rules.LOCK_COUNT,
                            f"{demand.count} of lock {demand.lock_path!r}, which has a limit of {limit}",
                        )


_KIND_NAMES = {"LOCK": "lock", "NOTICEBOARD": "notice board", "JOBRESOURCE": "job resource"}


def _missing_objects(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    """Only for kinds of which there is a file: else the objects are plainly kept elsewhere."""
    names: dict[str, set[str]] = {}
    for file in files:
        names.setdefault(file.kind, set()).add(file.name)
    for file in files:
        if file.workflow is None:
            continue
        wanted = {
            "LOCK": file.workflow.lock_paths(),
            "NOTICEBOARD": file.workflow.board_paths(),
            "JOBRESOURCE": file.workflow.job_resource_paths(),
        }
        for kind, used in wanted.items():
            for name in sorted(used - names[kind]) if kind in names else ():
                yield Advice(file, "$", rules.MISSING_OBJECT, f"{_KIND_NAMES[kind]} {name!r} is not among these files")


def _never_posted(files: Sequence[AuthorFile]) -> Iterator[Advice]:
    """Only for boards that are among the files: who brings the board along, brings who posts to it."""
    boards = {file.name for file in files if file.kind == "NOTICEBOARD"}
    posted: set[str] = set()
    for file in files:
        for _, instruction in file.workflow.instructions() if file.workflow is not None else ():
            if isinstance(instruction, PostNotices):
                posted.update(instruction.board_paths)
    for file in files:
        for visited in visit(file.workflow) if file.workflow is not None else ():
            if isinstance(visited.instruction, ExpectNotices | ConsumeNotices):
                for path in visited.instruction.boards.board_paths():
                    if path in boards and path not in posted:
                        yield Advice(file, visited.path, rules.NEVER_POSTED, f"nothing posts to {path!r}")
