"""Logins through a real directory server (cockpit-services 7.1, types LDAP and LDAP-JOC)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from authority import Authority
from proxy import Proxy
from slapd import ADMIN, ADMIN_PASSWORD, BASE, PASSWORD, Slapd, available
from tests.cockpit.conftest import PASSWORD as ROOT_PASSWORD
from tests.cockpit.identity.conftest import SERVICE, SHARED, People

from stellwerk.cockpit.auth import ldap

pytestmark = [*SHARED, pytest.mark.skipif(available() is not None, reason=str(available()))]

OF_SERVICE = {"identityServiceName": "company"}
VIEW = "sos:products:controller:view"
MAP = {
    "items": [
        {"ldapGroupDn": f"CN=Operators,OU=groups,{BASE}", "roles": ["operator"]},
        {"ldapGroupDn": f"cn=staff,ou=groups,{BASE}", "roles": ["staff"]},
    ]
}
BY_TEMPLATE: dict[str, Any] = {
    "iamLdapUserDnTemplate": f"uid={{0}},ou=people,{BASE}",
    "iamLdapGroupSearchBase": f"ou=groups,{BASE}",
}
BY_SEARCH: dict[str, Any] = {
    "iamLdapSearchBase": BASE,
    "iamLdapSystemUser": ADMIN,
    "iamLdapSystemPassword": ADMIN_PASSWORD,
}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    server.start()
    yield server
    server.stop()


class Company:
    """The identity service of the directory at the Cockpit."""

    def __init__(self, people: People, slapd: Slapd) -> None:
        self.people = people
        self._port = slapd.port

    async def create(self, type_: str = "LDAP", *, port: int | None = None, **expert: Any) -> None:
        self.service = {**OF_SERVICE, "identityServiceType": type_}
        root = self.people.root
        await root.post("iam/identityservice/store", self.service)
        for role in ("operator", "staff"):
            await root.post("iam/role/store", {**OF_SERVICE, "roleName": role})
            row = {"permissionPath": VIEW}
            await root.post("iam/permissions/store", {**OF_SERVICE, "roleName": role, "permissions": [row]})
        await self.configure(port=port, **expert)

    async def configure(self, *, port: int | None = None, **expert: Any) -> None:
        simple = {"iamLdapHost": "127.0.0.1", "iamLdapPort": str(port or self._port)}
        document = {"ldap": {"simple": simple, "expert": {"iamLdapGroupRolesMap": MAP, **expert}}}
        item = msgspec.json.encode(document).decode()
        key = {"configurationType": "IAM", "objectType": self.service["identityServiceType"], "name": "company"}
        await self.people.root.post("configuration/save", {**key, "configurationItem": item})

    async def roles(self, account: str, password: str = PASSWORD) -> list[str]:
        entered = await self.people.enter(account, password)
        return list((await entered.post("authentication/joc_cockpit_permissions"))["roles"])


@pytest_asyncio.fixture(loop_scope="module")
async def company(shared_people: People, slapd: Slapd) -> AsyncIterator[Company]:
    yield Company(shared_people, slapd)
    root = shared_people.root
    await root.post("iam/identityservice/delete", OF_SERVICE)
    await root.post("iam/identityservice/store", {"identityServiceName": SERVICE, "identityServiceType": "JOC"})
    await root.post("iam/blockedAccounts/delete", {"accountNames": ["anna"]})
    local = (await root.post("iam/accounts", {"identityServiceName": SERVICE}))["accountItems"]
    if any(one["accountName"] == "anna" for one in local):
        await root.post("iam/accounts/delete", {"identityServiceName": SERVICE, "accountNames": ["anna"]})


async def test_groups_of_the_directory_stand_for_roles_also_groups_of_groups(company: Company) -> None:
    await company.create(**BY_TEMPLATE)
    assert await company.roles("anna") == ["operator", "staff"]
    nested_off = {**MAP, "iamLdapDisableNestedGroupSearch": True}
    await company.configure(**BY_TEMPLATE, iamLdapGroupRolesMap=nested_off)
    assert await company.roles("anna") == ["operator"]
    # By what the directory says of the person itself, and found by a system user.
    await company.configure(**BY_SEARCH, iamLdapGroupRolesMap=nested_off)
    assert await company.roles("anna") == ["operator"]
    assert "no role assignment found" in await company.people.refusal("berta", PASSWORD)
    assert "wrong password" in await company.people.refusal("anna", "wrong")
    # No account has been made for it.
    assert (await company.people.root.post("iam/accounts", OF_SERVICE))["accountItems"] == []


async def test_an_empty_password_never_logs_in_though_the_directory_accepts_it(company: Company, slapd: Slapd) -> None:
    await company.create(**BY_TEMPLATE)
    assert slapd.accepts_without_password(f"uid=anna,ou=people,{BASE}")
    for expert in (BY_TEMPLATE, BY_SEARCH):
        await company.configure(**expert)
        assert "wrong password" in await company.people.refusal("anna", "")
        assert "wrong password" in await company.people.refusal("", "")


@pytest.mark.parametrize("expert", [BY_TEMPLATE, BY_SEARCH], ids=["template", "search"])
async def test_what_is_typed_as_account_cannot_be_more_than_an_account(
    company: Company, expert: dict[str, Any]
) -> None:
    await company.create(**expert)
    for typed in (
        "*",
        "a*",
        "anna)(uid=*",
        "anna,ou=people",
        "anna,dc=example,dc=com",
        "\\61nna",
        "anna\0",
        "uid=anna",
    ):
        assert "wrong password" in await company.people.refusal(typed, PASSWORD)


async def test_two_people_of_one_name_cannot_log_in_by_it(company: Company) -> None:
    await company.create(**BY_SEARCH)
    assert "cannot be asked" in await company.people.refusal("twin", PASSWORD)


async def test_another_spelling_is_the_same_account_and_blocked_as_it_is(company: Company) -> None:
    await company.create(**BY_TEMPLATE)
    entered = await company.people.enter("ANNA", PASSWORD)
    (session,) = (await company.people.root.post("iam/sessions", {"accountName": "anna"}))["activeSessions"]
    assert session["identityService"] == "LDAP:company"
    await company.people.root.post("iam/blockedAccount/store", {"accountName": "anna"})
    await entered.post("touch", status=440)
    for spelling in ("anna", "ANNA"):
        assert "Account is blocked" in await company.people.refusal(spelling, PASSWORD)


async def test_what_roles_permit_reaches_sessions_without_accounts(company: Company) -> None:
    await company.create(**BY_TEMPLATE)
    entered = await company.people.enter("anna", PASSWORD)
    await entered.post("iam/accounts", OF_SERVICE, status=403)
    row = {"permissionPath": "sos:products:joc:administration:accounts:view"}
    await company.people.root.post("iam/permissions/store", {**OF_SERVICE, "roleName": "staff", "permissions": [row]})
    await entered.post("iam/accounts", OF_SERVICE)
    await company.people.root.post("iam/roles/delete", {**OF_SERVICE, "roleNames": ["staff"]})
    await entered.post("iam/accounts", OF_SERVICE, status=403)
    await company.people.root.post("iam/identityservice/store", {**company.service, "disabled": True})
    await entered.post("touch", status=440)


async def test_ldap_joc_takes_accounts_and_roles_from_the_database(company: Company) -> None:
    await company.create("LDAP-JOC", **BY_TEMPLATE)
    root, people = company.people.root, company.people
    assert "wrong password" in await people.refusal("anna", PASSWORD)
    await root.post("iam/account/store", {**OF_SERVICE, "accountName": "anna", "roles": ["staff"]})
    (account,) = (await root.post("iam/accounts", OF_SERVICE))["accountItems"]
    assert account["forcePasswordChange"] is False
    assert await company.roles("Anna") == ["staff"]
    # The initial password is not one of this account; that of the directory cannot be changed here.
    assert "wrong password" in await people.refusal("anna", "initial")
    names = {**OF_SERVICE, "accountNames": ["anna"]}
    refused = await root.post("iam/accounts/resetpassword", names, status=420)
    assert "keeps no passwords here" in refused["error"]["message"]
    await root.post("iam/accounts/disable", names)
    assert "Access denied" in await people.refusal("anna", PASSWORD)


async def test_services_are_asked_in_order_and_required_ones_must_all_accept(company: Company) -> None:
    await company.create(**BY_TEMPLATE)
    people = company.people
    await people.account("anna", await people.role("local", VIEW), password=PASSWORD)
    assert await company.roles("anna") == ["local"]
    await people.root.post("iam/identityservices/reorder", {"identityServiceNames": ["company"]})
    assert await company.roles("anna") == ["operator", "staff"]
    local = {"identityServiceName": "JOC-INITIAL", "identityServiceType": "JOC"}
    await people.root.post("iam/identityservice/store", {**company.service, "required": True})
    await people.root.post("iam/identityservice/store", {**local, "required": True})
    assert await company.roles("anna") == ["operator", "staff", "local"]
    assert "wrong password" in await people.refusal("root", ROOT_PASSWORD)


async def test_a_required_service_needs_settings_and_keeps_usable_ones(company: Company) -> None:
    service = {**OF_SERVICE, "identityServiceType": "LDAP"}
    await company.people.root.post("iam/identityservice/store", service)
    refused = await company.people.root.post("iam/identityservice/store", {**service, "required": True}, status=420)
    assert "has no settings" in refused["error"]["message"]
    await company.create(**BY_TEMPLATE)
    await company.people.root.post("iam/identityservice/store", {**service, "required": True})
    key = {"configurationType": "IAM", "objectType": "LDAP", "name": "company", "configurationItem": "{}"}
    unusable = await company.people.root.post("configuration/save", key, status=420)
    assert "iamLdapHost" in unusable["error"]["message"]


@pytest.mark.parametrize("protocol", ["STARTTLS", "LDAPS"])
async def test_the_directory_is_trusted_by_its_certificate_only(
    company: Company, slapd: Slapd, tmp_path: Path, protocol: str
) -> None:
    tls: dict[str, Any] = {"iamLdapUseStartTls": True}
    if protocol == "LDAPS":
        tls = {"iamLdapServerUrl": f"ldaps://127.0.0.1:{slapd.tls_port}"}
    await company.create(**BY_TEMPLATE, **tls, iamLdapTruststorePath=str(slapd.authority.path))
    assert await company.roles("anna") == ["operator", "staff"]
    other = Authority(tmp_path, "another authority")
    for wrong in (str(other.path), "/nowhere.pem"):
        await company.configure(**BY_TEMPLATE, **tls, iamLdapTruststorePath=wrong)
        assert "cannot be asked" in await company.people.refusal("anna", PASSWORD)
    # The certificate is for 127.0.0.1: reached by another name it is not that of the directory.
    by_name = {"iamLdapServerUrl": f"ldaps://localhost:{slapd.tls_port}"}
    trusting: dict[str, Any] = {**by_name, "iamLdapTruststorePath": str(slapd.authority.path)}
    await company.configure(**BY_TEMPLATE, **trusting)
    assert "cannot be asked" in await company.people.refusal("anna", PASSWORD)
    await company.configure(**BY_TEMPLATE, **trusting, iamLdapHostNameVerification="false")
    assert await company.roles("anna") == ["operator", "staff"]


async def test_a_directory_that_is_down_or_slow_holds_up_nobody_else(company: Company, slapd: Slapd) -> None:
    proxy = Proxy(("127.0.0.1", slapd.port))
    proxy.start()
    assert isinstance(proxy.at, tuple)
    try:
        port = proxy.at[1]
        await company.create(**BY_TEMPLATE, port=port, iamLdapReadTimeout=60_000)
        people = company.people
        await people.root.post("iam/identityservices/reorder", {"identityServiceNames": ["company"]})
        assert await company.roles("anna") == ["operator", "staff"]
        proxy.refuse()
        assert "cannot be asked" in await people.refusal("anna", PASSWORD)
        await people.enter("root", ROOT_PASSWORD)
        proxy.start()
        proxy.back.stand_still()
        # All threads for directories wait, and more logins than there are threads.
        slow = [asyncio.create_task(people.refusal(f"anna{n}", PASSWORD)) for n in range(ldap.THREADS + 2)]
        local = await people.root.post("touch")
        assert local["ok"] and not any(one.done() for one in slow)
        proxy.flow()
        for one in slow:
            assert "wrong password" in await one
        await company.configure(**BY_TEMPLATE, port=port, iamLdapReadTimeout=1000)
        proxy.back.stand_still()
        assert "cannot be asked" in await people.refusal("anna", PASSWORD)
        proxy.flow()
    finally:
        proxy.refuse()


async def test_a_wrong_password_of_the_system_user_is_no_fault_of_who_logs_in(company: Company) -> None:
    await company.create(**{**BY_SEARCH, "iamLdapSystemPassword": "wrong"})
    assert "cannot be asked" in await company.people.refusal("anna", PASSWORD)
