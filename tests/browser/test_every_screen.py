"""What holds for every screen: axe clean in light and dark, the URL is the state, keys, security, an ended session."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser import samples
from tests.browser.world import Installation, Person

SCREENS = {
    "overview": "/",
    "orders": "/orders",
    "no-orders": "/orders?q=state:broken",
    "workflows": "/workflows",
    "workflow": "/workflow/screens/shown?node=1",
    "workflow-left-to-right": "/workflow/screens/shown?dir=lr",
    "workflow-orders": "/workflow/screens/shown?tab=orders",
    "add-order": "/workflow/screens/shown?dialog=add",
    "history": "/history/orders",
    "tasks": "/history/tasks",
    "logs": "/history/logs?text=Disk%20quota",
    "statistics": "/history/statistics?of=tasks",
    "order": "/order/{order}",
    "order-log": "/order/{order}?tab=log",
    "order-events": "/order/{order}?tab=events",
    "order-variables": "/order/{order}?tab=variables",
    "alerts": "/alerts",
    "plan": "/plan/today",
    "audit": "/audit",
    "settings": "/settings/identityService",
    "profile": "/profile",
    "clusters": "/clusters",
    "inventory-object": "/inventory/screens/shown?type=WORKFLOW",
    "deploy": "/inventory/screens/shown?type=WORKFLOW&dialog=publish",
    "no-such-cluster": "/clusters/agent/nobody",
    "no-such-page": "/nowhere",
}


@pytest.fixture(scope="module")
def failed_order(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A failed order of workflow `/screens/shown`: the screens have something to show."""
    never = tmp_path_factory.mktemp("screens") / "never"
    return installation.add_order(installation.deploy("/screens/shown", samples.failing(never)), "failed")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_screens_are_accessible(someone: Callable[..., Person], failed_order: str, theme: str) -> None:
    person = someone(color_scheme=theme)
    person.log_in()
    page = person.page
    person.open(f"/order/{failed_order.replace('#', '%23')}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
    for path in SCREENS.values():
        person.open(path.format(order=failed_order.replace("#", "%23")))
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_text("Loading…")).to_have_count(0)
        expect(page).to_have_title(re.compile(" – Stellwerk$"))
        person.check_accessibility()


def test_filter_sort_and_tab_are_in_the_url_and_come_back_with_it(person: Person, failed_order: str) -> None:
    page = person.page
    person.open("/orders")
    page.get_by_label("Filter orders").fill("workflow:/screens/*")
    expect(page).to_have_url(re.compile(r"q=workflow:/screens/\*"))
    page.get_by_role("group", name="Orders by state").get_by_role("button", name="failed").click()
    expect(page).to_have_url(re.compile("state:failed"))
    page.get_by_role("columnheader", name="Since").get_by_role("button").click()
    expect(page).to_have_url(re.compile("sort=-since"))
    page.reload()
    expect(page.get_by_label("Filter orders")).to_have_value("state:failed workflow:/screens/*")
    expect(page.get_by_role("columnheader", name="Since")).to_have_attribute("aria-sort", "descending")
    expect(person.row(failed_order)).to_be_visible()
    person.row(failed_order).get_by_role("link").first.click()
    page.get_by_role("tab", name="Log").click()
    expect(page).to_have_url(re.compile("tab=log"))
    page.go_back()
    page.go_back()
    expect(page.get_by_label("Filter orders")).to_have_value("state:failed workflow:/screens/*")


def test_an_unknown_filter_key_names_the_nearest(person: Person) -> None:
    person.open("/orders")
    person.page.get_by_label("Filter orders").fill("stat:failed")
    expect(person.page.get_by_role("alert").filter(has_text="Did you mean")).to_contain_text('"state:"')


def test_keys_lead_everywhere_but_not_while_one_types(person: Person) -> None:
    page = person.page
    for keys, title in (
        ("gr", "Orders"),
        ("gp", "Daily plan"),
        ("gw", "Workflows"),
        ("gh", "Order history"),
        ("gi", "Inventory"),
        ("gd", "Deployments"),
        ("go", "Overview"),
    ):
        for key in keys:
            page.keyboard.press(key)
        expect(page).to_have_title(re.compile(f"{title} – Stellwerk$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_contain_text("go to Orders")
    person.check_accessibility()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search or jump")).to_be_focused()
    page.keyboard.type("order hist")
    page.keyboard.press("Enter")
    expect(page).to_have_title(re.compile("Order history"))


def test_the_graphs_tree_is_walked_by_arrows(person: Person, failed_order: str) -> None:
    page = person.page
    person.open("/workflow/screens/shown")
    first = page.get_by_role("treeitem").first
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("treeitem", selected=True)).to_have_accessible_name(re.compile("job load"))
    expect(page).to_have_url(re.compile("node=1"))
    expect(page.get_by_role("complementary", name="Step load")).to_contain_text("Disk quota exceeded")


def test_answers_carry_a_policy_without_inline_scripts(installation: Installation, person: Person) -> None:
    response = person.page.goto(f"{installation.url}/ui/")
    assert response is not None
    policy = response.header_value("content-security-policy") or ""
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", response.text())
    assert scripts == []


def test_an_ended_session_asks_over_the_page_and_goes_on(person: Person, installation: Installation) -> None:
    page = person.page
    person.open("/orders?q=state:running")
    expect(page.get_by_label("Filter orders")).to_have_value("state:running")
    token = page.evaluate("JSON.parse(sessionStorage.getItem('stellwerk.session')).token")
    page.evaluate(
        "token => fetch('/joc/api/authentication/logout', {method: 'POST', headers: {'X-Access-Token': token}})", token
    )
    dialog = page.get_by_role("dialog", name="Your session has ended")
    page.get_by_label("Filter orders").fill("state:failed")
    expect(dialog).to_be_visible()
    person.check_accessibility()
    dialog.get_by_label("Password").fill(installation.password)
    dialog.get_by_role("button", name="Log in and go on").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Filter orders")).to_have_value("state:failed")
    expect(page).to_have_url(re.compile("state:failed"))


def test_the_screens_can_be_read_on_a_telephone(
    someone: Callable[..., Person], failed_order: str, tmp_path: Path
) -> None:
    person = someone(has_touch=True)
    person.page.set_viewport_size({"width": 390, "height": 844})
    person.log_in()
    for path in ("/", f"/order/{failed_order.replace('#', '%23')}"):
        person.open(path)
        expect(person.page.get_by_role("heading", level=1)).to_have_count(1)
        overflow = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} px wider than the screen"
        person.check_accessibility()
