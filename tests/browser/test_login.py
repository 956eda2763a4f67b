"""S1: what people meet at the login besides a right password."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from component_processes import wait_until
from oidc_provider import CLIENT_ID, SECRET, OidcProvider
from playwright.sync_api import Page, expect
from tests.browser.world import Installation, Person

OF_SERVICE: dict[str, Any] = {"identityServiceName": "JOC-INITIAL"}


def try_to_log_in(page: Page, account: str, password: str) -> None:
    page.get_by_label("Account").fill(account)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_password_that_was_given_is_changed_before_anything_else(
    someone: Callable[..., Person], installation: Installation
) -> None:
    account = {**OF_SERVICE, "accountName": "anna", "roles": ["business_user"]}
    installation.post("iam/account/store", account)
    person = someone()
    page = person.page
    person.open("/")
    try_to_log_in(page, "anna", "initial")
    expect(page.get_by_text("Choose a password of your own, anna")).to_be_visible()
    person.check_accessibility()

    def choose(password: str, repeated: str) -> None:
        page.get_by_label("New password").fill(password)
        page.get_by_label("Once more").fill(repeated)
        page.get_by_role("button", name="Change and log in").click()

    choose("one", "another")
    expect(page.get_by_role("alert")).to_have_text("The two passwords differ.")
    choose("initial", "initial")
    expect(page.get_by_role("alert")).to_contain_text("the initial password cannot be the new one")
    choose("my own password", "my own password")
    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()

    again = someone().page
    again.goto(f"{installation.url}/ui/")
    try_to_log_in(again, "anna", "my own password")
    expect(again.get_by_role("navigation", name="Screens")).to_be_visible()


def test_a_blocked_account_is_told_so_and_a_wrong_password_is_not_explained(
    someone: Callable[..., Person], installation: Installation
) -> None:
    installation.post("iam/blockedAccount/store", {"accountName": "berta", "comment": "left"})
    person = someone()
    person.open("/")
    try_to_log_in(person.page, "berta", "whatever")
    expect(person.page.get_by_role("alert")).to_have_text("Account is blocked.")
    try_to_log_in(person.page, "nobody", "whatever")
    expect(person.page.get_by_role("alert")).to_contain_text("Account or password is wrong.")


@pytest.fixture
def provider(installation: Installation) -> Iterator[OidcProvider]:
    """A provider at which the person is logged in already, and the identity service for it."""
    running = OidcProvider()
    running.redirect_uris = [f"{installation.url}/ui/"]
    running.start()
    service = {"identityServiceName": "Müller sign-on", "identityServiceType": "OIDC"}
    installation.post("iam/identityservice/store", service)
    installation.post("iam/role/store", {**service, "roleName": "viewer"})
    permissions = [{"permissionPath": "sos:products:controller:view"}]
    installation.post("iam/permissions/store", {**service, "roleName": "viewer", "permissions": permissions})
    settings = {
        "iamOidcClientId": CLIENT_ID,
        "iamOidcClientSecret": SECRET,
        "iamOidcAuthenticationUrl": running.url,
        "iamOidcName": "Müller",
        "iamOidcGroupRolesMap": {"items": [{"oidcGroup": "operators", "roles": ["viewer"]}]},
    }
    key = {"configurationType": "IAM", "objectType": "OIDC", "name": "Müller sign-on"}
    installation.post("configuration/save", {**key, "configurationItem": json.dumps({"oidc": settings})})
    yield running
    installation.post("iam/identityservice/delete", service)
    running.stop()


def test_a_provider_logs_in_and_one_is_back_where_one_was(
    someone: Callable[..., Person], installation: Installation, provider: OidcProvider
) -> None:
    person = someone()
    person.others.append(provider.url)
    person.open("/history")
    button = person.page.get_by_role("button", name="Log in with Müller")
    expect(button).to_be_visible()
    person.check_accessibility()
    provider.alter = lambda header, claims, key: (header, {**claims, "aud": "another"}, key)
    button.click()
    expect(person.page.get_by_role("alert")).to_contain_text("has proven nothing")
    assert "code=" not in person.page.url and person.page.url.endswith("/ui/history")
    provider.alter = lambda *parts: parts
    person.page.get_by_role("button", name="Log in with Müller").click()
    expect(person.page.get_by_role("navigation", name="Screens")).to_be_visible()
    assert person.page.url.endswith("/ui/history")
    # An answer to somebody else's login is not taken.
    stranger = someone()
    stranger.page.goto(f"{installation.url}/ui/?code=stolen&state=guessed")
    expect(stranger.page.get_by_label("Account")).to_be_visible()


def test_a_device_is_registered_approved_and_logs_in_alone_and_as_second_factor(
    someone: Callable[..., Person], installation: Installation
) -> None:
    # Browsers bind devices to host names; an address has none.
    url = installation.url.replace("127.0.0.1", "localhost")
    person = someone()
    person.others.append(url)
    page = person.page
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    service = {"identityServiceName": "keys"}
    installation.post("iam/identityservice/store", {**service, "identityServiceType": "FIDO"})
    local = {**OF_SERVICE, "identityServiceType": "JOC"}
    try:
        page.goto(f"{url}/ui/")
        page.get_by_role("button", name="Register a device for keys").click()
        page.get_by_label("Account").fill("carla")
        person.check_accessibility()
        page.get_by_role("button", name="Register", exact=True).click()
        (waiting,) = _until(lambda: installation.post("iam/fidoregistrations", service)["fidoRegistrationItems"])
        expect(page.get_by_role("status")).to_contain_text(waiting["fingerprint"])
        named = {**service, "accounts": [{"accountName": "carla", "origin": waiting["origin"]}]}
        installation.post("iam/fidoregistration/approve", named)
        installation.post("iam/role/store", {**service, "roleName": "viewer"})
        permissions = [{"permissionPath": "sos:products:controller:view"}]
        installation.post("iam/permissions/store", {**service, "roleName": "viewer", "permissions": permissions})
        installation.post("iam/account/store", {**service, "accountName": "carla", "roles": ["viewer"]})
        page.get_by_role("button", name="Back to the login").click()
        page.get_by_role("button", name="Log in with a device (keys)").click()
        expect(page.get_by_role("navigation", name="Screens")).to_be_visible()

        # The same device as second factor of a password.
        installation.post("iam/identityservice/store", {**service, "identityServiceType": "FIDO", "secondFactor": True})
        account = {**OF_SERVICE, "accountName": "carla", "password": "carla's password", "roles": ["business_user"]}
        installation.post("iam/account/store", account)
        both = {"serviceAuthenticationScheme": "TWO-FACTOR", "secondFactorIdentityServiceName": "keys"}
        installation.post("iam/identityservice/store", {**local, **both})
        page.evaluate("sessionStorage.clear()")
        page.reload()
        try_to_log_in(page, "carla", "carla's password")
        expect(page.get_by_role("navigation", name="Screens")).to_be_visible()
        sessions = installation.post("iam/sessions", {"accountName": "carla"})["activeSessions"]
        assert sessions[0]["identityService"] == "JOC:JOC-INITIAL"
    finally:
        installation.post("iam/identityservice/store", local)
        installation.post("iam/identityservice/delete", service)


def _until(look: Callable[[], list[Any]]) -> list[Any]:
    return wait_until(look, "the device waits for approval")
