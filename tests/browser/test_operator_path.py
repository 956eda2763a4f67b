"""Journeys of an operator (ui.md 7.3) against a real installation: 3, 4, 8, 9, 10 and what they stand on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect
from tests.browser import samples
from tests.browser.world import Installation, Person


def test_a_wrong_password_is_refused_in_words(someone: Callable[..., Person]) -> None:
    person = someone()
    person.open("/")
    person.page.get_by_label("Account").fill("root")
    person.page.get_by_label("Password").fill("wrong")
    person.page.get_by_role("button", name="Log in").click()
    expect(person.page.get_by_role("alert")).to_contain_text("Account or password is wrong")
    person.check_accessibility()


def test_from_the_overview_to_the_error_line_and_to_resuming_in_three_clicks(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    workflow = installation.deploy("/people/fails", samples.failing(mended))
    order_id = installation.add_order(workflow, "alarm")
    page = person.page
    cause = page.get_by_role("list", name="Needs a person").get_by_role("listitem").filter(has_text="fails")
    expect(cause).to_contain_text("exit")

    cause.locator(f'a[title="{order_id}"]').click()  # 1
    expect(page.get_by_role("log").get_by_text("write: Disk quota exceeded").first).to_be_visible()
    expect(page.get_by_role("log").get_by_text("<b>not markup</b>").first).to_be_visible()
    expect(page.get_by_text("Failed at step load")).to_be_visible()

    mended.touch()
    page.get_by_role("button", name="Resume").click()  # 2
    page.get_by_role("dialog").get_by_role("button", name="Resume 1 order").click()  # 3
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.get_by_role("log").get_by_text("loaded all")).to_be_visible()
    expect(page.get_by_role("list", name="Story of the order")).to_contain_text("resumed")


def test_an_order_is_added_by_a_form_of_the_declared_parameters(person: Person, installation: Installation) -> None:
    installation.deploy("/people/parameters", samples.parametrised())
    page = person.page
    person.open("/workflow/people/parameters")
    page.get_by_role("button", name="Add order").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add order").click()
    expect(dialog.get_by_role("alert")).to_contain_text("day is required.")
    dialog.get_by_label("day").fill("2026-11-24")
    dialog.get_by_label("chunk_size").fill("many")
    expect(dialog.get_by_role("alert")).to_contain_text("chunk_size must be a number")
    dialog.get_by_label("chunk_size").fill("250")
    dialog.get_by_label("verbose").select_option("true")
    dialog.get_by_label("Name").fill("by-form")
    dialog.get_by_role("button", name="Show as command").click()
    expect(dialog.get_by_text("stellwerk order add /people/parameters")).to_be_visible()
    person.check_accessibility()
    dialog.get_by_role("button", name="Add order").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("status").get_by_role("link", name=re.compile("by-form")).click()
    expect(page.get_by_role("log").get_by_text("day=2026-11-24 size=250 verbose=true")).to_be_visible()


def test_orders_move_through_the_graph_without_a_reload(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    finish = tmp_path / "finish"
    workflow = installation.deploy("/people/forked", samples.forked(finish))
    person.open("/workflow/people/forked")
    page = person.page
    steps = page.get_by_role("tree", name="Steps of the workflow")
    expect(steps.get_by_role("treeitem")).to_have_count(4)
    try:
        installation.add_order(workflow, "moves")
        for region in ("eu", "us"):
            expect(steps.get_by_role("treeitem", name=f"job load-{region}")).to_have_accessible_name(
                re.compile("1 order running")
            )
        person.check_accessibility()
    finally:
        finish.touch()
    for region in ("eu", "us"):
        expect(steps.get_by_role("treeitem", name=f"job load-{region}")).not_to_have_accessible_name(
            re.compile("order running")
        )
    page.get_by_role("tab", name="Runs").click()
    expect(page.get_by_role("row").filter(has_text="moves")).to_contain_text("successful")


def test_a_running_log_streams_stops_following_when_one_reads_and_goes_on(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    finish = tmp_path / "finish"
    workflow = installation.deploy("/people/streams", samples.streaming(finish))
    try:
        order_id = installation.add_order(workflow, "stream")
        page = person.page
        person.open("/orders?q=workflow:/people/streams")
        person.row(order_id).get_by_role("link", name=re.compile("stream")).first.click()
        page.get_by_role("tab", name="Log").click()
        log = page.get_by_role("log")
        expect(log.get_by_text("rendered page 60", exact=True)).to_be_visible()
        expect(page.get_by_text("following", exact=True)).to_be_visible()

        log.focus()
        page.keyboard.press("Home")
        expect(page.get_by_text("reading", exact=True)).to_be_visible()
        behind = page.get_by_role("button", name=re.compile("new lines – follow"))
        expect(behind).to_be_visible()
        expect(log.get_by_text("rendered page 2", exact=True)).to_be_visible()
        person.check_accessibility()
        behind.click()
        expect(page.get_by_text("following", exact=True)).to_be_visible()
        expect(log.get_by_text("rendered page 2", exact=True)).to_be_hidden()
    finally:
        finish.touch()
    expect(page.get_by_text("complete", exact=True)).to_be_visible()


def test_a_prompt_is_answered_by_keyboard_alone(person: Person, installation: Installation) -> None:
    workflow = installation.deploy("/people/prompts", samples.prompting())
    order_id = installation.add_order(workflow, "asks")
    page = person.page
    cause = page.get_by_role("list", name="Needs a person").get_by_role("listitem").filter(has_text="prompts")
    cause.locator(f'a[title="{order_id}"]').focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Release to production?").first).to_be_visible()
    expect(page.get_by_role("button", name="Answer")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_contain_text("Release to production?")
    page.evaluate("document.activeElement.blur()")  # who types quickly is faster than the dialog's focus
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.get_by_role("list", name="Story of the order")).to_contain_text("answered")


def test_many_orders_are_suspended_resumed_and_cancelled_from_the_list(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    finish = tmp_path / "finish"
    workflow = installation.deploy("/people/many", samples.streaming(finish))
    try:
        orders = [installation.add_order(workflow, f"many-{n}") for n in range(3)]
        page = person.page
        person.open("/orders?q=workflow:/people/many")
        for order_id in orders:
            expect(person.row(order_id)).to_contain_text("running")
        person.check_accessibility()
        page.get_by_label("Select all that are shown").check()
        page.get_by_role("button", name="Suspend 3").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("stop it now").check()
        person.check_accessibility()
        dialog.get_by_role("button", name="Suspend 3 orders").click()
        for order_id in orders:
            expect(person.row(order_id)).to_contain_text("suspended")
        person.row(orders[0]).get_by_role("checkbox").uncheck()
        page.get_by_role("button", name="Cancel 2").click()
        dialog.get_by_role("button", name="Cancel 2 orders").click()
        for order_id in orders[1:]:
            expect(person.row(order_id).filter(has_text="suspended")).to_have_count(0)
        expect(person.row(orders[0])).to_contain_text("suspended")
    finally:
        finish.touch()
    page.reload()
    expect(person.row(orders[0])).to_contain_text("suspended")
    person.row(orders[0]).get_by_role("checkbox").check()
    page.get_by_role("button", name="Resume").click()
    dialog.get_by_role("button", name="Resume 1 order").click()
    person.open(f"/history/orders?q=order:{orders[0].replace('#', '%23')}")
    page.get_by_role("row").filter(has_text="many-0").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
