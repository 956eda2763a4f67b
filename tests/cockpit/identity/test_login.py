"""Login through several identity services (cockpit-api 1.2, login rule)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.cockpit.conftest import PASSWORD
from tests.cockpit.identity.conftest import SECRET, People

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.accounts import Accounts
from stellwerk.cockpit.auth.credentials import Credentials, LoginRefused, PasswordVerifier
from stellwerk.cockpit.auth.delays import LoginBrake
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.passwords import Passwords
from stellwerk.cockpit.auth.sessions import Identity, Session, Sessions
from stellwerk.cockpit.configuration import LoginDelays
from stellwerk.cockpit.database.news import News

SECOND = {"identityServiceName": "second"}
ANNA = Credentials(account="anna", password=SECRET, address="here")
VIEWS = {"permissionPath": "sos:products:controller:view"}
ORDERS = {"permissionPath": "sos:products:controller:orders:view"}


async def second_service(people: People, **members: Any) -> None:
    """Another service of type JOC, with account `anna`, who may see orders there."""
    await people.root.post("iam/identityservice/store", {**SECOND, "identityServiceType": "JOC", **members})
    await people.root.post("iam/role/store", {**SECOND, "roleName": "r"})
    await people.root.post("iam/permissions/store", {**SECOND, "roleName": "r", "permissions": [ORDERS]})
    account = {**SECOND, "accountName": "anna", "password": "second password", "roles": ["r"]}
    await people.root.post("iam/account/store", account)


async def test_optional_services_are_asked_in_their_order_until_one_accepts(people: People) -> None:
    await second_service(people)
    await people.account("anna", await people.role("viewer", VIEWS["permissionPath"]))
    first = await people.enter("anna")
    await first.post("controller/ids")
    second = await people.enter("anna", "second password")
    assert (await second.post("authentication/joc_cockpit_permissions"))["roles"] == ["r"]
    # With the same password at both, the order decides.
    await people.root.post("iam/account/store", {**SECOND, "accountName": "anna", "password": SECRET})
    assert (await (await people.enter("anna")).post("authentication/joc_cockpit_permissions"))["roles"] == ["viewer"]
    await people.root.post("iam/identityservices/reorder", {"identityServiceNames": ["second"]})
    assert (await (await people.enter("anna")).post("authentication/joc_cockpit_permissions"))["roles"] == ["r"]


async def test_required_services_must_all_accept_and_their_permissions_are_merged(people: People) -> None:
    await second_service(people, required=True)
    # Only the required one is asked: root is not known there.
    assert "wrong password" in await people.refusal("root", PASSWORD)
    members = {"identityServiceName": "JOC-INITIAL", "identityServiceType": "JOC", "required": True}
    await people.root.post("iam/identityservice/store", members)
    await people.account("anna", await people.role("viewer", VIEWS["permissionPath"]))
    assert "wrong password" in await people.refusal("anna")
    await people.root.post("iam/account/store", {**SECOND, "accountName": "anna", "password": SECRET})
    both = await people.enter("anna")
    granted = await both.post("authentication/joc_cockpit_permissions")
    assert set(granted["roles"]) == {"viewer", "r"}
    assert granted["controllerDefaults"]["view"] and granted["controllerDefaults"]["orders"]["view"]
    await people.root.post("iam/accounts/disable", {**SECOND, "accountNames": ["anna"]})
    await both.post("touch", status=440)
    assert "Access denied" in await people.refusal("anna")


async def test_a_service_that_is_disabled_or_deleted_lets_nobody_in_and_ends_its_sessions(people: People) -> None:
    await second_service(people)
    anna = await people.enter("anna", "second password")
    store = {**SECOND, "identityServiceType": "JOC"}
    await people.root.post("iam/identityservice/store", {**store, "disabled": True})
    await anna.post("touch", status=440)
    assert "wrong password" in await people.refusal("anna", "second password")
    await people.root.post("iam/identityservice/store", {**store, "disabled": False})
    anna = await people.enter("anna", "second password")
    await people.root.post(
        "iam/identityservice/rename", {"identityServiceOldName": "second", "identityServiceNewName": "x"}
    )
    (session,) = (await people.root.post("iam/sessions", {"accountName": "anna"}))["activeSessions"]
    assert session["identityService"] == "JOC:x"
    await people.root.post("iam/identityservice/delete", {"identityServiceName": "x"})
    await anna.post("touch", status=440)
    await people.root.post("iam/accounts", {"identityServiceName": "x"}, status=420)


@pytest.mark.parametrize("type_", ["KEYCLOAK", "KEYCLOAK-JOC"])
async def test_services_that_come_later_are_kept_and_grant_nothing(people: People, type_: str) -> None:
    service = {"identityServiceName": "outside", "identityServiceType": type_}
    stored = await people.root.post("iam/identityservice/store", service)
    assert stored["identityServiceType"] == type_
    assert stored["serviceAuthenticationScheme"] == "SINGLE-FACTOR"
    # Even an account with a password there is not let in by it.
    role = {"identityServiceName": "outside", "roleName": "r"}
    await people.root.post("iam/role/store", role)
    await people.root.post("iam/permissions/store", {**role, "permissions": [VIEWS]})
    account = {"identityServiceName": "outside", "accountName": "anna", "password": SECRET, "roles": ["r"]}
    await people.root.post("iam/account/store", account)
    assert "wrong password" in await people.refusal("anna")
    await people.enter("root", PASSWORD)
    required = await people.root.post("iam/identityservice/store", {**service, "required": True}, status=420)
    assert "lock everybody out" in required["error"]["message"]


async def test_a_login_says_that_the_only_service_is_not_available_yet(people: People) -> None:
    store = {"identityServiceName": "outside", "identityServiceType": "KEYCLOAK"}
    await people.root.post("iam/identityservice/store", store)
    first = {"identityServiceName": "JOC-INITIAL", "identityServiceType": "JOC", "disabled": True}
    await people.root.post("iam/identityservice/store", first)
    said = await people.refusal("anna")
    assert said == "logins through identity service 'outside' of type KEYCLOAK are not available yet: Could not login"


async def test_the_first_factor_alone_grants_nothing(people: People) -> None:
    await second_service(people)
    device = {"identityServiceName": "device", "identityServiceType": "FIDO"}
    await people.root.post("iam/identityservice/store", device)
    both = {
        **SECOND,
        "identityServiceType": "JOC",
        "serviceAuthenticationScheme": "TWO-FACTOR",
        "secondFactorIdentityServiceName": "device",
    }
    stored = await people.root.post("iam/identityservice/store", both)
    assert stored["secondFactorIdentityServiceName"] == "device"
    async with await people.login("anna", "second password") as response:
        assert (await response.json())["accessToken"] == "" and "X-Access-Token" not in response.headers
    wrong = await people.root.post(
        "iam/identityservice/store", both | {"secondFactorIdentityServiceName": "second"}, status=420
    )
    assert "CERTIFICATE or FIDO" in wrong["error"]["message"]


async def test_blocked_accounts_are_told_so_whatever_the_password(people: People) -> None:
    await people.account("anna", await people.role("viewer", VIEWS["permissionPath"]))
    await people.root.post("iam/blockedAccount/store", {"accountName": "anna", "comment": "left"})
    assert "Account is blocked" in await people.refusal("anna")
    assert "Account is blocked" in await people.refusal("anna", "wrong")
    (blocked,) = (await people.root.post("iam/blockedAccounts", {"dateFrom": "-1d"}))["blockedAccounts"]
    assert (blocked["accountName"], blocked["comment"]) == ("anna", "left")
    assert (await people.root.post("iam/blockedAccounts", {"dateTo": "-1d"}))["blockedAccounts"] == []
    await people.root.post("iam/blockedAccounts/delete", {"accountNames": ["anna"]})
    await people.enter("anna")
    history = (await people.root.post("audit_log/login_history", {"accountName": "anna"}))["loginHistoryItems"]
    assert [item["loginSuccess"] for item in history] == [True, False, False]
    assert history[1]["details"]["loginHistoryItems"][0]["message"] == "Account is blocked"


async def test_accounts_without_roles_or_permissions_are_not_let_in(people: People) -> None:
    await people.account("anna")
    assert "no role assignment found" in await people.refusal("anna")
    await people.account("anna", await people.role("empty"))
    assert "no permission assignment found" in await people.refusal("anna")


class OvertakenSessions(Sessions):
    """Something is changed just before a session is opened, after what it may do has been read."""

    overtaking: Callable[[], Awaitable[Any]]

    async def open(self, identity: Identity, address: str) -> tuple[str, Session]:
        await self.overtaking()
        return await super().open(identity, address)


@pytest.mark.parametrize("change", ["disabled", "permissions"])
async def test_a_change_amid_a_login_is_not_overlooked(people: People, cockpit: Cockpit, change: str) -> None:
    await people.account("anna", await people.role("viewer", VIEWS["permissionPath"]))
    get, database = cockpit.services.get, cockpit.database
    sessions = OvertakenSessions(
        database, get(News), cockpit.random, idle_seconds=1800, maximum=10, time=asyncio.get_running_loop().time
    )
    brake, grants = LoginBrake(LoginDelays(short_seconds=0, long_seconds=0)), Grants(database, sessions)
    passwords = get(Passwords)
    verifiers = {"JOC": PasswordVerifier(passwords)}
    accounts = Accounts(database, sessions, grants, passwords, brake, cockpit.clock, cockpit.random, verifiers)
    of_anna = {"identityServiceName": "JOC-INITIAL", "accountNames": ["anna"]}
    if change == "disabled":
        sessions.overtaking = lambda: people.root.post("iam/accounts/disable", of_anna)
        with pytest.raises(LoginRefused, match="Access denied"):
            await accounts.login(ANNA)
        assert await sessions.active("anna") == []
    else:
        sessions.overtaking = lambda: people.role(
            "viewer", ORDERS["permissionPath"], excluded=[VIEWS["permissionPath"]]
        )
        _, session = await accounts.login(ANNA)
        assert session.permissions.allows("ctl:orders:view") and not session.permissions.allows("ctl:view")
