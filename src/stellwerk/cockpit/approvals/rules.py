"""What may become of an approval request, and who may do it (cockpit-services 10.4). Pure.

A request is REQUESTED until its requestor withdraws or executes it; meanwhile its approver leaves it PENDING, approves
or rejects it. Nobody decides about a request of their own, whatever else they may do.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

REQUESTED, WITHDRAWN, EXECUTED = "REQUESTED", "WITHDRAWN", "EXECUTED"
PENDING, APPROVED, REJECTED = "PENDING", "APPROVED", "REJECTED"
#: In the order of their numbers in the database.
REQUESTOR_STATES = (REQUESTED, WITHDRAWN, EXECUTED)
APPROVER_STATES = (PENDING, APPROVED, REJECTED)


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `url`: the path of the call below `/joc/api`; `body`: its JSON. Instants in epoch milliseconds."""

    id: int
    requestor: str
    approver: str
    title: str
    reason: str | None
    category: str
    url: str
    body: str
    requestor_state: str
    requestor_state_date: int
    approver_state: str
    approver_state_date: int


def decision_fault(request: ApprovalRequest, account: str, approvers: Collection[str], decision: str) -> str | None:
    """Why `account` cannot approve or reject (`decision`: the state) the request; None: it can."""
    if account == request.requestor:
        return "nobody decides about a request of their own"
    if account not in approvers:
        return f"'{account}' is not an approver"
    if account != request.approver:
        return f"the request is for the approver '{request.approver}': take it over first (approval/edit)"
    if request.requestor_state != REQUESTED:
        return f"the request is {request.requestor_state}"
    # An approval can be taken back as long as it has not been used.
    allowed = (PENDING,) if decision == APPROVED else (PENDING, APPROVED)
    return None if request.approver_state in allowed else f"the request is {request.approver_state} already"


def withdrawal_fault(request: ApprovalRequest, account: str) -> str | None:
    if account != request.requestor:
        return "only its requestor can withdraw a request"
    return None if request.requestor_state == REQUESTED else f"the request is {request.requestor_state}"


def edit_fault(
    request: ApprovalRequest, account: str, approvers: Collection[str], *, approver: str | None, changes_text: bool
) -> str | None:
    """Requestors edit what is pending; approvers take requests over, or give them to another one."""
    is_requestor = account == request.requestor
    if not is_requestor and account not in approvers:
        return "only the requestor and approvers can edit a request"
    if not is_requestor and changes_text:
        return "approvers change the approver, and leave title and reason to the requestor"
    if request.requestor_state != REQUESTED or request.approver_state != PENDING:
        state = request.requestor_state if request.requestor_state != REQUESTED else request.approver_state
        return f"the request is {state}: only pending ones can be edited"
    return None if approver is None else approver_fault(request.requestor, approver, approvers)


def approver_fault(requestor: str, approver: str, approvers: Collection[str]) -> str | None:
    if approver == requestor:
        return "nobody approves a request of their own: choose another approver"
    if approver not in approvers:
        return f"'{approver}' is not an approver; choose one of approval/approvers"
    return None


def execution_fault(request: ApprovalRequest, account: str, url: str, approvers: Collection[str]) -> str | None:
    """Why a call to `url` cannot be made on the strength of this request."""
    if account != request.requestor:
        return "it is a request of another account"
    if url != request.url:
        return f"it is for {request.url}, not for {url}"
    if request.requestor_state != REQUESTED:
        return f"it is {request.requestor_state} already"
    if request.approver_state != APPROVED:
        return f"it is {request.approver_state}, not approved"
    if request.approver not in approvers:
        return f"'{request.approver}' is not an approver any more"
    return None
