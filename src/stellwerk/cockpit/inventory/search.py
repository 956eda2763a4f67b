"""Finding inventory objects by parts of their names and contents (cockpit-api 1.7, 3). Pure, but for reading a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from stellwerk.cockpit.inventory.references import Reference, agent_names_of, references_of
from stellwerk.cockpit.inventory.types import ObjectType

#: Least length of a quick search.
MINIMUM_LENGTH = 2
#: Results of a quick search.
MAXIMUM_QUICK_RESULTS = 100

#: Member of an advanced search → types of what must be referred to.
_REFERRED: Mapping[str, ObjectType] = {
    "workflow": ObjectType.WORKFLOW,
    "lock": ObjectType.LOCK,
    "includeScript": ObjectType.INCLUDESCRIPT,
    "calendar": ObjectType.WORKINGDAYSCALENDAR,
    "noticeBoard": ObjectType.NOTICEBOARD,
    "jobResource": ObjectType.JOBRESOURCE,
    "jobTemplate": ObjectType.JOBTEMPLATE,
}


def glob(text: str) -> re.Pattern[str]:
    """`*` and `?` are wildcards, a `*` at the end is implied; found anywhere at the beginning of a name."""
    pattern = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in text)
    return re.compile(pattern + ".*", re.IGNORECASE | re.DOTALL)


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def type(self) -> ObjectType: ...


N = TypeVar("N", bound=_Named)


def quick_matches(text: str, items: Iterable[N]) -> list[N]:
    """Those whose names begin with a text, by name, at most `MAXIMUM_QUICK_RESULTS`."""
    pattern = glob(text)
    found = [item for item in items if pattern.match(item.name)]
    return sorted(found, key=lambda item: (item.name.lower(), item.type))[:MAXIMUM_QUICK_RESULTS]


def matches(text: str | None, name: str, title: str | None) -> bool:
    """Whether name or title contain what is searched for."""
    if not text:
        return True
    pattern = glob(text if text.startswith("*") else f"*{text}")
    return pattern.match(name) is not None or (title is not None and pattern.match(title) is not None)


def matches_advanced(type_: ObjectType, content: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether an object has what an advanced search asks for; all of it must be there."""
    references = references_of(type_, content)
    for member, referred in _REFERRED.items():
        if wanted.get(member) and not _refers(references, referred, str(wanted[member])):
            return False
    agent = wanted.get("agentName")
    if agent and not any(glob(str(agent)).match(name) for name in agent_names_of(content)):
        return False
    jobs = content.get("jobs") if isinstance(content, dict) else None
    jobs = jobs if isinstance(jobs, dict) else {}
    first, last = wanted.get("jobCountFrom"), wanted.get("jobCountTo")
    if (first is not None and len(jobs) < int(first)) or (last is not None and len(jobs) > int(last)):
        return False
    asks_jobs = any(wanted.get(name) for name in ("jobName", "jobScript", "envName", "envValue", "jobCriticality"))
    return not asks_jobs or any(_is_job(name, job, wanted) for name, job in jobs.items() if isinstance(job, dict))


def _refers(references: Iterable[Reference], type_: ObjectType, text: str) -> bool:
    is_calendar = type_ == ObjectType.WORKINGDAYSCALENDAR
    types = {type_, ObjectType.NONWORKINGDAYSCALENDAR} if is_calendar else {type_}
    return any(item.type in types and glob(text).match(item.name) for item in references)


def _is_job(name: str, job: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    job_name = wanted.get("jobName")
    if job_name:
        exact = str(wanted.get("jobNameExactMatch")).lower() == "true"
        if name != job_name if exact else not glob(f"*{job_name}").match(name):
            return False
    criticality = wanted.get("jobCriticality")
    if criticality and str(job.get("criticality", "NORMAL")) != criticality:
        return False
    executable = job.get("executable")
    executable = executable if isinstance(executable, dict) else {}
    script = wanted.get("jobScript")
    if script and str(script).lower() not in str(executable.get("script", "")).lower():
        return False
    env = executable.get("env")
    env = env if isinstance(env, dict) else {}
    env_name, env_value = wanted.get("envName"), wanted.get("envValue")
    return not (env_name or env_value) or any(
        (not env_name or glob(str(env_name)).match(key)) and (not env_value or str(env_value) in str(value))
        for key, value in env.items()
    )
