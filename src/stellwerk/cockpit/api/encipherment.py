"""`/encipherment/*`: certificates for encryption, the Agents that hold their keys, encrypting (cockpit-api 3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import ApiError, BadRequest, MissingParameter
from stellwerk.cockpit.api.folders import require_folder
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.encipherment import Encipherment
from stellwerk.cockpit.deployment.keys import SecurityLevel, SigningKeys, one_certificate
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.expressions.values import quote_string
from stellwerk.language.inventory.names import name_fault
from stellwerk.wire.signatures import load_certificates


class ShowCertificates(msgspec.Struct, rename="camel"):
    cert_aliases: list[str] = []


class ImportCertificate(msgspec.Struct, rename="camel"):
    cert_alias: str
    private_key_path: str | None = None
    job_resource_folder: str = "/"


class StoreCertificate(ImportCertificate, rename="camel"):
    certificate: str = ""


class DeleteCertificate(msgspec.Struct, rename="camel"):
    cert_alias: str


class Assignment(msgspec.Struct, rename="camel"):
    agent_id: str
    cert_alias: str


class ShowAssignments(msgspec.Struct, rename="camel"):
    agent_ids: list[str] = []
    cert_aliases: list[str] = []


class EncryptRequest(msgspec.Struct, rename="camel"):
    to_encrypt: str
    cert_alias: str | None = None
    certificate: str | None = None


async def certificates(context: RequestContext, request: ShowCertificates) -> dict[str, Any]:
    """Certificates by alias."""
    found = await context.services.get(Encipherment).certificates(request.cert_aliases)
    return {
        "certificates": [
            {
                "certAlias": alias,
                "certificate": certificate,
                **({} if path is None else {"privateKeyPath": path}),
            }
            for alias, certificate, path in found
        ]
    }


async def store(context: RequestContext, request: StoreCertificate) -> Ok:
    """Keep a certificate, and bring it to jobs as a job resource of its name."""
    if not request.certificate:
        raise BadRequest("certificate is missing")
    await _keep(context, request, request.certificate)
    return context.ok()


async def import_(context: RequestContext, request: ImportCertificate) -> Ok:
    """The same from a PEM file."""
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    await _keep(context, request, upload.data.decode("utf-8", errors="replace"))
    return context.ok()


async def _keep(context: RequestContext, request: ImportCertificate, pem: str) -> None:
    alias, folder = request.cert_alias, names.normalized(request.job_resource_folder)
    fault = name_fault(alias)
    if fault is not None:
        raise BadRequest(f"certAlias {alias!r} is not possible: {fault}")
    path = names.joined(folder, alias)
    require_folder(context, path)
    certificate = one_certificate(pem)
    controllers = await context.services.get(ControllerConnections).registered()
    permitted = [id_ for id_ in controllers if context.session.permissions.allows("ctl:deployment:deploy", id_)]
    arguments = {"encipherment_certificate": quote_string(certificate)}
    if request.private_key_path:
        arguments["encipherment_private_key_path"] = quote_string(request.private_key_path)
    resource = await context.services.get(Inventory).store(ObjectType.JOBRESOURCE, path, {"arguments": arguments})
    # At level HIGH people sign the job resource like all others.
    if permitted and context.services.get(SigningKeys).level is not SecurityLevel.HIGH:
        await context.services.get(Deployer).deploy(context.account, permitted, [resource])
    await context.services.get(Encipherment).store(alias, certificate, request.private_key_path or None)


async def delete(context: RequestContext, request: DeleteCertificate) -> Ok:
    """Forget a certificate and its assignments; its job resource stays."""
    await context.services.get(Encipherment).delete(request.cert_alias)
    return context.ok()


async def assignments(context: RequestContext, request: ShowAssignments) -> dict[str, Any]:
    """Which Agents hold the private keys of which certificates."""
    found = await context.services.get(Encipherment).assignments()
    agents = set(request.agent_ids)
    return {
        "mappings": [
            {"certAlias": alias, "agentId": ids}
            for alias, ids in found.items()
            if (not request.cert_aliases or alias in request.cert_aliases) and (not agents or agents & set(ids))
        ]
    }


async def assign(context: RequestContext, request: Assignment) -> Ok:
    """Say that an Agent holds the private key of a certificate."""
    known = {agent.agent_id for agent in await context.services.get(Registry).agents(None)}
    if request.agent_id not in known:
        raise ApiError(f"unknown Agent '{request.agent_id}'", code="JOC-403", kind="JocUnknownAgentException")
    await context.services.get(Encipherment).assign(request.cert_alias, request.agent_id)
    return context.ok()


async def unassign(context: RequestContext, request: Assignment) -> Ok:
    """Take it back."""
    await context.services.get(Encipherment).unassign(request.cert_alias, request.agent_id)
    return context.ok()


async def encrypt(context: RequestContext, request: EncryptRequest) -> dict[str, str]:
    """Encrypt a value for the Agents of a certificate."""
    service = context.services.get(Encipherment)
    if request.cert_alias:
        return {"encryptedValue": await service.encrypt(request.to_encrypt, request.cert_alias)}
    if not request.certificate:
        raise BadRequest("give certAlias or certificate")
    certificate = load_certificates(one_certificate(request.certificate).encode())[0]
    return {"encryptedValue": service.encrypt_for(request.to_encrypt, certificate)}


_VIEW, _MANAGE = "joc:administration:certificates:view", "joc:administration:certificates:manage"


def _view(path: str, request: type, handler: Any) -> Route:
    return Route(f"/encipherment/{path}", request, dict[str, Any], _VIEW, False, handler)


def _change(path: str, request: type, handler: Any, *, form: bool = False) -> Route:
    return Route(f"/encipherment/{path}", request, Ok, _MANAGE, True, handler, category="CERTIFICATES", form=form)


ROUTES = [
    _view("certificate", ShowCertificates, certificates),
    _change("certificate/store", StoreCertificate, store),
    _change("certificate/import", ImportCertificate, import_, form=True),
    _change("certificate/delete", DeleteCertificate, delete),
    _view("assignment", ShowAssignments, assignments),
    _change("assignment/add", Assignment, assign),
    _change("assignment/remove", Assignment, unassign),
    # Not audited: the request holds the secret.
    Route("/encipherment/encrypt", EncryptRequest, dict[str, str], "joc:encipherment:encrypt", False, encrypt),
]
