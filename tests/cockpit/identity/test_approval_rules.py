"""Who may do what with an approval request, in all its states (cockpit-services 10.4)."""

from __future__ import annotations

import itertools

import pytest

from stellwerk.cockpit.approvals import rules
from stellwerk.cockpit.approvals.rules import ApprovalRequest

APPROVERS = {"boss", "deputy", "anna"}
STATES = list(itertools.product(rules.REQUESTOR_STATES, rules.APPROVER_STATES))
ACCOUNTS = ("anna", "boss", "deputy", "stranger")


def request(requestor_state: str, approver_state: str, approver: str = "boss") -> ApprovalRequest:
    return ApprovalRequest(
        id=1,
        requestor="anna",
        approver=approver,
        title="t",
        reason=None,
        category="CONTROLLER",
        url="/orders/cancel",
        body="{}",
        requestor_state=requestor_state,
        requestor_state_date=0,
        approver_state=approver_state,
        approver_state_date=0,
    )


@pytest.mark.parametrize(("requestor_state", "approver_state"), STATES)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_only_the_approver_decides_and_only_what_is_open(
    account: str, requestor_state: str, approver_state: str
) -> None:
    one = request(requestor_state, approver_state)
    is_open = account == "boss" and requestor_state == "REQUESTED"
    assert (rules.decision_fault(one, account, APPROVERS, "APPROVED") is None) == (
        is_open and approver_state == "PENDING"
    )
    assert (rules.decision_fault(one, account, APPROVERS, "REJECTED") is None) == (
        is_open and approver_state in ("PENDING", "APPROVED")
    )
    assert rules.decision_fault(one, account, APPROVERS - {"boss"}, "APPROVED") is not None


@pytest.mark.parametrize(("requestor_state", "approver_state"), STATES)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_only_the_requestor_withdraws_and_executes(account: str, requestor_state: str, approver_state: str) -> None:
    one = request(requestor_state, approver_state)
    is_open = account == "anna" and requestor_state == "REQUESTED"
    assert (rules.withdrawal_fault(one, account) is None) == is_open
    executes = rules.execution_fault(one, account, "/orders/cancel", APPROVERS) is None
    assert executes == (is_open and approver_state == "APPROVED")
    assert rules.execution_fault(one, account, "/orders/suspend", APPROVERS) is not None
    assert rules.execution_fault(one, account, "/orders/cancel", APPROVERS - {"boss"}) is not None


@pytest.mark.parametrize(("requestor_state", "approver_state"), STATES)
@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("approver", [None, *ACCOUNTS])
@pytest.mark.parametrize("changes_text", [False, True])
def test_pending_requests_are_edited_by_who_they_concern(
    account: str, requestor_state: str, approver_state: str, approver: str | None, changes_text: bool
) -> None:
    one = request(requestor_state, approver_state)
    fault = rules.edit_fault(one, account, APPROVERS, approver=approver, changes_text=changes_text)
    is_pending = (requestor_state, approver_state) == ("REQUESTED", "PENDING")
    may = account == "anna" or (account in APPROVERS and not changes_text)
    assert (fault is None) == (is_pending and may and approver in (None, "boss", "deputy"))


def test_nobody_approves_a_request_of_their_own_even_as_an_approver() -> None:
    own = request("REQUESTED", "PENDING", approver="anna")
    assert "of their own" in str(rules.decision_fault(own, "anna", APPROVERS, "APPROVED"))
    assert "of their own" in str(rules.approver_fault("anna", "anna", APPROVERS))
