"""Access, audit log, settings, profile (ui.md S17-S19; journey 23): changed by forms and keys, told by the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.test_login import OF_SERVICE, try_to_log_in
from tests.browser.world import Installation, Person

CANCEL = "sos:products:controller:orders:cancel"


@pytest.fixture
def clerk(installation: Installation) -> Callable[[Page], None]:
    """Logs a page in as an account that may look at orders, and at nothing else."""
    role = {**OF_SERVICE, "roleName": "clerks"}
    installation.post("iam/role/store", role)
    views = ["sos:products:controller:view", "sos:products:controller:orders:view"]
    permissions = [{"permissionPath": path, "excluded": False} for path in views]
    installation.post("iam/permissions/store", {**role, "controllerId": "", "permissions": permissions})
    account: dict[str, Any] = {**OF_SERVICE, "accountName": "clerk", "roles": ["clerks"], "password": "clerk's own"}
    installation.post("iam/account/store", account)

    def log_in(page: Page) -> None:
        page.goto(f"{installation.url}/ui/")
        try_to_log_in(page, "clerk", "clerk's own")
        expect(page.get_by_role("navigation", name="Screens")).to_be_visible()

    return log_in


def test_an_account_is_added_and_disabled_by_forms_and_the_audit_log_tells(person: Person) -> None:
    page = person.page
    dialog = page.get_by_role("dialog")
    person.open("/access/accounts")
    page.get_by_role("button", name="Add account").click()
    dialog.get_by_role("button", name="Add account").click()
    expect(dialog.get_by_role("alert")).to_have_text("An account needs a name.")
    dialog.get_by_label("Name").fill("dora")
    dialog.get_by_label("business_user").check()
    dialog.get_by_label("Comment").fill("CHG-1182 new colleague")
    person.check_accessibility()
    dialog.get_by_role("button", name="Add account").click()
    row = page.get_by_role("row").filter(has_text="dora")
    expect(row).to_contain_text("may log in")
    expect(row).to_contain_text("must be changed")
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Disable").click()
    dialog.get_by_role("button", name="Disable: dora").click()
    expect(row).to_contain_text("disabled")

    person.open("/audit?q=user:root+kind:identity")
    page.get_by_label("Comment", exact=True).fill("CHG-1182")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 change", exact=True)).to_be_visible()
    page.get_by_role("button", name="stored account dora").click()
    entry = page.get_by_role("region", name="Entry of the audit log")
    expect(entry.get_by_label("Body of the request")).to_contain_text('"accountName": "dora"')
    person.check_accessibility()
    entry.get_by_role("button", name="Show as command").click()
    expect(entry.get_by_text("/joc/api/iam/account/store")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("menuitem", name="CSV").click()
    assert "CHG-1182 new colleague" in download.value.path().read_text()
    page.get_by_label("Filter the audit log").fill("-user:root")
    expect(page.get_by_role("alert").filter(has_text="cannot be filtered")).to_be_visible()
    page.get_by_role("tab", name="Logins").click()
    expect(page.get_by_role("row").filter(has_text="root").first).to_contain_text("logged in")


def test_a_role_is_changed_by_keys_and_says_why_it_permits(person: Person, installation: Installation) -> None:
    page = person.page
    role = {**OF_SERVICE, "roleName": "shift"}
    installation.post("iam/role/store", role)
    granted = {"permissionPath": "sos:products:controller:orders", "excluded": False}
    installation.post("iam/permissions/store", {**role, "controllerId": "", "permissions": [granted]})
    installation.post("iam/account/store", {**OF_SERVICE, "accountName": "emil", "roles": ["shift"]})
    person.open("/access/roles?role=shift")
    cell = page.get_by_role("button", name=re.compile("^controller:orders:cancel at controller:"))
    expect(cell).to_have_accessible_name(re.compile("granted by what stands above it"))
    page.get_by_role("button", name=re.compile("^controller:orders:cancel:")).focus()
    page.keyboard.press("ArrowRight")
    expect(cell).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    expect(cell).to_have_accessible_name(re.compile(": excluded$"))
    person.check_accessibility(leave_out="tbody tr:nth-of-type(n+30)")
    page.get_by_role("button", name="Save 1 change").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 account has this role: emil")
    dialog.get_by_role("button", name="Save 1 change").click()
    expect(dialog).to_be_hidden()
    kept = installation.post("iam/permissions", {**role, "controllerId": "controller"})["permissions"]
    assert kept == [{"permissionPath": CANCEL, "excluded": True}]

    page.get_by_role("button", name="Add folder").click()
    dialog.get_by_label("Folder", exact=True).fill("/etl")
    dialog.get_by_role("button", name="Add folder").click()
    expect(page.get_by_role("region", name="Folders of the role")).to_contain_text("/etl/**")

    person.open(f"/access/try?account=emil&permission={CANCEL}&path=/etl/nightly")
    answer = page.get_by_role("status").filter(has_text="because")
    expect(answer).to_contain_text(f"role shift excludes {CANCEL} at controller")
    page.get_by_label("do permission").select_option("controller:orders:suspend_resume")
    expect(answer).to_contain_text("Yes: emil may")
    expect(answer).to_contain_text("/etl/nightly lies in /etl/**")
    page.get_by_label("with the object").fill("/fin/close")
    expect(answer).to_contain_text("the roles are restricted to /etl/**")


def test_what_one_may_not_see_is_absent_and_its_address_says_why(
    someone: Callable[..., Person], clerk: Callable[[Page], None], person: Person
) -> None:
    limited = someone()
    clerk(limited.page)
    navigation = limited.page.get_by_role("navigation", name="Screens")
    expect(navigation.get_by_role("link", name="Access")).to_be_hidden()
    expect(navigation.get_by_role("link", name="Orders")).to_be_visible()
    for name in ("Audit log", "Daily plan", "Workflows"):
        expect(navigation.get_by_role("link", name=name)).to_be_hidden()
    limited.open("/access/roles")
    expect(limited.page.get_by_text("You lack the permission administration:accounts:view.")).to_be_visible()
    limited.open("/audit")
    expect(limited.page.get_by_role("alert").filter(has_text="lacks this permission")).to_be_visible()

    person.open("/access/sessions")
    person.page.get_by_role("row").filter(has_text="clerk").get_by_role("checkbox").check()
    person.page.get_by_role("button", name="End", exact=False).first.click()
    person.page.get_by_role("dialog").get_by_role("button", name="End 1 session").click()
    expect(person.page.get_by_role("row").filter(has_text="clerk")).to_have_count(0)
    limited.page.get_by_role("button", name="Refresh").click()
    expect(limited.page.get_by_role("dialog", name="Your session has ended")).to_be_visible()


def test_settings_are_found_changed_together_and_reset(person: Person, installation: Installation) -> None:
    page = person.page
    dialog = page.get_by_role("dialog")

    def stored() -> Any:
        item = installation.post("settings", {})["configuration"]["configurationItem"]
        return json.loads(item)["joc"]["import_suffix"]["value"]

    person.open("/settings/dailyplan")
    page.get_by_label("days ahead plan").fill("-1")
    expect(page.get_by_role("alert").filter(has_text="A whole number, 0 or more.")).to_be_visible()
    expect(page.get_by_role("button", name="Save 1 change")).to_have_attribute("aria-disabled", "true")
    person.check_accessibility()
    page.get_by_role("button", name="Discard").click()
    page.get_by_label("Find a setting").fill("import suffix")
    page.get_by_label("Cockpit: import suffix").fill("taken over")
    page.get_by_role("button", name="Save 1 change").click()
    expect(dialog).to_contain_text("imported → taken over")
    dialog.get_by_role("button", name="Save 1 change").click()
    expect(dialog).to_be_hidden()
    assert stored() == "taken over"
    page.get_by_role("button", name="reset import suffix to its default").click()
    page.get_by_role("button", name="Save 1 change").click()
    dialog.get_by_role("button", name="Save 1 change").click()
    expect(dialog).to_be_hidden()
    assert stored() == "imported"


def test_what_one_prefers_follows_to_other_browsers_and_the_password_is_changed(
    someone: Callable[..., Person], clerk: Callable[[Page], None], installation: Installation
) -> None:
    clerk_here = someone()
    page = clerk_here.page
    clerk(page)
    page.get_by_role("button", name="Account clerk").click()
    page.get_by_role("menuitem", name="Profile").click()
    expect(page.get_by_role("heading", name="clerk", level=1)).to_be_visible()
    expect(page.get_by_text("Roles: clerks – 2 of")).to_be_visible()
    page.get_by_label("dark").check()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    clerk_here.check_accessibility()

    elsewhere = someone().page
    clerk(elsewhere)
    expect(elsewhere.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")

    page.get_by_role("button", name="Change password").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Present password").fill("clerk's own")
    dialog.get_by_label("New password").fill("another of clerk's")
    dialog.get_by_label("Once more").fill("mistyped")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_role("alert")).to_have_text("The two new passwords differ.")
    dialog.get_by_label("Once more").fill("another of clerk's")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog).to_be_hidden()
    again = someone().page
    again.goto(f"{installation.url}/ui/")
    try_to_log_in(again, "clerk", "another of clerk's")
    expect(again.get_by_role("navigation", name="Screens")).to_be_visible()
