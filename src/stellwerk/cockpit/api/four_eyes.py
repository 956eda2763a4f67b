"""The four-eyes principle on the way of a request (cockpit-services 7.3, 10.4; cockpit-api 1.3, status 433).

For a change, what the role of requestors grants counts only with approval: the call goes on with less (`restrict`), and
if that is not enough, the answer says how to ask (`explanation`). A call with X-Approval-Request-Id is made with the
body that was approved (`claim`), and with all that the session may do.
"""

from __future__ import annotations

from typing import Any

from stellwerk.cockpit.api.errors import ApiError, BadRequest, StatusAnswer
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.approvals.approvals import Approvals, Approver
from stellwerk.cockpit.services import Services

HEADER = "x-approval-request-id"
#: Codes of errors with which a call is refused before it does anything (cockpit-api 1.4).
_REFUSALS = frozenset(f"JOC-{code}" for code in ("002", "161", "300", "400", "403", "404", "406", "419"))


class FourEyes:
    """Between the dispatcher and `Approvals`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def _approvals(self) -> Approvals:
        return self._services.get(Approvals)

    def restrict(self, route: Route, context: RequestContext) -> None:
        """From now on the session may do only what needs no approval."""
        role = self._approvals.requestor_role
        if role is not None and route.audit and not route.public and role in context.session.roles:
            context.restrict(context.session.permissions.without_grants_of(role))

    async def claim(self, header: str, account: str, path: str) -> Claim:
        """The approved request that the header names, which counts as executed from now on; raises `BadRequest`."""
        if not header.isascii() or not header.isdigit() or len(header) > 18:
            raise BadRequest(f"X-Approval-Request-Id '{header[:50]}' is no id of an approval request")
        return Claim(self._approvals, int(header), (await self._approvals.claim(int(header), account, path)).encode())

    async def explanation(self, route: Route, context: RequestContext, plain: Any) -> dict[str, Any] | None:
        """What the caller has to send to `approval/request`; None: the call cannot be approved."""
        if route.form or route.method == "GET" or not route.can_be_approved:
            return None
        return {
            "deliveryDate": timestamp(context.now_ms()),
            "message": "The four-eyes principle: this needs the approval of somebody else",
            "requestor": context.account,
            "requestUrl": "." + context.path,
            "requestBody": plain,
            "category": route.category,
            "approvers": [approver_view(one) for one in await self._approvals.approvers()],
        }


class Claim:
    """`async with` around the call: an approval with which nothing was done is good for another attempt."""

    def __init__(self, approvals: Approvals, id_: int, body: bytes) -> None:
        self._approvals = approvals
        self._id = id_
        self.body = body

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        is_refused = isinstance(error, StatusAnswer) or (isinstance(error, ApiError) and error.code in _REFUSALS)
        if is_refused:
            await self._approvals.give_back(self._id)


def approver_view(approver: Approver) -> dict[str, Any]:
    """One approver as the API shows them."""
    members = {
        "accountName": approver.account,
        "firstName": approver.first_name,
        "lastName": approver.last_name,
        "email": approver.email,
    }
    return {name: value for name, value in members.items() if value is not None}
