"""Small helps for who writes objects: `/inventory/validate/predicate`, `/inventory/wizard/*`,
`/inventory/dependencies/update` (cockpit-api 3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.inventory import Validation
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.inventory.references import references_of
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.language.expressions import parse_expression
from stellwerk.language.inventory.quoting import with_engine_names
from stellwerk.values.problems import ProblemError


class WizardRequest(msgspec.Struct, rename="camel"):
    assign_reference: str


async def validate_predicate(context: RequestContext, request: NoRequest) -> Validation:
    """Whether the text of the body is an expression."""
    now = timestamp(context.now_ms())
    try:
        text = context.raw_body.decode()
    except UnicodeDecodeError:
        raise BadRequest("the predicate is not UTF-8") from None
    try:
        parse_expression(with_engine_names(text))
    except ProblemError as error:
        return Validation(now, valid=False, invalid_msg=str(error.problem))
    return Validation(now, valid=True)


async def wizard_jobs(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """Jobs that come with the product and have a form of their own: this product has none, jobs are scripts."""
    return {"deliveryDate": timestamp(context.now_ms()), "jobs": []}


async def wizard_job(context: RequestContext, request: WizardRequest) -> dict[str, Any]:
    """One such job."""
    raise ObjectNotFound(f"Couldn't find the job '{request.assign_reference}'")


async def update_dependencies(context: RequestContext, request: NoRequest) -> Ok:
    """Work out anew what refers to what."""
    async with context.services.get(Inventory).writing() as transaction:
        for item in await transaction.in_folder("/", recursive=True):
            await transaction.write_references(item.id, references_of(item.type, item.configuration))
    return context.ok()


_MANAGE = "joc:inventory:manage"

ROUTES = [
    Route("/inventory/validate/predicate", NoRequest, Validation, _MANAGE, False, validate_predicate, text=True),
    Route("/inventory/wizard/jobs", NoRequest, dict[str, Any], _MANAGE, False, wizard_jobs),
    Route("/inventory/wizard/job", WizardRequest, dict[str, Any], _MANAGE, False, wizard_job),
    Route("/inventory/dependencies/update", NoRequest, Ok, _MANAGE, True, update_dependencies, category="INVENTORY"),
]
