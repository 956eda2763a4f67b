"""What an object refers to by name, and how such names change (cockpit-services 1.5, 1.8). Pure.

One walk serves both: `with_names` gives the content with each name replaced by what a function says, `references_of`
collects what that function is asked for. Whatever is malformed refers to nothing and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.inventory.include_scripts import with_included_names
from stellwerk.language.inventory.workflow import walk


class Reference(msgspec.Struct, frozen=True, order=True):
    """An object that is referred to by type and name."""

    type: ObjectType
    name: str


#: Gives the name that shall stand there.
Rename = Callable[[Reference], str]

#: References to objects that need not exist: a job holds a copy of its template (cockpit-services 1.12).
SOFT = frozenset({ObjectType.JOBTEMPLATE})

#: Instruction → its members that hold a name or a list of names.
_INSTRUCTION_MEMBERS: dict[str, tuple[tuple[str, ObjectType], ...]] = {
    "Lock": (("lockName", ObjectType.LOCK),),
    "AddOrder": (("workflowName", ObjectType.WORKFLOW),),
    **{
        name: (("noticeBoardName", ObjectType.NOTICEBOARD), ("noticeBoardNames", ObjectType.NOTICEBOARD))
        for name in ("PostNotice", "PostNotices", "ExpectNotice")
    },
}
#: Instructions whose `noticeBoardNames` is an expression with quoted names.
_BOARD_EXPRESSIONS = frozenset({"ExpectNotices", "ConsumeNotices"})
_QUOTED = re.compile(r"(?P<quote>['\"])(?P<name>[^'\"]+)(?P=quote)")
_JOB_RESOURCES = (
    ("jobResourceNames", ObjectType.JOBRESOURCE),
    ("jobResourcePaths", ObjectType.JOBRESOURCE),
)


def references_of(type_: ObjectType, content: Any) -> frozenset[Reference]:
    """The objects that an object refers to by name."""
    found: set[Reference] = set()

    def collect(reference: Reference) -> str:
        found.add(reference)
        return reference.name

    with_names(type_, content, collect)
    return frozenset(found)


def with_names(type_: ObjectType, content: Any, rename: Rename) -> Any:
    """The content with other names of what it refers to."""
    walker = _WALKERS.get(type_)
    return content if walker is None or not isinstance(content, dict) else walker(content, rename)


def place_of(type_: ObjectType, content: Any, reference: Reference) -> str:
    """The JSON path of the first place where a content refers to something; `$` if it does not."""
    # A name that nothing can have: what is different then is where the name stands.
    changed = with_names(type_, content, renaming({reference: f"{reference.name}\0"}))
    return _first_difference(content, changed, "$") or "$"


def _first_difference(former: Any, changed: Any, path: str) -> str | None:
    if isinstance(former, dict) and isinstance(changed, dict):
        parts = [(former[name], changed.get(name), f"{path}.{name}") for name in former]
    elif isinstance(former, list) and isinstance(changed, list):
        parts = [
            (one, other, f"{path}[{index}]") for index, (one, other) in enumerate(zip(former, changed, strict=True))
        ]
    else:
        return None if former == changed else path
    return next((found for one, other, inner in parts if (found := _first_difference(one, other, inner))), None)


def renaming(names: Mapping[Reference, str]) -> Rename:
    """A `Rename` by a table; what is not in it keeps its name."""
    return lambda reference: names.get(reference, reference.name)


def agent_names_of(content: Any) -> frozenset[str]:
    """The names of Agents that a workflow uses."""
    if not isinstance(content, dict):
        return frozenset()
    jobs = content.get("jobs")
    holders = [*(jobs.values() if isinstance(jobs, dict) else ()), *walk(content.get("instructions")), content]
    return frozenset(
        holder["agentName"]
        for holder in holders
        if isinstance(holder, dict) and isinstance(holder.get("agentName"), str)
    )


def _names(value: Any, type_: ObjectType, rename: Rename) -> Any:
    """A name or a list of names."""
    if isinstance(value, list):
        return [_names(item, type_, rename) for item in value]
    return rename(Reference(type_, value)) if isinstance(value, str) and value else value


def _members(holder: Any, members: tuple[tuple[str, ObjectType], ...], rename: Rename) -> Any:
    if not isinstance(holder, dict):
        return holder
    changed = {name: _names(holder[name], type_, rename) for name, type_ in members if name in holder}
    return {**holder, **changed}


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    return [change(item) for item in value] if isinstance(value, list) else value


def _workflow(content: dict[str, Any], rename: Rename) -> dict[str, Any]:
    result: dict[str, Any] = _members(content, _JOB_RESOURCES, rename)
    if isinstance(content.get("jobs"), dict):
        result["jobs"] = {name: _job(job, rename) for name, job in content["jobs"].items()}
    if "instructions" in content:
        result["instructions"] = _instructions(content["instructions"], rename)
    return result


def _job(job: Any, rename: Rename) -> Any:
    """A job of a workflow, or a job template."""
    if not isinstance(job, dict):
        return job
    result: dict[str, Any] = _members(job, _JOB_RESOURCES, rename)
    if "jobTemplate" in job:
        result["jobTemplate"] = _members(job["jobTemplate"], (("name", ObjectType.JOBTEMPLATE),), rename)
    executable = job.get("executable")
    if isinstance(executable, dict) and isinstance(executable.get("script"), str):
        script = with_included_names(
            executable["script"], lambda name: rename(Reference(ObjectType.INCLUDESCRIPT, name))
        )
        result["executable"] = {**executable, "script": script}
    return result


def _instructions(value: Any, rename: Rename) -> Any:
    """A list of instructions at any depth; blocks are found by their form, like `walk` does."""
    return _each(value, lambda item: _instruction(item, rename) if isinstance(item, dict) else item)


def _instruction(instruction: dict[str, Any], rename: Rename) -> Any:
    kind = instruction.get("TYPE")
    result: Any = {name: _blocks(value, rename) for name, value in instruction.items()}
    if not isinstance(kind, str):
        return result
    result = _members(result, _INSTRUCTION_MEMBERS.get(kind, ()), rename)
    if kind == "Lock" and "demands" in result:
        result["demands"] = _each(
            result["demands"], lambda demand: _members(demand, (("lockName", ObjectType.LOCK),), rename)
        )
    elif kind in _BOARD_EXPRESSIONS and isinstance(result.get("noticeBoardNames"), str):
        result["noticeBoardNames"] = _QUOTED.sub(
            lambda match: f"{match['quote']}{rename(Reference(ObjectType.NOTICEBOARD, match['name']))}{match['quote']}",
            result["noticeBoardNames"],
        )
    return result


def _blocks(value: Any, rename: Rename) -> Any:
    if isinstance(value, dict):
        return _block(value, rename)
    if isinstance(value, list):  # branches of a fork, cases
        return [
            {name: _block(inner, rename) for name, inner in entry.items()} if isinstance(entry, dict) else entry
            for entry in value
        ]
    return value


def _block(value: Any, rename: Rename) -> Any:
    if isinstance(value, dict) and "instructions" in value:
        return {**value, "instructions": _instructions(value["instructions"], rename)}
    return value


def _file_order_source(content: dict[str, Any], rename: Rename) -> Any:
    members = (("workflowName", ObjectType.WORKFLOW), ("workflowPath", ObjectType.WORKFLOW))
    return _members(content, members, rename)


def _schedule(content: dict[str, Any], rename: Rename) -> dict[str, Any]:
    members = (("workflowNames", ObjectType.WORKFLOW), ("workflowName", ObjectType.WORKFLOW))
    result: dict[str, Any] = _members(content, members, rename)
    for member, type_ in (
        ("calendars", ObjectType.WORKINGDAYSCALENDAR),
        ("nonWorkingDayCalendars", ObjectType.NONWORKINGDAYSCALENDAR),
    ):
        if member in content:
            result[member] = _each(content[member], partial(_assigned, type_=type_, rename=rename))
    return result


def _assigned(entry: Any, *, type_: ObjectType, rename: Rename) -> Any:
    """A calendar as a schedule uses it."""
    changed: Any = _members(entry, (("calendarName", type_),), rename)
    return _calendar(changed, rename) if isinstance(changed, dict) else changed


def _calendar(content: dict[str, Any], rename: Rename) -> dict[str, Any]:
    excludes = content.get("excludes")
    if not isinstance(excludes, dict):
        return content
    members = (("nonWorkingDayCalendars", ObjectType.NONWORKINGDAYSCALENDAR),)
    return {**content, "excludes": _members(excludes, members, rename)}


_WALKERS: Mapping[ObjectType, Callable[[dict[str, Any], Rename], Any]] = {
    ObjectType.WORKFLOW: _workflow,
    ObjectType.JOBTEMPLATE: _job,
    ObjectType.FILEORDERSOURCE: _file_order_source,
    ObjectType.SCHEDULE: _schedule,
    ObjectType.WORKINGDAYSCALENDAR: _calendar,
    ObjectType.NONWORKINGDAYSCALENDAR: _calendar,
}
