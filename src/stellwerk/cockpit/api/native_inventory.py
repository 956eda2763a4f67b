"""`/stellwerk/inventory/{plan,apply}`: what an archive would change, and making it so (`stellwerk diff`, `apply`)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory_requests import require_deployment
from stellwerk.cockpit.api.inventory_transfer import read_upload
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.deployment.applier import Applier, Plan
from stellwerk.cockpit.inventory import names


class PlanRequest(msgspec.Struct, rename="camel"):
    """A form; its file `file` is an archive as `/inventory/export` writes it."""

    controller_id: str
    target_folder: str = "/"
    format: str | None = None
    prune: bool = False


class ApplyRequest(PlanRequest, rename="camel"):
    #: Of the plan that has been looked at.
    digest: str | None = None


async def _arguments(context: RequestContext, request: PlanRequest) -> dict[str, Any]:
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    folder = names.normalized(request.target_folder)
    if folder != "/":
        require_folder(context, folder)
    objects, _ = await asyncio.to_thread(read_upload, upload, request.format, None)
    return {
        "controller_id": request.controller_id,
        "objects": objects,
        "folder": folder,
        "prune": request.prune,
        "permitted": partial(folder_permitted, context),
    }


async def plan(context: RequestContext, request: PlanRequest) -> Plan:
    """What applying an archive would change of what is deployed and released; nothing is done."""
    context.require("ctl:deployment:view", request.controller_id)
    return await context.services.get(Applier).plan(**await _arguments(context, request))


async def apply(context: RequestContext, request: ApplyRequest) -> Plan:
    """Store, release and deploy the objects of an archive: all of it or nothing."""
    context.require("joc:inventory:deploy")
    require_deployment(context, request.controller_id)
    arguments = await _arguments(context, request)
    return await context.services.get(Applier).apply(
        account=context.account,
        digest=request.digest,
        require_controller=partial(require_deployment, context),
        **arguments,
    )


ROUTES = [
    Route("/stellwerk/inventory/plan", PlanRequest, Plan, "joc:inventory:view", False, plan, form=True),
    Route(
        "/stellwerk/inventory/apply",
        ApplyRequest,
        Plan,
        "joc:inventory:manage",
        True,
        apply,
        category="DEPLOYMENT",
        form=True,
    ),
]
