"""The page while its Cockpit is gone (ui.md 7.3 "chaos"): nothing turns white, the lamp tells the truth."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest
from playwright.sync_api import expect
from tests.browser import samples
from tests.browser.world import Installation, Person


def test_a_killed_cockpit_leaves_the_page_and_its_return_brings_it_up_to_date(
    person: Person, installation: Installation
) -> None:
    if not installation.components:
        pytest.skip("STELLWERK_BROWSER_URL is an installation that runs already: its Cockpit is not killed")
    cockpit = installation.components["cockpit"]
    workflow = installation.deploy("/people/outlives", samples.prompting())
    order_id = installation.add_order(workflow, "outlives")
    page = person.page
    person.open("/orders?q=workflow:/people/outlives")
    expect(person.row(order_id)).to_contain_text("asks you")
    lamp = page.get_by_role("banner").get_by_text(re.compile("^(live|reconnecting)"))
    expect(lamp).to_have_text("live")

    os.kill(cockpit["pid"], signal.SIGKILL)
    expect(lamp).to_contain_text("reconnecting")
    expect(person.row(order_id)).to_contain_text("asks you")
    expect(page.get_by_role("alert").filter(has_text="older values")).to_have_count(1)

    process = subprocess.Popen(cockpit["command"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cockpit["pid"] = process.pid
    back = page.get_by_role("dialog", name="Your session has ended").or_(lamp.filter(has_text="live"))
    expect(back.first).to_be_visible()
    if page.get_by_role("dialog", name="Your session has ended").is_visible():
        page.get_by_role("dialog").get_by_label("Password").fill(installation.password)
        page.get_by_role("button", name="Log in and go on").click()
    expect(lamp).to_have_text("live")
    # With the pointer on the list, rows that are gone would stay, struck through (P3).
    page.mouse.move(5, 400)
    installation.tokens.clear()
    installation.post("orders/confirm", {"controllerId": installation.controller_id, "orderIds": [order_id]})
    expect(person.row(order_id).filter(has_text="asks you")).to_have_count(0)
