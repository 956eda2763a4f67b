"""`/audit_log*`: who has changed what, and who has logged in (cockpit-api 1.8, 7)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import and_, or_, select, true

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.native_filter import ilike
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.audit.log import OBJECT_NAME, AuditLog, Filter, visible_in
from stellwerk.cockpit.auth.permissions import FolderRow
from stellwerk.cockpit.database.tables.identity import iam_history, iam_identity_services, joc_audit_log
from stellwerk.cockpit.inventory.names import normalized

VIEW = "joc:auditlog:view"
CATEGORIES = (
    "INVENTORY",
    "CONTROLLER",
    "DAILYPLAN",
    "OTHERS",
    "DEPLOYMENT",
    "DOCUMENTATIONS",
    "CERTIFICATES",
    "IDENTITY",
    "SETTINGS",
    "MONITORING",
    "UNKNOWN",
)
MAXIMUM_ROWS = 10_000


class Folder(msgspec.Struct):
    folder: str
    recursive: bool = True


class AuditLogRequest(msgspec.Struct, rename="camel"):
    """Texts are patterns with `*` and `?`, or parts."""

    controller_id: str = ""
    object_name: str = ""
    object_types: list[str] = []
    folders: list[Folder] = []
    categories: list[str] = []
    account: str = ""
    comment: str = ""
    ticket_link: str = ""
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None
    limit: int = MAXIMUM_ROWS


class LoginHistoryRequest(msgspec.Struct, rename="camel"):
    account_name: str = ""
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None


class DetailsRequest(msgspec.Struct, rename="camel"):
    audit_log_id: int


class AuditLogAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    audit_log: list[dict[str, Any]]


class AuditLogDetails(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    audit_log_details: list[dict[str, Any]]


class LoginHistory(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    login_history_items: list[dict[str, Any]]


def _within(context: RequestContext, request: AuditLogRequest | LoginHistoryRequest, column: Any) -> list[Any]:
    now, zone = context.now_ms(), request.time_zone
    first = instant_ms(request.date_from, now, time_zone=zone, is_past=True)
    end = instant_ms(request.date_to, now, time_zone=zone, is_end=True, is_past=True)
    where = [] if first is None else [column >= first]
    return where if end is None else [*where, column < end]


def _limit(limit: int) -> int:
    return MAXIMUM_ROWS if limit < 0 else min(limit, MAXIMUM_ROWS)


def _part(column: Any, text: str) -> Any:
    return ilike(column, text if "*" in text or "?" in text else f"*{text}*")


async def audit_log(context: RequestContext, request: AuditLogRequest) -> AuditLogAnswer:
    """Changing calls, newest first."""
    unknown = set(request.categories) - set(CATEGORIES)
    if unknown:
        raise BadRequest(f"categories: unknown {', '.join(sorted(unknown))}; known: {', '.join(CATEGORIES)}")
    table = joc_audit_log.c
    where = _within(context, request, table.created)
    where += _visible(context)
    if request.controller_id:
        # Calls that belong to no Controller concern all of them.
        where.append(or_(table.controller_id == request.controller_id, table.controller_id.is_(None)))
    if request.categories:
        where.append(table.category.in_(request.categories))
    texts = (
        (table.account, request.account),
        (table.comment, request.comment),
        (table.ticket_link, request.ticket_link),
    )
    where += [_part(column, text) for column, text in texts if text]
    rows = await context.services.get(AuditLog).read(
        Filter(
            conditions=where,
            object_types=request.object_types,
            object_name=_part(OBJECT_NAME, request.object_name) if request.object_name else None,
            folders=[FolderRow(normalized(one.folder), one.recursive) for one in request.folders],
            limit=_limit(request.limit),
        )
    )
    return AuditLogAnswer(timestamp(context.now_ms()), [_item(row) for row in rows])


def _visible(context: RequestContext) -> list[Any]:
    """Calls that belong to no Controller, or to one that may be seen; and about objects that may be."""
    controller_id = joc_audit_log.c.controller_id
    where: list[Any] = [or_(controller_id.is_(None), and_(true(), *permitted(context, "ctl:view", controller_id)))]
    folders = context.session.permissions.folders
    return [*where, visible_in(folders, context.account)] if folders else where


async def details(context: RequestContext, request: DetailsRequest) -> AuditLogDetails:
    """The objects that a call names."""
    rows = await context.services.get(AuditLog).details(request.audit_log_id, _visible(context))
    return AuditLogDetails(timestamp(context.now_ms()), [{"path": row.path, "type": row.type} for row in rows])


def _item(row: Any) -> dict[str, Any]:
    members = {
        "id": row.id,
        "account": row.account,
        "request": "." + row.request,
        "created": timestamp(row.created),
        "controllerId": row.controller_id,
        "category": row.category,
        "comment": row.comment,
        "parameters": row.parameters,
        "timeSpent": row.time_spent,
        "ticketLink": row.ticket_link,
        # Ours: the HTTP status of the answer.
        "status": row.status,
    }
    return {name: value for name, value in members.items() if value is not None}


async def login_history(context: RequestContext, request: LoginHistoryRequest) -> LoginHistory:
    """Logins and attempts, newest first."""
    table, services = iam_history.c, iam_identity_services.c
    where = _within(context, request, table.login_date)
    if request.account_name:
        where.append(table.account_name == request.account_name)
    query = (
        select(table.account_name, table.login_date, table.login_success, table.message, services.name)
        .outerjoin(iam_identity_services, services.id == table.identity_service_id)
        .where(*where)
        .order_by(table.login_date.desc(), table.id.desc())
        .limit(MAXIMUM_ROWS)
    )
    async with context.database.read() as connection:
        rows = (await connection.execute(query)).all()
    items = []
    for row in rows:
        item = {
            "accountName": row.account_name,
            "loginDate": timestamp(row.login_date),
            "loginSuccess": row.login_success,
        }
        if row.message is not None:
            detail = {"identityServiceName": row.name or "", "message": row.message}
            item["details"] = {"loginHistoryItems": [detail]}
        items.append(item)
    return LoginHistory(timestamp(context.now_ms()), items)


ROUTES = [
    Route("/audit_log", AuditLogRequest, AuditLogAnswer, VIEW, False, audit_log),
    Route("/audit_log/details", DetailsRequest, AuditLogDetails, VIEW, False, details),
    Route("/audit_log/login_history", LoginHistoryRequest, LoginHistory, VIEW, False, login_history),
]
