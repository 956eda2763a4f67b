"""`/workflows`, `/workflow`: what is deployed to a Controller, in inventory spelling with positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import regex

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, require_workflow
from stellwerk.cockpit.api.notes import note_marks
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import KnownWorkflows, WorkflowControls
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import Deployed
from stellwerk.cockpit.inventory.names import is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.references import agent_names_of
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import names_of
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.inventory import with_positions
from stellwerk.language.inventory.workflow import walk
from stellwerk.values.json import decode

#: Severity of synchronisation states (cockpit-services 2.8).
_SYNC_SEVERITY = {"IN_SYNC": 6, "NOT_IN_SYNC": 5, "NOT_DEPLOYED": 4, "SUSPENDED": 11, "OUTSTANDING": 11, "UNKNOWN": 2}
IN_SYNC = {"_text": "IN_SYNC", "severity": _SYNC_SEVERITY["IN_SYNC"]}
NOT_IN_SYNC = {"_text": "NOT_IN_SYNC", "severity": _SYNC_SEVERITY["NOT_IN_SYNC"]}
#: A pattern of a caller must not keep us busy for longer.
REGEX_SECONDS = 1.0


class WorkflowId(msgspec.Struct, rename="camel"):
    path: str
    version_id: str | None = None


class Folder(msgspec.Struct, rename="camel"):
    folder: str
    recursive: bool = False


class WorkflowRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_id: WorkflowId
    compact: bool = False


class WorkflowsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_ids: list[WorkflowId] = []
    compact: bool = False
    folders: list[Folder] = []
    states: list[str] = []
    regex: str | None = None
    agent_names: list[str] = []
    workflow_tags: list[str] = []


class WorkflowAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    workflow: dict[str, Any]


class WorkflowsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    workflows: list[dict[str, Any]]


def _view(
    deployed: Deployed, known: KnownWorkflows, path: str, tags: list[str], *, is_current: bool, is_compact: bool
) -> dict[str, Any]:
    content = decode(deployed.inv_content)
    instructions = content.get("instructions") or []
    types = {instruction.get("TYPE") for instruction in walk(instructions)}
    view: dict[str, Any] = {
        name: value for name, value in content.items() if name not in ("TYPE", "instructions", "jobs", "versionId")
    }
    view |= {
        "path": path,
        "versionId": deployed.commit_id,
        "versionDate": timestamp(deployed.deployment_date),
        "isCurrentVersion": is_current,
        "state": sync_state(deployed, known),
        "suspended": deployed.name in known.suspended,
        "fileOrderSources": [],
        "workflowTags": tags,
        "hasExpectedNoticeBoards": bool(types & {"ExpectNotice", "ExpectNotices"}),
        "hasPostNoticeBoards": bool(types & {"PostNotice", "PostNotices"}),
        "hasConsumeNoticeBoards": "ConsumeNotices" in types,
        "hasAddOrderDependencies": "AddOrder" in types,
        "numOfStoppedInstructions": len(known.stopped.get((deployed.name, deployed.commit_id), ())),
        "numOfSkippedInstructions": len(known.skipped.get(deployed.name, ())),
        "deployed": True,
        "valid": True,
    }
    if not is_compact:
        view["instructions"] = with_positions(instructions)
        view["jobs"] = content.get("jobs") or {}
    return view


def sync_state(deployed: Deployed, known: KnownWorkflows) -> dict[str, Any]:
    """`SyncState` of a version of a workflow."""
    text = _sync_text(deployed, known)
    return {"_text": text, "severity": _SYNC_SEVERITY[text]}


def _sync_text(deployed: Deployed, known: KnownWorkflows) -> str:
    if deployed.name in known.suspended:
        return "SUSPENDED"
    if not known.versions:
        return "UNKNOWN"  # nothing has been heard of this Controller yet
    return "IN_SYNC" if (deployed.name, deployed.commit_id) in known.versions else "NOT_IN_SYNC"


async def _paths(context: RequestContext) -> dict[str, str]:
    return await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)


async def workflow(context: RequestContext, request: WorkflowRequest) -> WorkflowAnswer:
    """One deployed workflow, its current or a given version."""
    await context.services.get(Registry).controller(request.controller_id)
    deployer = context.services.get(Deployer)
    wanted = request.workflow_id
    await require_workflow(context, wanted.path)
    deployed = await deployer.workflow(request.controller_id, wanted.path, wanted.version_id or None)
    is_current = True
    if wanted.version_id:
        try:
            current = await deployer.workflow(request.controller_id, wanted.path)
            is_current = current.commit_id == deployed.commit_id
        except ObjectNotFound:  # it has been removed since
            is_current = False
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    path = (await _paths(context)).get(deployed.name, deployed.path)
    tags = (await context.services.get(Inventory).workflow_tags()).get(deployed.name, [])
    view = _view(deployed, known, path, tags, is_current=is_current, is_compact=request.compact)
    notes = await note_marks(context, ObjectType.WORKFLOW)
    view |= {"hasNote": notes[deployed.name]} if deployed.name in notes else {}
    now = timestamp(context.now_ms())
    return WorkflowAnswer(now, now, view)


async def workflows(context: RequestContext, request: WorkflowsRequest) -> WorkflowsAnswer:
    """The deployed workflows of a Controller, with former versions that still have orders."""
    await context.services.get(Registry).controller(request.controller_id)
    deployer = context.services.get(Deployer)
    current = await deployer.current(request.controller_id, [ObjectType.WORKFLOW])
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    current_ids = {(item.name, item.commit_id) for item in current}
    former_ids = {key for key in (known.in_use | set(known.versions)) if key not in current_ids}
    former = await deployer.versions(request.controller_id, former_ids) if former_ids else []
    paths = await _paths(context)
    tags = await context.services.get(Inventory).workflow_tags()
    views = []
    for items, is_current in ((current, True), (former, False)):
        for item in items:
            path, own = paths.get(item.name, item.path), tags.get(item.name, [])
            view = _view(item, known, path, own, is_current=is_current, is_compact=request.compact)
            views.append((item, view))
    chosen = [
        view for item, view in views if _is_wanted(request, item, view) and folder_permitted(context, view["path"])
    ]
    chosen = _matching(request.regex, chosen)
    notes = await note_marks(context, ObjectType.WORKFLOW)
    for view in chosen:
        if (name := name_of(view["path"])) in notes:
            view["hasNote"] = notes[name]
    now = timestamp(context.now_ms())
    return WorkflowsAnswer(now, now, sorted(chosen, key=lambda view: (view["path"], not view["isCurrentVersion"])))


def _is_wanted(request: WorkflowsRequest, item: Deployed, view: dict[str, Any]) -> bool:
    if request.workflow_tags and set(names_of(request.workflow_tags)).isdisjoint(view["workflowTags"]):
        return False
    if request.states and view["state"]["_text"] not in request.states:
        return False
    if request.agent_names and not agent_names_of(decode(item.inv_content)) & set(request.agent_names):
        return False
    if request.workflow_ids:
        return any(
            name_of(wanted.path) == item.name and wanted.version_id in (None, "", item.commit_id)
            for wanted in request.workflow_ids
        )
    if request.folders:
        return any(
            is_in_folder(view["path"], normalized(entry.folder), recursive=entry.recursive) for entry in request.folders
        )
    return True


def _matching(pattern: str | None, views: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose path contains a match (Java-style *find*)."""
    if not pattern:
        return list(views)
    try:
        compiled = regex.compile(pattern)
        return [view for view in views if compiled.search(view["path"], timeout=REGEX_SECONDS)]
    except regex.error as error:
        raise BadRequest(f"regex '{pattern}' is not valid: {error}") from None
    except TimeoutError:
        raise BadRequest(f"regex '{pattern}' takes too long") from None


ROUTES = [
    Route("/workflow", WorkflowRequest, WorkflowAnswer, "ctl:workflows:view", False, workflow),
    Route("/workflows", WorkflowsRequest, WorkflowsAnswer, "ctl:workflows:view", False, workflows),
]
