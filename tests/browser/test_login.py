"""S1: what people meet at the login besides a right password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
