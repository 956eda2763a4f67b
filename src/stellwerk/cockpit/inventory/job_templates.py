"""Job templates: what a job takes over from the released template that it was made from (cockpit-services 1.12). Pure.

A job holds copies of the template's properties with the template's hash, so that deployment never looks at templates.
`propagated` brings the copies up to date; agents, and values that people have set, stay unless they ask otherwise.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from stellwerk.language.inventory.quoting import expression_of, quote_unless_typed
from stellwerk.language.inventory.workflow import walk
from stellwerk.values.json import encode

#: Taken over as they are; what the template lacks is taken away.
_COPIED = (
    "criticality",
    "documentationName",
    "failOnErrWritten",
    "warnOnErrWritten",
    "graceTimeout",
    "jobResourceNames",
    "parallelism",
    "timeout",
    "title",
    "warnIfLonger",
    "warnIfShorter",
    "isNotRestartable",
)
_ADMISSION = ("admissionTimeScheme", "skipIfNoAdmissionForOrderDay", "killAtEndOfAdmissionPeriod")
_INTERNAL = "InternalExecutable"
#: Not part of what a template says.
_UNHASHED = frozenset({"hash", "version", "path", "name"})


class State(StrEnum):
    """Of a job relative to its template."""

    IN_SYNC = "IN_SYNC"
    NOT_IN_SYNC = "NOT_IN_SYNC"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"


class Outcome(StrEnum):
    """Of a propagation to a job."""

    SKIPPED = "SKIPPED"
    UPTODATE = "UPTODATE"
    CHANGED = "CHANGED"
    CONFLICT = "CONFLICT"
    TEMPLATE_REFERENCE_DELETED = "TEMPLATE_REFERENCE_DELETED"
    PERMISSION_DENIED = "PERMISSION_DENIED"


class Options(msgspec.Struct, rename="camel", kw_only=True):
    """What people ask for; members as in requests."""

    overwrite_notification: bool = False
    overwrite_admission_time: bool = False
    overwrite_values: bool = False
    propagate_optional_arguments: bool = False
    delete_unknown_node_properties: bool = False

    @property
    def is_any_set(self) -> bool:
        return any(getattr(self, name) for name in Options.__struct_fields__)


class JobOutcome(msgspec.Struct, frozen=True):
    """What has been done to a job."""

    outcome: Outcome
    template: str
    changes: list[str] = []
    added: dict[str, Any] = {}
    deleted: dict[str, Any] = {}


def template_hash(content: Mapping[str, Any]) -> str:
    """Equal for templates that say the same."""
    said = _sorted({name: value for name, value in content.items() if name not in _UNHASHED})
    return hashlib.sha256(encode(said)).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value) if value[name] is not None}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def reference_of(job: Any) -> tuple[str, str | None] | None:
    """Name and hash of the template of a job."""
    reference = job.get("jobTemplate") if isinstance(job, dict) else None
    if not isinstance(reference, dict) or not isinstance(reference.get("name"), str):
        return None
    hash_ = reference.get("hash")
    return reference["name"], hash_ if isinstance(hash_, str) else None


def state_of(name: str | None, hash_: str | None, hashes: Mapping[str, str]) -> State:
    """`hashes`: of the released templates by name."""
    if not name:
        return State.UNKNOWN
    if name not in hashes:
        return State.DELETED
    return State.IN_SYNC if hashes[name] == hash_ else State.NOT_IN_SYNC


def has_required_arguments(content: Mapping[str, Any]) -> bool:
    return any(declared.get("required") is True for declared in _arguments(content).values())


def propagated(
    workflow: Mapping[str, Any],
    templates: Mapping[str, Mapping[str, Any]],
    options: Options,
    is_wanted: Callable[[str, str], bool] = lambda job, template: True,
) -> tuple[dict[str, Any], dict[str, JobOutcome]]:
    """The workflow with its jobs as the released templates (by name) have them, and what has happened to which job.

    `is_wanted(job, template)` says which jobs are meant; others are not in the report.
    """
    result = copy.deepcopy(dict(workflow))
    report: dict[str, JobOutcome] = {}
    jobs = result.get("jobs")
    for job_name, job in jobs.items() if isinstance(jobs, dict) else ():
        reference = reference_of(job)
        if reference is None or not is_wanted(job_name, reference[0]):
            continue
        name, hash_ = reference
        template = templates.get(name)
        if template is None:
            del job["jobTemplate"]
            report[job_name] = JobOutcome(Outcome.TEMPLATE_REFERENCE_DELETED, name)
        elif template_hash(template) == hash_ and not options.is_any_set:
            report[job_name] = JobOutcome(Outcome.UPTODATE, name)
        else:
            nodes = [node for node in walk(result.get("instructions")) if _calls(node, job_name)]
            report[job_name] = _take_over(name, job, template, nodes, options)
    return result, report


def _calls(node: Mapping[str, Any], job_name: str) -> bool:
    return node.get("TYPE") == "Execute.Named" and node.get("jobName") == job_name


def _take_over(
    name: str, job: dict[str, Any], template: Mapping[str, Any], nodes: list[dict[str, Any]], options: Options
) -> JobOutcome:
    """Change a job and the instructions that call it."""
    before = copy.deepcopy((job, nodes))
    was_internal, is_internal = _is_internal(job), _is_internal(template)
    arguments = _taken_arguments(job, nodes, was_internal)
    members = [*_COPIED, *(_ADMISSION if options.overwrite_admission_time else ())]
    if options.overwrite_notification:
        members.append("notification")
    changes = []
    for member in members:
        if job.get(member) != template.get(member):
            changes.append(member)
            _set(job, member, copy.deepcopy(template.get(member)))
    executable = {key: value for key, value in (template.get("executable") or {}).items() if key != "arguments"}
    former = {key: value for key, value in (job.get("executable") or {}).items() if key != "arguments"}
    if executable != former:
        changes.append("executable")
    job["executable"] = copy.deepcopy(executable)
    added: dict[str, Any] = {}
    deleted: dict[str, Any] = {}
    holders = [job["executable"]] if is_internal else nodes
    member = "arguments" if is_internal else "defaultArguments"
    # A shell job's arguments stand at each instruction that calls it, those of an internal job at the job.
    sources = arguments if len(arguments) == len(holders) else [_merged(arguments)] * len(holders)
    for holder, present in zip(holders, sources, strict=True):
        _set(holder, member, _argument_values(template, present, options, added, deleted) or None)
    job["jobTemplate"] = {"name": name, "hash": template_hash(template)}
    if before == (job, nodes):
        return JobOutcome(Outcome.UPTODATE, name)
    outcome = Outcome.CONFLICT if was_internal != is_internal and any(arguments) else Outcome.CHANGED
    return JobOutcome(outcome, name, changes, added, deleted)


def _argument_values(
    template: Mapping[str, Any],
    present: Mapping[str, Any],
    options: Options,
    added: dict[str, Any],
    deleted: dict[str, Any],
) -> dict[str, Any]:
    declared = _arguments(template)
    values = dict(present)
    for name, argument in declared.items():
        default = _expression(argument.get("default"))
        is_due = argument.get("required") is True or options.propagate_optional_arguments
        if name not in values and is_due:
            values[name] = added[name] = default
        elif name in values and options.overwrite_values and argument.get("default") is not None:
            values[name] = default
    if options.delete_unknown_node_properties:
        for name in [name for name in values if name not in declared]:
            deleted[name] = values.pop(name)
    return values


def _expression(default: Any) -> Any:
    """The default of a template's argument as an expression of a job."""
    if default is None or default == "":
        return '""'
    return quote_unless_typed(default) if isinstance(default, str) else expression_of(default)


def _taken_arguments(job: dict[str, Any], nodes: list[dict[str, Any]], is_internal: bool) -> list[dict[str, Any]]:
    """The arguments of a job from where they stand; they are taken away there."""
    if is_internal:
        return [_popped(job.get("executable"), "arguments")]
    return [_popped(node, "defaultArguments") for node in nodes]


def _popped(holder: Any, member: str) -> dict[str, Any]:
    value = holder.pop(member, None) if isinstance(holder, dict) else None
    return dict(value) if isinstance(value, dict) else {}


def _merged(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for value in values:
        result = {**value, **result}
    return result


def _is_internal(content: Mapping[str, Any]) -> bool:
    executable = content.get("executable")
    return isinstance(executable, dict) and executable.get("TYPE") == _INTERNAL


def _arguments(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = template.get("arguments")
    return {name: value for name, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}


def _set(holder: dict[str, Any], member: str, value: Any) -> None:
    if value is None:
        holder.pop(member, None)
    else:
        holder[member] = value
