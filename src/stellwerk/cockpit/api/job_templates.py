"""`/job_template*`, `/inventory/{workflows,job}/update`: released job templates and the jobs made from them
(cockpit-api 3, 7, 8; cockpit-services 1.12)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory_requests import folder_objects
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.job_templates import (
    JobOutcome,
    Options,
    Outcome,
    State,
    has_required_arguments,
    propagated,
    reference_of,
    state_of,
    template_hash,
)
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import decode

_STATE_SEVERITY = {State.IN_SYNC: 6, State.NOT_IN_SYNC: 5, State.DELETED: 2, State.UNKNOWN: 2}
#: From the least to the most that people should know of.
_OUTCOME_SEVERITY = {
    Outcome.SKIPPED: 4,
    Outcome.UPTODATE: 6,
    Outcome.CHANGED: 5,
    Outcome.TEMPLATE_REFERENCE_DELETED: 3,
    Outcome.CONFLICT: 2,
    Outcome.PERMISSION_DENIED: 2,
}
_WORST_FIRST = (
    Outcome.PERMISSION_DENIED,
    Outcome.CONFLICT,
    Outcome.TEMPLATE_REFERENCE_DELETED,
    Outcome.CHANGED,
    Outcome.UPTODATE,
)


class TemplateRequest(msgspec.Struct, rename="camel"):
    job_template_path: str


class TemplatesRequest(msgspec.Struct, rename="camel"):
    job_template_paths: list[str] = []
    folders: list[Folder] = []
    compact: bool = False


class TemplateReference(msgspec.Struct, rename="camel"):
    name: str | None = None
    hash: str | None = None


class StateRequest(msgspec.Struct, rename="camel"):
    job_template: TemplateReference


class TemplateUsers(msgspec.Struct, rename="camel"):
    path: str
    workflows: list[str] = []


class PropagateRequest(Options, rename="camel"):
    job_templates: list[TemplateUsers]


class UpdateWorkflowsRequest(Options, rename="camel"):
    workflow_paths: list[str] = []
    folder: str | None = None
    recursive: bool = False


class UpdateJobRequest(Options, rename="camel"):
    workflow_path: str
    job_name: str


class _Template(msgspec.Struct, frozen=True):
    name: str
    path: str
    content: dict[str, Any]
    hash: str


async def _templates(context: RequestContext) -> dict[str, _Template]:
    """The released templates by name."""
    found = {}
    for item in (await context.services.get(Releases).of_objects()).values():
        if item.type == ObjectType.JOBTEMPLATE:
            content, name = decode(item.content), names.name_of(item.path)
            found[name] = _Template(name, item.path, content, template_hash(content))
    return found


def _view(template: _Template, *, is_compact: bool) -> dict[str, Any]:
    own = {
        "name": template.name,
        "path": template.path,
        "hash": template.hash,
        "hasRequiredArguments": has_required_arguments(template.content),
    }
    said = {"title": template.content.get("title"), "description": template.content.get("description")}
    shown = {name: value for name, value in said.items() if value is not None}
    return (shown if is_compact else template.content) | own


async def _chosen(context: RequestContext, request: TemplatesRequest) -> list[_Template]:
    wanted = {names.name_of(path) for path in request.job_template_paths}
    folders = [(names.normalized(entry.folder), entry.recursive) for entry in request.folders]
    return [
        template
        for _, template in sorted((await _templates(context)).items())
        if folder_permitted(context, template.path)
        and (
            template.name in wanted
            if wanted
            else not folders
            or any(names.is_in_folder(template.path, folder, recursive=below) for folder, below in folders)
        )
    ]


async def read(context: RequestContext, request: TemplateRequest) -> dict[str, Any]:
    """One released job template."""
    template = (await _templates(context)).get(names.name_of(request.job_template_path))
    if template is None:
        raise ObjectNotFound(f"Couldn't find the job template '{request.job_template_path}': it is not released")
    require_folder(context, template.path)
    return {"deliveryDate": timestamp(context.now_ms()), "jobTemplate": _view(template, is_compact=False)}


async def read_all(context: RequestContext, request: TemplatesRequest) -> dict[str, Any]:
    """The released job templates."""
    found = [_view(template, is_compact=request.compact) for template in await _chosen(context, request)]
    return {"deliveryDate": timestamp(context.now_ms()), "jobTemplates": found}


def _state(state: State) -> dict[str, Any]:
    return {"_text": state, "severity": _STATE_SEVERITY[state]}


async def state(context: RequestContext, request: StateRequest) -> dict[str, Any]:
    """Whether a job is what its template says now."""
    hashes = {name: template.hash for name, template in (await _templates(context)).items()}
    return _state(state_of(request.job_template.name, request.job_template.hash, hashes))


async def used(context: RequestContext, request: TemplatesRequest) -> dict[str, Any]:
    """Which jobs of which workflows were made from the templates, and whether they are up to date."""
    chosen = await _chosen(context, request)
    hashes = {template.name: template.hash for template in chosen}
    workflows = await folder_objects(context, "/", recursive=True, types=[ObjectType.WORKFLOW])
    users: dict[str, list[dict[str, Any]]] = {}
    for item in workflows:
        states: dict[str, dict[str, State]] = {}
        for job_name, job in _jobs(item).items():
            reference = reference_of(job)
            if reference is not None and reference[0] in hashes:
                states.setdefault(reference[0], {})[job_name] = state_of(*reference, hashes)
        for name, jobs in states.items():
            is_in_sync = set(jobs.values()) == {State.IN_SYNC}
            users.setdefault(name, []).append(
                {
                    "name": item.name,
                    "path": item.path,
                    "deployed": item.deployed,
                    "state": _state(State.IN_SYNC if is_in_sync else State.NOT_IN_SYNC),
                    "jobs": {job: _state(value) for job, value in jobs.items()},
                }
            )
    return {
        "deliveryDate": timestamp(context.now_ms()),
        "jobTemplates": [
            {
                "name": template.name,
                "path": template.path,
                "hash": template.hash,
                "workflows": users.get(template.name, []),
            }
            for template in chosen
        ],
    }


def _jobs(item: StoredObject) -> dict[str, Any]:
    content = item.configuration
    jobs = content.get("jobs") if isinstance(content, dict) else None
    return jobs if isinstance(jobs, dict) else {}


# --- propagation ------------------------------------------------------------------------------------------------------


async def propagate(context: RequestContext, request: PropagateRequest) -> dict[str, Any]:
    """Bring the jobs that were made from templates up to date, in all workflows or in those that are named."""
    wanted: dict[str, set[str] | None] = {}
    for entry in request.job_templates:
        name = names.name_of(entry.path)
        own = {names.name_of(path) for path in entry.workflows}
        former = wanted.get(name, set())
        wanted[name] = own | former if own and former is not None else None
    workflows = await folder_objects(context, "/", recursive=True, types=[ObjectType.WORKFLOW])

    def is_wanted(workflow: str, job: str, template: str) -> bool:
        users = wanted.get(template, set())
        return users is None or workflow in users

    chosen = [
        item
        for item in workflows
        if any(
            (reference := reference_of(job)) is not None and is_wanted(item.name, job_name, reference[0])
            for job_name, job in _jobs(item).items()
        )
    ]
    return await _propagate(context, chosen, request, is_wanted)


async def update_workflows(context: RequestContext, request: UpdateWorkflowsRequest) -> dict[str, Any]:
    """Bring all jobs of workflows up to date with their templates."""
    if not request.workflow_paths and request.folder is None:
        raise BadRequest("give workflowPaths or folder")
    chosen: dict[int, StoredObject] = {}
    for path in request.workflow_paths:
        item = await context.services.get(Inventory).read(ObjectType.WORKFLOW, path)
        require_folder(context, item.path)
        chosen[item.id] = item
    if request.folder is not None and not request.workflow_paths:
        require_folder(context, names.normalized(request.folder))
        types = [ObjectType.WORKFLOW]
        found = await folder_objects(context, request.folder, recursive=request.recursive, types=types)
        chosen = {item.id: item for item in found}
    return await _propagate(context, chosen.values(), request, lambda workflow, job, template: True)


async def update_job(context: RequestContext, request: UpdateJobRequest) -> dict[str, Any]:
    """Bring one job up to date with its template."""
    item = await context.services.get(Inventory).read(ObjectType.WORKFLOW, request.workflow_path)
    require_folder(context, item.path)
    if request.job_name not in _jobs(item):
        raise ObjectNotFound(f"Couldn't find the job '{request.job_name}' in '{item.path}'")
    answer = await _propagate(context, [item], request, lambda workflow, job, template: job == request.job_name)
    report: dict[str, Any] = answer["workflows"][0]["jobs"].get(request.job_name, {"state": _outcome(Outcome.SKIPPED)})
    return report


async def _propagate(
    context: RequestContext,
    workflows: Iterable[StoredObject],
    options: Options,
    is_wanted: Callable[[str, str, str], bool],
) -> dict[str, Any]:
    """All in one transaction: changed workflows become drafts."""
    released = await _templates(context)
    templates = {name: item.content for name, item in released.items() if folder_permitted(context, item.path)}
    hidden = released.keys() - templates.keys()
    reports = []
    async with context.services.get(Inventory).writing() as transaction:
        for found in workflows:
            item = await transaction.read_by_id(found.id)
            if not isinstance(item.configuration, dict):
                continue

            def wants(job: str, template: str, workflow: str = item.name) -> bool:
                return template not in hidden and is_wanted(workflow, job, template)

            content, report = propagated(item.configuration, templates, options, wants)
            for job_name, job in _jobs(item).items():
                reference = reference_of(job)
                if reference is not None and reference[0] in hidden and is_wanted(item.name, job_name, reference[0]):
                    report[job_name] = JobOutcome(Outcome.PERMISSION_DENIED, reference[0])
            if content != item.configuration:
                await transaction.change(item, content)
            reports.append(_report(item, report, released))
    return {"deliveryDate": timestamp(context.now_ms()), "workflows": reports}


def _report(item: StoredObject, report: dict[str, JobOutcome], templates: dict[str, _Template]) -> dict[str, Any]:
    outcomes = {job.outcome for job in report.values()}
    worst = next((outcome for outcome in _WORST_FIRST if outcome in outcomes), Outcome.SKIPPED)
    jobs = {}
    for name, job in report.items():
        template = templates.get(job.template)
        jobs[name] = {
            "jobTemplatePath": job.template if template is None else template.path,
            "state": _outcome(job.outcome),
            "actions": {"changes": job.changes, "addRequiredArguments": job.added, "deleteArguments": job.deleted},
        }
    return {"path": item.path, "state": _outcome(worst), "jobs": jobs}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"_text": outcome, "severity": _OUTCOME_SEVERITY[outcome]}


def _reading(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, dict[str, Any], "joc:inventory:view", False, handler)


def _change(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, dict[str, Any], "joc:inventory:manage", True, handler, category="INVENTORY")


ROUTES = [
    _reading("/job_template", TemplateRequest, read),
    _reading("/job_templates", TemplatesRequest, read_all),
    _reading("/job_template/state", StateRequest, state),
    _reading("/job_templates/used", TemplatesRequest, used),
    _change("/job_templates/propagate", PropagateRequest, propagate),
    _change("/inventory/workflows/update", UpdateWorkflowsRequest, update_workflows),
    _change("/inventory/job/update", UpdateJobRequest, update_job),
]
