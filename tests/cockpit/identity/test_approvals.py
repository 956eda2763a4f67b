"""The four-eyes principle over HTTP (cockpit-services 7.3, 10.4; cockpit-api 1.3, 1.10)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from tests.cockpit.conftest import Client
from tests.cockpit.identity.conftest import OF_SERVICE, SHARED, People

pytestmark = SHARED

INVENTORY, VIEW = "sos:products:joc:inventory", "sos:products:controller:view"
CANCEL = "sos:products:controller:orders:cancel"
ACCOUNTS = "sos:products:joc:administration:accounts:manage"
SETTINGS = "sos:products:joc:administration:settings:manage"


def store(path: str) -> dict[str, Any]:
    lock = {"limit": 1}
    return {"path": path, "objectType": "LOCK", "configuration": lock}


class Office:
    """A requestor, two approvers, and the setting that makes the difference."""

    def __init__(self, people: People, requestor: Client, boss: Client, deputy: Client) -> None:
        self.people = people
        self.root = people.root
        self.requestor = requestor
        self.boss = boss
        self.deputy = deputy

    async def give_clerk(self, *roles: str) -> None:
        """These roles, besides the requestor's; the session stays."""
        account = {**OF_SERVICE, "accountName": "clerk", "roles": ["requestor", "viewer", *roles]}
        await self.root.post("iam/account/store", account)

    async def switch(self, role: str) -> None:
        document = {"joc": {"approval_requestor_role": {"value": role}}}
        await self.root.post("settings/store", {"configurationItem": json.dumps(document)})

    async def needed(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(await self.requestor.post(path, body, status=433))

    async def asked(self, path: str, body: dict[str, Any], approver: str = "boss") -> int:
        """A request made of what the refusal tells."""
        told = await self.needed(path, body)
        members = {name: told[name] for name in ("requestor", "requestUrl", "requestBody", "category")}
        request = {**members, "title": "please", "approver": approver, "reason": "it is late"}
        return int((await self.requestor.post("approval/request", request))["id"])

    async def execute(self, id_: int, path: str, body: dict[str, Any], *, status: int = 200) -> dict[str, Any]:
        headers = {"X-Approval-Request-Id": str(id_)}
        async with await self.requestor.raw("POST", path, body, headers=headers) as response:
            assert response.status == status, await response.text()
            return dict(await response.json())

    async def state(self, id_: int) -> tuple[str, str]:
        found = (await self.root.post("approval/requests"))["requests"]
        one = next(item for item in found if item["id"] == id_)
        return one["requestorState"], one["approverState"]

    async def exists(self, path: str) -> bool:
        body = {"path": path, "objectType": "LOCK"}
        async with await self.root.raw("POST", "inventory/read/configuration", body) as response:
            return response.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staff(shared_people: People) -> Office:
    people = shared_people
    await people.role("requestor", INVENTORY, CANCEL, ACCOUNTS, SETTINGS)
    await people.account("clerk", "requestor", await people.role("viewer", VIEW))
    clerk = await people.enter("clerk")
    boss, deputy = [await people.with_permissions(name, VIEW) for name in ("boss", "deputy")]
    return Office(people, clerk, boss, deputy)


@pytest_asyncio.fixture(loop_scope="module")
async def office(staff: Office) -> AsyncIterator[Office]:
    for name in ("boss", "deputy"):
        approver = {"accountName": name, "firstName": name, "lastName": "Able", "email": f"{name}@example.com"}
        await staff.root.post("approval/approver/store", approver)
    await staff.switch("requestor")
    yield staff
    await staff.switch("")


async def test_what_only_the_requestor_role_grants_is_asked_for_approved_and_done_once(office: Office) -> None:
    told = await office.needed("inventory/store", store("/four/A"))
    assert (told["requestor"], told["requestUrl"], told["category"]) == ("clerk", "./inventory/store", "INVENTORY")
    assert told["requestBody"] == store("/four/A")
    assert [one["accountName"] for one in told["approvers"]] == ["boss", "deputy"]
    assert not await office.exists("/four/A")
    id_ = await office.asked("inventory/store", store("/four/A"))
    refused = await office.execute(id_, "inventory/store", store("/four/A"), status=420)
    assert "PENDING, not approved" in refused["error"]["message"]
    await office.boss.post("approval/approve", {"id": id_})
    # What is sent now does not matter: what was approved is done.
    await office.execute(id_, "inventory/store", store("/four/SOMETHING_ELSE"))
    assert await office.exists("/four/A") and not await office.exists("/four/SOMETHING_ELSE")
    assert await office.state(id_) == ("EXECUTED", "APPROVED")
    again = await office.execute(id_, "inventory/store", store("/four/A"), status=420)
    assert "EXECUTED already" in again["error"]["message"]
    rows = (await office.root.post("audit_log", {"account": "clerk"}))["auditLog"]
    assert rows[0]["request"] == "./inventory/store" and "/four/A" in rows[0]["parameters"]


async def test_two_executions_at_once_are_one(office: Office) -> None:
    id_ = await office.asked("inventory/store", store("/four/TWICE"))
    await office.boss.post("approval/approve", {"id": id_})

    async def execute() -> int:
        headers = {"X-Approval-Request-Id": str(id_)}
        async with await office.requestor.raw("POST", "inventory/store", {}, headers=headers) as response:
            return response.status

    assert sorted(await asyncio.gather(*(execute() for _ in range(4)))) == [200, 420, 420, 420]


async def test_only_an_approver_decides_and_never_about_own_requests(office: Office) -> None:
    id_ = await office.asked("inventory/store", store("/four/B"))
    for somebody in (office.requestor, office.deputy, office.root):
        await somebody.post("approval/approve", {"id": id_}, status=420)
    own = await office.needed("inventory/store", store("/four/B"))
    members = {name: own[name] for name in ("requestor", "requestUrl", "requestBody")}
    await office.root.post("approval/approver/store", {"accountName": "clerk", "firstName": "C", "lastName": "Lerk"})
    refused = await office.requestor.post(
        "approval/request", {**members, "title": "t", "approver": "clerk"}, status=420
    )
    assert "of their own" in refused["error"]["message"]
    taken = await office.requestor.post("approval/edit", {"id": id_, "approver": "clerk"}, status=420)
    assert "of their own" in taken["error"]["message"]
    await office.root.post("approval/approver/delete", {"accountName": "clerk"})
    # Another approver takes it over.
    await office.deputy.post("approval/edit", {"id": id_, "approver": "deputy"})
    await office.boss.post("approval/approve", {"id": id_}, status=420)
    await office.deputy.post("approval/reject", {"id": id_})
    assert await office.state(id_) == ("REQUESTED", "REJECTED")
    await office.execute(id_, "inventory/store", store("/four/B"), status=420)
    await office.deputy.post("approval/approve", {"id": id_}, status=420)
    assert not await office.exists("/four/B")


async def test_an_approval_counts_for_its_call_its_requestor_and_while_its_approver_is_one(office: Office) -> None:
    id_ = await office.asked("inventory/store", store("/four/C"))
    await office.boss.post("approval/approve", {"id": id_})
    await office.execute(id_, "orders/cancel", {"controllerId": "c", "orderIds": ["x"]}, status=420)
    headers = {"X-Approval-Request-Id": str(id_)}
    async with await office.root.raw("POST", "inventory/store", store("/four/C"), headers=headers) as response:
        assert response.status == 420 and "another account" in await response.text()
    for wrong in ("0", "x", "-1", "1" * 30):
        async with await office.requestor.raw(
            "POST", "inventory/store", store("/four/C"), headers={"X-Approval-Request-Id": wrong}
        ) as response:
            assert response.status == 420
    await office.root.post("approval/approver/delete", {"accountName": "boss"})
    refused = await office.execute(id_, "inventory/store", store("/four/C"), status=420)
    assert "not an approver any more" in refused["error"]["message"]
    await office.boss.post("approval/reject", {"id": id_}, status=420)
    shown = (await office.requestor.post("approval/requests"))["requests"]
    assert next(one for one in shown if one["id"] == id_)["unknownApprover"] is True
    await office.requestor.post("approval/withdraw", {"id": id_})
    assert await office.state(id_) == ("WITHDRAWN", "APPROVED")


async def test_a_call_that_is_refused_before_it_does_anything_can_be_tried_again(office: Office) -> None:
    body = {"controllerId": "nowhere", "orderIds": ["#1"]}
    id_ = await office.asked("orders/cancel", body)
    await office.boss.post("approval/approve", {"id": id_})
    await office.execute(id_, "orders/cancel", body, status=420)
    assert await office.state(id_) == ("REQUESTED", "APPROVED")
    # Meanwhile the role may not do it any more, whatever was approved.
    role = {**OF_SERVICE, "roleName": "requestor"}
    await office.root.post("iam/permissions/delete", {**role, "permissionPaths": [CANCEL]})
    await office.execute(id_, "orders/cancel", body, status=403)
    await office.root.post("iam/permissions/store", {**role, "permissions": [{"permissionPath": CANCEL}]})


async def test_reading_and_what_other_roles_grant_need_no_approval(office: Office) -> None:
    await office.requestor.post("inventory/read/folder", {"path": "/"})
    login = await office.people.login("clerk")
    assert (await login.json())["isApprovalRequestor"] is True
    assert (await (await office.people.login("boss")).json())["isApprover"] is True
    await office.give_clerk(await office.people.role("author", INVENTORY))
    await office.requestor.post("inventory/store", store("/four/OWN"))
    await office.give_clerk()
    await office.needed("inventory/store", store("/four/OWN"))
    await office.switch("")
    await office.requestor.post("inventory/store", store("/four/OWN"))


async def test_a_grant_for_one_controller_is_no_way_around_for_another(office: Office) -> None:
    await office.people.role("of b", CANCEL, controller_id="b")
    await office.give_clerk("of b")
    await office.needed("orders/cancel", {"controllerId": "a", "orderIds": ["x"]})
    unknown = await office.requestor.post("orders/cancel", {"controllerId": "b", "orderIds": ["x"]}, status=420)
    assert "JOC-40" in unknown["error"]["code"]
    await office.give_clerk()


async def test_who_may_do_what_and_uploads_cannot_be_approved(office: Office) -> None:
    await office.requestor.post("iam/role/store", {**OF_SERVICE, "roleName": "x"}, status=403)
    await office.requestor.post(
        "approval/approver/store", {"accountName": "x", "firstName": "", "lastName": ""}, status=403
    )
    request = {"requestor": "clerk", "requestBody": {}, "title": "t", "approver": "boss"}
    for url in ("/iam/role/store", "/approval/approve", "/orders", "/nowhere", "/inventory/import", "/touch"):
        refused = await office.requestor.post("approval/request", {**request, "requestUrl": url}, status=420)
        assert "no call that can be approved" in refused["error"]["message"]
    # Nor does a requestor switch the principle off, but with approval.
    await office.needed("settings/store", {"configurationItem": "{}"})
    await office.needed("configuration/save", {"configurationType": "GLOBALS", "configurationItem": "{}"})


async def test_requests_are_made_by_requestors_for_themselves_and_in_readable_form(office: Office) -> None:
    body = {**store("/four/D")}
    request = {"requestUrl": "/joc/api/inventory/store", "requestBody": body, "title": "t", "approver": "boss"}
    await office.boss.post("approval/request", {**request, "requestor": "boss"}, status=420)
    await office.requestor.post("approval/request", {**request, "requestor": "boss"}, status=420)
    wrong: list[dict[str, Any]] = [{"title": " "}, {"approver": "nobody"}, {"requestBody": {"path": {}}}]
    for changes in wrong:
        await office.requestor.post("approval/request", {**request, "requestor": "clerk", **changes}, status=420)
    await office.requestor.post("approval/request", {**request, "requestor": "clerk"})


async def test_several_at_once_and_who_sees_which(office: Office) -> None:
    ids = [await office.asked("inventory/store", store(f"/four/E{n}")) for n in range(3)]
    seen = {
        one["id"] for one in (await office.boss.post("approval/requests", {"approverStates": ["PENDING"]}))["requests"]
    }
    assert set(ids) <= seen
    stranger = await office.people.with_permissions("stranger", VIEW)
    assert (await stranger.post("approval/requests"))["requests"] == []
    failed = await office.boss.post("approvals/approve", {"ids": [*ids[:2], 999_999]}, status=419)
    assert [error["path"] for error in failed["errors"]] == ["999999"]
    await office.boss.post("approvals/reject", {"ids": ids[:1]})
    await office.requestor.post("approvals/withdraw", {"ids": ids[2:]})
    assert [await office.state(id_) for id_ in ids] == [
        ("REQUESTED", "REJECTED"),
        ("REQUESTED", "APPROVED"),
        ("WITHDRAWN", "PENDING"),
    ]
    newest = await office.requestor.post("approval/requests", {"requestorStates": ["WITHDRAWN"], "limit": 1})
    assert [one["id"] for one in newest["requests"]] == ids[2:]


async def test_approvers_and_requestors_hear_of_changes(office: Office) -> None:
    event_id = (await office.boss.post("events", {"controllerId": "", "eventId": 1}))["eventId"]
    waiting = asyncio.create_task(office.boss.post("events", {"controllerId": "", "eventId": event_id}))
    id_ = await office.asked("inventory/store", store("/four/F"))
    told = await waiting
    assert {"eventType": "ApprovalUpdated", "objectType": "APPROVAL"} in told["eventSnapshots"]
    for_boss, _ = told["eventsFromApprovalRequests"]
    assert for_boss["approver"] == "boss" and for_boss["numOfPendingApprovals"] >= 1
    event_id = (await office.requestor.post("events", {"controllerId": "", "eventId": 1}))["eventId"]
    waiting = asyncio.create_task(office.requestor.post("events", {"controllerId": "", "eventId": event_id}))
    await office.boss.post("approval/approve", {"id": id_})
    _, for_clerk = (await waiting)["eventsFromApprovalRequests"]
    assert for_clerk["requestor"] == "clerk" and for_clerk["numOfApprovedRequests"] >= 1


async def test_approvers_are_ordered_and_email_settings_kept(office: Office) -> None:
    root = office.root
    await root.post("approval/approvers/ordering", {"accountNames": ["deputy"]})
    names = [one["accountName"] for one in (await root.post("approval/approvers"))["approvers"]]
    assert names == ["deputy", "boss"]
    await root.post("approval/approvers/ordering", {"accountNames": ["boss", "deputy"]})
    await root.post("approval/approvers/ordering", {"accountNames": ["nobody"]}, status=420)
    assert (await root.post("approval/email_settings"))["jobResourceName"] == "eMailDefault"
    settings = {"subject": "Approve ${title}", "body": "…", "priority": "HIGH"}
    await root.post("approval/email_settings/store", settings)
    kept = await root.post("approval/email_settings")
    assert {name: kept[name] for name in settings} == settings
