"""Accounts, passwords, block list; and that each change reaches those who are logged in (cockpit-services 7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cockpit.conftest import PASSWORD, Client
from tests.cockpit.identity.conftest import OF_SERVICE, SECRET, SERVICE, People

from stellwerk.cockpit.application import Cockpit

VIEWS = "sos:products:controller:view"


async def items(people: People, **members: Any) -> list[dict[str, Any]]:
    answer = await people.root.post("iam/accounts", {**OF_SERVICE, **members})
    found: list[dict[str, Any]] = answer["accountItems"]
    return found


async def error(client: Client, path: str, body: Any) -> tuple[str, str]:
    answer = (await client.post(path, body, status=420))["error"]
    return answer["code"], answer["message"]


async def test_an_account_is_stored_changed_renamed_and_deleted(people: People) -> None:
    await people.role("one", VIEWS)
    await people.role("two", VIEWS)
    await people.account("anna", "one", "no such role", email="anna@example.org")
    assert (await items(people, accountName="anna")) == [
        {
            **OF_SERVICE,
            "accountName": "anna",
            "email": "anna@example.org",
            "disabled": False,
            "blocked": False,
            "forcePasswordChange": False,
            "roles": ["one"],
        }
    ]
    await people.account("anna", "two", password="********", disabled=True)
    (anna,) = await items(people, accountName="anna")
    assert (anna["roles"], anna["disabled"], anna["email"]) == (["two"], True, "anna@example.org")
    assert [one["accountName"] for one in await items(people, disabled=True)] == ["anna"]
    assert [one["accountName"] for one in await items(people, enabled=True)] == ["root"]
    assert [one["accountName"] for one in await items(people, enabled=True, disabled=True)] == ["anna", "root"]
    await people.root.post("iam/account/rename", {**OF_SERVICE, "accountOldName": "anna", "accountNewName": "berta"})
    taken = {**OF_SERVICE, "accountOldName": "berta", "accountNewName": "root"}
    assert (await error(people.root, "iam/account/rename", taken))[0] == "JOC-420"
    await people.root.post("iam/accounts/delete", {**OF_SERVICE, "accountNames": ["berta"], "enabled": True})
    assert len(await items(people)) == 2, "only the enabled ones of those named"
    await people.root.post("iam/accounts/delete", {**OF_SERVICE, "accountNames": ["berta"]})
    assert [one["accountName"] for one in await items(people)] == ["root"]


@pytest.mark.parametrize(
    ("path", "members", "code", "says"),
    [
        ("iam/accounts", {"identityServiceName": "none"}, "JOC-002", "'none'"),
        ("iam/account", {"accountName": "nobody"}, "JOC-002", "nobody"),
        ("iam/accounts/enable", {"accountNames": ["nobody"]}, "JOC-002", "nobody"),
        ("iam/accounts/delete", {"accountNames": ["root", "nobody"]}, "JOC-002", "nobody"),
        ("iam/accounts/delete", {"accountNames": []}, "JOC-400", "at least one"),
        ("iam/accounts/resetpassword", {"accountNames": ["nobody"]}, "JOC-002", "nobody"),
        ("iam/account/permissions", {"accountName": "nobody"}, "JOC-002", "nobody"),
        ("iam/account/store", {"accountName": "a:b"}, "JOC-400", "':'"),
        ("iam/account/store", {"accountName": " "}, "JOC-400", "empty"),
        ("iam/account/store", {}, "JOC-420", "$.accountName"),
        ("iam/role", {"roleName": "none"}, "JOC-002", "none"),
        ("iam/role/rename", {"roleOldName": "all", "roleNewName": "api_user"}, "JOC-420", "exists"),
        ("iam/permission", {"roleName": "all", "permissionPath": "sos:products:joc"}, "JOC-002", "sos:products:joc"),
        ("iam/permissions/delete", {"roleName": "all", "permissionPaths": ["sos:x"]}, "JOC-002", "sos:x"),
        (
            "iam/permissions/store",
            {"roleName": "all", "permissions": [{"permissionPath": "sos:products:controler:view"}]},
            "JOC-400",
            "did you mean 'sos:products:controller:view'",
        ),
        ("iam/folders/store", {"roleName": "all", "folders": [{"folder": "a"}]}, "JOC-400", "begin with /"),
        ("iam/folders/delete", {"roleName": "all", "folderNames": ["/a"]}, "JOC-002", "/a"),
        ("iam/identityservice/store", {"identityServiceType": "NIS"}, "JOC-400", "KEYCLOAK-JOC"),
        ("iam/identityservice/store", {"identityServiceType": "LDAP"}, "JOC-400", "cannot be changed"),
        ("iam/sessions/cancel", {"ids": ["x"]}, "JOC-400", "iam/sessions"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_reason(
    people: People, path: str, members: dict[str, Any], code: str, says: str
) -> None:
    found, message = await error(people.root, path, {**OF_SERVICE, **members})
    assert found == code
    assert says in message


async def test_a_new_account_without_a_password_has_to_change_the_initial_one(people: People) -> None:
    await people.role("viewer", VIEWS)
    await people.account("anna", "viewer", password="")
    anna = await people.enter("anna", "initial")
    refused = await anna.post("controller/ids", status=403)
    assert refused["message"] == "Access denied: change your password first"
    change = {**OF_SERVICE, "accountName": "anna", "oldPassword": "initial"}
    same = {"password": "initial", "repeatedPassword": "initial"}
    assert "initial password" in (await error(anna, "iam/account/changepassword", change | same))[1]
    await anna.post("iam/account/changepassword", change | {"password": SECRET, "repeatedPassword": SECRET})
    await anna.post("controller/ids")
    await people.root.post("iam/accounts/resetpassword", {**OF_SERVICE, "accountNames": ["anna"]})
    await anna.post("touch", status=440)
    assert "wrong password" in await people.refusal("anna")
    again = await people.enter("anna", "initial")
    await again.post("controller/ids", status=403)


async def test_people_change_their_own_password_with_the_old_one_only(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    other = await people.enter("anna")
    change = {**OF_SERVICE, "accountName": "anna", "password": "new one", "repeatedPassword": "new one"}
    assert "old password" in (await error(anna, "iam/account/changepassword", change))[1]
    assert "old password" in (await error(anna, "iam/account/changepassword", change | {"oldPassword": "x"}))[1]
    differs = change | {"oldPassword": SECRET, "repeatedPassword": "x"}
    assert "differ" in (await error(anna, "iam/account/changepassword", differs))[1]
    await anna.post("iam/account/changepassword", change | {"oldPassword": SECRET})
    await anna.post("touch")
    await other.post("touch", status=440)
    await people.enter("anna", "new one")
    of_root = {**OF_SERVICE, "accountName": "root", "password": "x", "repeatedPassword": "x", "oldPassword": PASSWORD}
    await anna.post("iam/account/changepassword", of_root, status=403)
    unknown = of_root | {"accountName": "nobody"}
    await anna.post("iam/account/changepassword", unknown, status=403)


async def test_who_manages_accounts_sets_passwords_of_others(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    change = {**OF_SERVICE, "accountName": "anna", "password": "new one", "repeatedPassword": "new one"}
    wrong = change | {"oldPassword": "x"}
    assert "old password" in (await error(people.root, "iam/account/changepassword", wrong))[1]
    await people.root.post("iam/account/changepassword", change | {"forcePasswordChange": True})
    await anna.post("touch", status=440)
    await (await people.enter("anna", "new one")).post("controller/ids", status=403)


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("iam/accounts/disable", {"accountNames": ["anna"]}),
        ("iam/accounts/delete", {"accountNames": ["anna"]}),
        ("iam/blockedAccount/store", {"accountName": "anna"}),
        ("iam/account/rename", {"accountOldName": "anna", "accountNewName": "berta"}),
        ("iam/account/store", {"accountName": "anna", "password": "other password"}),
        ("iam/account/store", {"accountName": "anna", "roles": []}),
        ("iam/account/store", {"accountName": "anna", "blocked": True}),
        ("iam/roles/delete", {"roleNames": ["role of anna"]}),
        ("iam/permissions/delete", {"roleName": "role of anna", "permissionPaths": [VIEWS]}),
        ("iam/sessions/cancel", {"accountNames": ["anna"]}),
    ],
)
async def test_who_could_not_log_in_any_more_is_logged_out(people: People, path: str, members: dict[str, Any]) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    await anna.post("controller/ids")
    await people.root.post(path, {**OF_SERVICE, **members})
    await anna.post("touch", status=440)
    await people.root.post("touch")


async def test_permissions_reach_those_who_are_logged_in(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    await anna.post("settings", status=403)
    role = {**OF_SERVICE, "roleName": "role of anna"}
    settings = "sos:products:joc:administration:settings"
    await people.root.post("iam/permissions/store", {**role, "permissions": [{"permissionPath": settings}]})
    await anna.post("settings")
    excluded = {"permissionPath": f"{settings}:manage", "excluded": True}
    await people.root.post("iam/permissions/store", {**role, "permissions": [excluded]})
    await anna.post("settings", status=403)
    mine = await anna.post("authentication/joc_cockpit_permissions")
    assert mine == await people.root.post("iam/account/permissions", {**OF_SERVICE, "accountName": "anna"})
    assert mine["roles"] == ["role of anna"]
    assert mine["joc"]["administration"]["settings"] == {"view": True, "manage": False}


async def test_the_misspelt_permission_is_understood_in_requests_and_in_stored_data(
    people: People, cockpit: Cockpit
) -> None:
    from sqlalchemy import update

    from stellwerk.cockpit.database.tables.identity import iam_permissions

    wrong, right = (f"sos:products:joc:{name}:accounts:view" for name in ("adminstration", "administration"))
    await people.with_permissions("anna", wrong)
    role = {**OF_SERVICE, "roleName": "role of anna"}
    assert (await people.root.post("iam/permissions", role))["permissions"] == [
        {"permissionPath": right, "excluded": False}
    ]
    async with cockpit.database.write() as connection:
        table = iam_permissions
        await connection.execute(
            update(table).where(table.c.account_permission == right).values(account_permission=wrong)
        )
    anna = await people.enter("anna")
    await anna.post("iam/roles", OF_SERVICE)
    assert (await people.root.post("iam/permission", {**role, "permissionPath": right}))["permission"]
    await people.root.post("iam/permissions/delete", {**role, "permissionPaths": [right]})
    assert (await people.root.post("iam/permissions", role))["permissions"] == []


async def test_roles_hold_permissions_and_folders_for_single_controllers(people: People) -> None:
    await people.role("r", VIEWS)
    await people.role("r", "sos:products:controller:orders", controller_id="prod", folders=[{"folder": "/a/"}])
    role = {**OF_SERVICE, "roleName": "r"}
    shown = await people.root.post("iam/role", role)
    assert shown["controllers"] == ["", "prod"]
    of_prod = await people.root.post("iam/permissions", {**role, "controllerId": "prod"})
    assert of_prod["permissions"] == [{"permissionPath": "sos:products:controller:orders", "excluded": False}]
    folders = await people.root.post("iam/folders", {**role, "controllerId": "prod"})
    assert folders["folders"] == [{"folder": "/a", "recursive": True}]
    assert (await people.root.post("iam/folders", role))["folders"] == []
    await people.account("anna", "r")
    permissions = await people.root.post("iam/account/permissions", {**OF_SERVICE, "accountName": "anna"})
    assert permissions["controllers"]["prod"]["orders"]["cancel"]
    assert not permissions["controllerDefaults"]["orders"]["cancel"]


async def test_roles_are_shown_in_the_order_that_people_choose(people: People) -> None:
    await people.role("late")
    await people.root.post("iam/roles/reorder", {**OF_SERVICE, "roleNames": ["late", "api_user"]})
    names = [role["roleName"] for role in (await people.root.post("iam/roles", OF_SERVICE))["roles"]]
    assert names[:3] == ["late", "api_user", "all"]
    await people.root.post("iam/role/store", {**OF_SERVICE, "roleName": "all", "ordering": "0"})
    names = [role["roleName"] for role in (await people.root.post("iam/roles", OF_SERVICE))["roles"]]
    assert names[0] == "all"


async def test_sessions_are_listed_without_their_tokens_and_ended_by_id(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    answer = await people.root.post("iam/sessions", {"accountName": "anna"})
    (session,) = answer["activeSessions"]
    assert session["identityService"] == f"JOC:{SERVICE}"
    assert 0 < session["timeout"] <= 1_800_000
    assert anna.token not in json.dumps(answer)
    await people.root.post("iam/sessions/cancel", {"ids": [session["id"]]})
    await anna.post("touch", status=440)


async def test_one_document_has_accounts_and_all_that_roles_hold(people: People) -> None:
    await people.role("clerk", "sos:products:joc:calendars:view", VIEWS, excluded=["sos:products:controller:restart"])
    await people.role("clerk", "sos:products:controller:terminate", controller_id="c")
    await people.role("clerk", folders=[{"folder": "/a", "recursive": False}])
    await people.role("clerk", folders=[{"folder": "/b"}], controller_id="c")
    await people.account("anna", "clerk", forcePasswordChange=True)
    told = await people.root.post("authentication/auth", OF_SERVICE)
    anna = next(one for one in told["accounts"] if one["accountName"] == "anna")
    assert anna == {"accountName": "anna", "forcePasswordChange": True, "disabled": False, "roles": ["clerk"]}
    assert told["roles"]["clerk"] == {
        "permissions": {
            "joc": [{"permissionPath": "sos:products:joc:calendars:view", "excluded": False}],
            "controllerDefaults": [
                {"permissionPath": VIEWS, "excluded": False},
                {"permissionPath": "sos:products:controller:restart", "excluded": True},
            ],
            "controllers": {"c": [{"permissionPath": "sos:products:controller:terminate", "excluded": False}]},
        },
        "folders": {
            "joc": [{"folder": "/a", "recursive": False}],
            "controllers": {"c": [{"folder": "/b", "recursive": True}]},
        },
    }
    assert told["roles"]["all"]["permissions"]["joc"] == [{"permissionPath": "sos:products", "excluded": False}]
    await people.root.post("authentication/auth", {"identityServiceName": "unknown"}, status=420)
