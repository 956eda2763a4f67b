"""Names of tags as people and archives write them (cockpit-services 1.9, 1.10). Pure.

A tag is written `tag`, or `group:tag` where it belongs to a group. Names are unique without regard to the group, so a
tag may always be named without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.inventory.names import name_fault
from stellwerk.language.inventory.workflow import walk

SEPARATOR = ":"


class TagKind(IntEnum):
    """What has the tags of this name space; the number is what the database holds."""

    WORKFLOW = 0
    JOB = 1
    ORDER = 2


class Tag(msgspec.Struct, frozen=True):
    """A tag by name, with its group if it has one, or if one is said."""

    name: str
    group: str | None = None

    def __str__(self) -> str:
        return self.name if self.group is None else f"{self.group}{SEPARATOR}{self.name}"


def tags_of(texts: Iterable[str]) -> list[Tag]:
    """Tags as they are written, each once. Raises `BadRequest` for names that are not possible."""
    found: dict[str, Tag] = {}
    for text in texts:
        group, separator, name = text.rpartition(SEPARATOR)
        for part in (group, name) if separator else (name,):
            fault = name_fault(part)
            if fault is not None:
                raise BadRequest(f"tag {text!r} is not possible: {fault}")
        tag = Tag(name, group or None)
        former = found.get(name)
        if former is not None and None not in (former.group, tag.group) and former.group != tag.group:
            raise BadRequest(f"duplicate tag name '{name}' with different groups: '{former}', '{tag}'")
        found[name] = former if former is not None and tag.group is None else tag
    return list(found.values())


def names_of(texts: Iterable[str]) -> list[str]:
    """The bare names of tags as they are written in filters; what no tag can be called is simply not found."""
    return [text.rpartition(SEPARATOR)[2] for text in texts]


def order_tags_of(type_: ObjectType, content: Any) -> list[Tag]:
    """The tags that an object gives to the orders that it makes, whatever is said of their groups; names that are not
    possible are passed over: an object is stored with all its mistakes."""
    if not isinstance(content, dict):
        return []
    holders: Iterable[Any] = ()
    match type_:
        case ObjectType.SCHEDULE:
            parameterisations = content.get("orderParameterisations") or content.get("variableSets")
            holders = parameterisations if isinstance(parameterisations, list) else ()
        case ObjectType.WORKFLOW:
            holders = (item for item in walk(content.get("instructions")) if item.get("TYPE") == "AddOrder")
        case ObjectType.FILEORDERSOURCE:
            holders = (content,)
    texts = [text for holder in holders if isinstance(holder, dict) for text in _texts(holder.get("tags"))]
    return [Tag(name) for name in dict.fromkeys(names_of(texts)) if name_fault(name) is None]


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


# --- archives ---------------------------------------------------------------------------------------------------------


class ArchivedTags(msgspec.Struct, frozen=True):
    """What an archive says of tags: workflow → its tags, and workflow → job → its tags; all that it knows, in order."""

    workflows: Mapping[str, Sequence[Tag]] = {}
    jobs: Mapping[str, Mapping[str, Sequence[Tag]]] = {}
    #: Also those that nothing has.
    known: Sequence[Tag] = ()


def tags_file(tags: ArchivedTags) -> dict[str, Any]:
    """The content of `tags.json`."""
    users: dict[str, list[str]] = {}
    for workflow, own in sorted(tags.workflows.items()):
        for tag in own:
            users.setdefault(tag.name, []).append(workflow)
    return {
        "tags": [
            {
                "name": tag.name,
                **({} if tag.group is None else {"group": tag.group}),
                "ordering": ordering,
                "usedBy": [{"name": name, "type": ObjectType.WORKFLOW.name} for name in users.get(tag.name, ())],
            }
            for ordering, tag in enumerate(tags.known, 1)
        ],
        "jobTags": [
            {"name": workflow, "jobs": {job: [str(tag) for tag in own] for job, own in sorted(jobs.items())}}
            for workflow, jobs in sorted(tags.jobs.items())
        ],
    }


class _User(msgspec.Struct):
    name: str
    type: str = ObjectType.WORKFLOW.name


class _FileTag(msgspec.Struct, rename="camel"):
    name: str
    group: str | None = None
    ordering: int = 0
    used_by: list[_User] = []


class _FileJobs(msgspec.Struct):
    name: str
    jobs: dict[str, list[str]] = {}


class _File(msgspec.Struct, rename="camel"):
    tags: list[_FileTag] = []
    job_tags: list[_FileJobs] = []


def archived_tags_of(content: Any) -> ArchivedTags:
    """What `tags.json` says. Raises `BadRequest` for what is no such content; unknown members are passed over."""
    try:
        file = msgspec.convert(content, _File)
    except msgspec.ValidationError as error:
        raise BadRequest(f"tags: {error}") from None
    listed = sorted(file.tags, key=lambda tag: tag.ordering)
    known = tags_of(str(Tag(tag.name, tag.group)) for tag in listed)
    by_name = {tag.name: tag for tag in known}
    workflows: dict[str, list[Tag]] = {}
    for entry in listed:
        for user in entry.used_by:
            if user.type == ObjectType.WORKFLOW.name:
                workflows.setdefault(user.name, []).append(by_name[entry.name.rpartition(SEPARATOR)[2]])
    jobs = {
        entry.name: {job: tags_of(texts) for job, texts in entry.jobs.items()} for entry in file.job_tags if entry.jobs
    }
    return ArchivedTags(workflows, jobs, known)
