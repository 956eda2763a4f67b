"""`/approval*`: the four-eyes principle: requests, decisions, approvers (cockpit-api 1.3, 7; cockpit-services 10.4).

Who needs approval is decided in `four_eyes`: accounts with the role of the setting `approval_requestor_role`, for what
only that role grants them. They get status 433, ask here, and repeat the call with X-Approval-Request-Id.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.decoding import Reader, RequestError, first_json_value
from stellwerk.cockpit.api.errors import ApiError, BadRequest, BulkError
from stellwerk.cockpit.api.four_eyes import approver_view
from stellwerk.cockpit.api.iam_accounts import CATEGORY, MANAGE, VIEW
from stellwerk.cockpit.api.routes import COMPATIBLE, NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.approvals import rules
from stellwerk.cockpit.approvals.approvals import Approvals, Approver
from stellwerk.cockpit.approvals.rules import ApprovalRequest
from stellwerk.cockpit.settings.configurations import Configurations, Key
from stellwerk.values.json import encode

#: Where the settings of e-mails are kept.
EMAIL_KEY = Key(configuration_type="APPROVAL", object_type="EMAIL", account=".")


class RequestRequest(msgspec.Struct, rename="camel"):
    requestor: str
    request_url: str
    request_body: dict[str, Any]
    title: str
    approver: str
    category: str | None = None
    reason: str | None = None


class EditRequest(msgspec.Struct, rename="camel"):
    id: int
    title: str | None = None
    approver: str | None = None
    reason: str | None = None


class IdRequest(msgspec.Struct, rename="camel"):
    id: int


class IdsRequest(msgspec.Struct, rename="camel"):
    ids: list[int]


class RequestsRequest(msgspec.Struct, rename="camel"):
    """All members are filters."""

    requestors: list[str] = []
    approvers: list[str] = []
    requestor_states: list[Literal["REQUESTED", "WITHDRAWN", "EXECUTED"]] = []
    approver_states: list[Literal["PENDING", "APPROVED", "REJECTED"]] = []
    limit: int = 10_000


class ApproverRequest(msgspec.Struct, rename="camel"):
    account_name: str
    first_name: str
    last_name: str
    email: str | None = None


class AccountRequest(msgspec.Struct, rename="camel"):
    account_name: str


class OrderingRequest(msgspec.Struct, rename="camel"):
    account_names: list[str]


class EmailSettings(msgspec.Struct, rename="camel"):
    """How approvers are written to; the values are those of the specification."""

    body: str = ""
    subject: str = ""
    cc: str | None = None
    bcc: str | None = None
    content_type: str = "text/html"
    charset: str = "ISO-8859-1"
    encoding: str = "7bit"
    priority: Literal["HIGHEST", "HIGH", "NORMAL", "LOW", "LOWEST"] | None = None
    job_resource_name: str = "eMailDefault"


class EmailRequest(EmailSettings, rename="camel", kw_only=True):
    body: str
    subject: str


class RequestsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    requests: list[dict[str, Any]]
    approvers: list[dict[str, Any]]


class ApproversAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    approvers: list[dict[str, Any]]


class RequestedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    id: int
    ok: bool = True


async def request(context: RequestContext, request: RequestRequest) -> RequestedAnswer:
    """Ask for the approval of a call that was answered with status 433."""
    approvals = context.services.get(Approvals)
    role = approvals.requestor_role
    if role is None or role not in context.session.roles:
        raise BadRequest("only accounts with the role of the setting joc.approval_requestor_role ask for approval")
    if request.requestor != context.account:
        raise BadRequest(f"requestor must be the account that asks, '{context.account}'")
    url = "/" + request.request_url.removeprefix(".").removeprefix(COMPATIBLE).lstrip("/")
    route = _approvable(url)
    body = encode(request.request_body).decode()
    try:
        Reader(route.request).read(first_json_value(body.encode()))
    except RequestError as error:
        raise BadRequest(f"requestBody is no request for {url}: {error}") from None
    id_ = await approvals.add(
        context.account, request.approver, request.title, request.reason, route.category, url, body
    )
    now = timestamp(context.now_ms())
    return RequestedAnswer(now, now, id_)


def _approvable(url: str) -> Route:
    from stellwerk.cockpit.api import all_routes

    for route in all_routes():
        if route.path == url and route.method == "POST" and route.can_be_approved and not route.form:
            return route
    raise BadRequest(f"requestUrl '{url}' is no call that can be approved")


async def edit(context: RequestContext, request: EditRequest) -> Ok:
    """Change a pending request; approvers take it over by naming themselves."""
    await context.services.get(Approvals).edit(
        request.id, context.account, title=request.title, approver=request.approver, reason=request.reason
    )
    return context.ok()


async def requests(context: RequestContext, request: RequestsRequest) -> RequestsAnswer:
    """Requests, newest first: all for approvers and who may see accounts, the own ones for everybody else."""
    approvals = context.services.get(Approvals)
    approvers = await approvals.approvers()
    names = {one.account for one in approvers}
    sees_all = context.account in names or context.session.permissions.allows(VIEW)
    found = await approvals.requests(
        of=None if sees_all else context.account,
        requestors=request.requestors,
        approvers=request.approvers,
        requestor_states=request.requestor_states,
        approver_states=request.approver_states,
        limit=request.limit,
    )
    return RequestsAnswer(
        timestamp(context.now_ms()), [_view(one, names) for one in found], [approver_view(one) for one in approvers]
    )


def _view(one: ApprovalRequest, approvers: set[str]) -> dict[str, Any]:
    view = {
        "id": one.id,
        "requestor": one.requestor,
        "requestUrl": "." + one.url,
        "requestBody": first_json_value(one.body.encode()),
        "category": one.category,
        "title": one.title,
        "approver": one.approver,
        "unknownApprover": one.approver not in approvers,
        "approverState": one.approver_state,
        "approverStateDate": timestamp(one.approver_state_date),
        "requestorState": one.requestor_state,
        "requestorStateDate": timestamp(one.requestor_state_date),
    }
    return view if one.reason is None else view | {"reason": one.reason}


Change = Callable[[Approvals, int, str], Coroutine[Any, Any, None]]


async def _approve(approvals: Approvals, id_: int, account: str) -> None:
    await approvals.decide(id_, account, rules.APPROVED)


async def _reject(approvals: Approvals, id_: int, account: str) -> None:
    await approvals.decide(id_, account, rules.REJECTED)


async def _withdraw(approvals: Approvals, id_: int, account: str) -> None:
    await approvals.withdraw(id_, account)


async def _each(context: RequestContext, ids: list[int], change: Change) -> Ok:
    """Each on its own; those that fail are named (419)."""
    if not ids:
        raise BadRequest("ids is empty: name at least one request")
    failures = []
    for id_ in dict.fromkeys(ids):
        try:
            await change(context.services.get(Approvals), id_, context.account)
        except ApiError as error:
            failures.append((str(id_), error.code, error.message))
    if failures:
        raise BulkError(failures)
    return context.ok()


async def approve(context: RequestContext, request: IdRequest) -> Ok:
    """Approve a request of somebody else."""
    await _approve(context.services.get(Approvals), request.id, context.account)
    return context.ok()


async def reject(context: RequestContext, request: IdRequest) -> Ok:
    """Reject a request, also one that was approved and has not been executed."""
    await _reject(context.services.get(Approvals), request.id, context.account)
    return context.ok()


async def withdraw(context: RequestContext, request: IdRequest) -> Ok:
    """Take an own request back."""
    await _withdraw(context.services.get(Approvals), request.id, context.account)
    return context.ok()


async def approve_all(context: RequestContext, request: IdsRequest) -> Ok:
    """Approve several requests."""
    return await _each(context, request.ids, _approve)


async def reject_all(context: RequestContext, request: IdsRequest) -> Ok:
    """Reject several requests."""
    return await _each(context, request.ids, _reject)


async def withdraw_all(context: RequestContext, request: IdsRequest) -> Ok:
    """Take several own requests back."""
    return await _each(context, request.ids, _withdraw)


async def approvers(context: RequestContext, request: NoRequest) -> ApproversAnswer:
    """Who can be asked for approval, in order."""
    found = await context.services.get(Approvals).approvers()
    return ApproversAnswer(timestamp(context.now_ms()), [approver_view(one) for one in found])


async def store_approver(context: RequestContext, request: ApproverRequest) -> Ok:
    """Add or change an approver."""
    await context.services.get(Approvals).store_approver(
        Approver(
            account=request.account_name,
            first_name=request.first_name,
            last_name=request.last_name,
            email=request.email or None,
        )
    )
    return context.ok()


async def delete_approver(context: RequestContext, request: AccountRequest) -> Ok:
    """Delete an approver; what they have approved counts only if it has been executed."""
    await context.services.get(Approvals).delete_approver(request.account_name)
    return context.ok()


async def order_approvers(context: RequestContext, request: OrderingRequest) -> Ok:
    """The order in which approvers are offered."""
    await context.services.get(Approvals).reorder_approvers(request.account_names)
    return context.ok()


async def email_settings(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """How approvers are to be written to."""
    found = await context.services.get(Configurations).find(EMAIL_KEY)
    stored = {} if found is None else first_json_value(found.configuration_item.encode())
    members: dict[str, Any] = msgspec.to_builtins(Reader(EmailSettings).read(stored))
    return {name: value for name, value in members.items() if value is not None}


async def store_email_settings(context: RequestContext, request: EmailRequest) -> Ok:
    """Keep how approvers are to be written to."""
    await context.services.get(Configurations).save(EMAIL_KEY, encode(request).decode())
    return context.ok()


def _own(path: str, request: type, answer: Any, handler: Any) -> Route:
    """The handler asks who may do what: requestors and approvers."""
    return Route(path, request, answer, None, True, handler, category=CATEGORY)


def _managing(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, MANAGE, True, handler, category=CATEGORY)


ROUTES = [
    _own("/approval/request", RequestRequest, RequestedAnswer, request),
    _own("/approval/edit", EditRequest, Ok, edit),
    Route("/approval/requests", RequestsRequest, RequestsAnswer, None, False, requests),
    _own("/approval/approve", IdRequest, Ok, approve),
    _own("/approval/reject", IdRequest, Ok, reject),
    _own("/approval/withdraw", IdRequest, Ok, withdraw),
    _own("/approvals/approve", IdsRequest, Ok, approve_all),
    _own("/approvals/reject", IdsRequest, Ok, reject_all),
    _own("/approvals/withdraw", IdsRequest, Ok, withdraw_all),
    Route("/approval/approvers", NoRequest, ApproversAnswer, VIEW, False, approvers),
    _managing("/approval/approver/store", ApproverRequest, store_approver),
    _managing("/approval/approver/delete", AccountRequest, delete_approver),
    _managing("/approval/approvers/ordering", OrderingRequest, order_approvers),
    Route("/approval/email_settings", NoRequest, dict[str, Any], VIEW, False, email_settings),
    _managing("/approval/email_settings/store", EmailRequest, store_email_settings),
]
