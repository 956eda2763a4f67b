"""Daily plan (ui.md S8): a day is planned, submitted, moved, taken back, removed; timeline, list and year show it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser import samples
from tests.browser.world import Installation, Person

#: Farther than the service plans by itself, so that only this test plans it.
DATE = str((datetime.now(UTC) + timedelta(days=40)).date())
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: A year's months are alike: December and the one before it stand for all.
MOST_MONTHS = "table:nth-of-type(-n+10)"


@pytest.fixture(scope="module")
def schedules(installation: Installation) -> None:
    """Each day: workflow `invoices` at two times, workflow `ticking` five times."""
    installation.deploy("/plan/invoices", samples.parametrised())
    installation.deploy("/plan/ticking", samples.prompting())
    every_day = {"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}
    installation.release("/plan/browser-days", "WORKINGDAYSCALENDAR", every_day)

    def schedule(workflow: str, *periods: dict[str, str], **parameters: object) -> dict[str, object]:
        return {
            "workflowNames": [workflow],
            "planOrderAutomatically": True,
            "calendars": [{"calendarName": "browser-days", "timeZone": "Etc/UTC", "periods": list(periods)}],
            "orderParameterisations": [parameters],
        }

    invoices = schedule("invoices", {"singleStart": "08:00"}, {"singleStart": "18:00"}, variables={"day": "monday"})
    installation.release("/plan/invoices", "SCHEDULE", invoices)
    cycle = {"begin": "10:00", "end": "15:00", "repeat": "01:00:00"}
    installation.release("/plan/ticking", "SCHEDULE", schedule("ticking", cycle))


def row(page: Page, time: str) -> Locator:
    return page.get_by_role("row").filter(has=page.locator("time", has_text=re.compile(f"^{time}$")))


def act(page: Page, verb: str, button: str) -> None:
    """Press the verb for what is selected, and confirm."""
    page.get_by_role("toolbar", name="Selected orders").get_by_role("button", name=verb).click()
    page.get_by_role("dialog").get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_day_is_planned_and_its_orders_are_steered(person: Person, schedules: None) -> None:
    page = person.page
    person.open(f"/plan/{DATE}?view=list")
    expect(page.get_by_text("No orders are planned for this day.")).to_be_visible()
    expect(page.get_by_text("Days are planned 7 ahead")).to_be_visible()
    page.get_by_role("button", name="Plan it now").click()
    dialog = page.get_by_role("dialog")
    person.check_accessibility()
    dialog.get_by_role("textbox", name="Schedules").fill("invoices ticking")
    dialog.get_by_role("button", name="Plan 1 day").click()
    expect(row(page, "08:00")).to_contain_text("planned")
    expect(page.get_by_role("row")).to_have_count(4)  # with the header; a cycle is one
    expect(page.get_by_text("0 done · 0 submitted · 7 planned")).to_be_visible()

    row(page, "10:00").get_by_role("button", name="5 starts, 10:00–14:00").click()
    cycle = page.get_by_role("grid", name="Orders of the cycle")
    expect(cycle.get_by_role("row")).to_have_count(6)
    page.get_by_role("region", name="Orders of the cycle").get_by_role("button", name="Close").click()
    expect(cycle).to_be_hidden()

    row(page, "08:00").get_by_role("checkbox").check()
    expect(page.get_by_role("button", name="Take back")).to_have_attribute("aria-disabled", "true")
    person.check_accessibility()
    act(page, "Submit", "Submit 1 order")
    expect(row(page, "08:00")).to_contain_text("submitted")

    row(page, "08:00").get_by_role("checkbox").check()
    page.get_by_role("button", name="Change start").click()
    dialog.get_by_role("button", name="Change 1 order").click()
    expect(dialog.get_by_role("alert")).to_have_text("Say when to start: date and time.")
    dialog.get_by_label("moved by", exact=True).check()
    dialog.get_by_label("Moved by hours and minutes").fill("01:15")
    dialog.get_by_role("button", name="Show as command").click()
    expect(dialog.get_by_text('"scheduledFor":"cur + 01:15"')).to_be_visible()
    dialog.get_by_role("button", name="Change 1 order").click()
    expect(row(page, "09:15")).to_contain_text("submitted")
    expect(row(page, "08:00")).to_have_count(0)

    row(page, "09:15").get_by_role("checkbox").check()
    page.get_by_role("button", name="Change variables").click()
    expect(dialog.get_by_label("day")).to_have_value("monday")
    dialog.get_by_label("day").fill("tuesday")
    dialog.get_by_role("button", name="Change 1 order").click()
    expect(dialog).to_be_hidden()
    planned = person.installation.post("daily_plan/orders", {"dailyPlanDateFrom": DATE})["plannedOrderItems"]
    [moved] = [item for item in planned if item["plannedStartTime"].endswith("T09:15:00.000Z")]
    asked = {"controllerId": moved["controllerId"], "orderId": moved["orderId"]}
    assert person.installation.post("daily_plan/order/variables", asked)["variables"] == {"day": "tuesday"}

    row(page, "09:15").get_by_role("checkbox").check()
    act(page, "Take back", "Take back 1 order")
    expect(row(page, "09:15")).to_contain_text("planned")
    row(page, "09:15").get_by_role("checkbox").check()
    act(page, "Remove", "Remove 1 order")
    expect(row(page, "09:15")).to_have_count(0)
    expect(row(page, "18:00")).to_be_visible()


def test_another_persons_change_is_seen_in_the_timeline_and_in_the_year(person: Person, schedules: None) -> None:
    date = str((datetime.now(UTC) + timedelta(days=41)).date())
    page = person.page
    person.open(f"/plan/{date}")
    expect(page.get_by_text("No orders are planned for this day.")).to_be_visible()
    request = {"controllerId": "controller", "dailyPlanDates": [date], "schedulePaths": {"singles": ["/plan/ticking"]}}
    person.installation.post("daily_plan/orders/generate", request)
    lanes = page.get_by_role("list", name="Timeline of the day").get_by_role("listitem")
    expect(lanes).to_contain_text("from 10:00: cycle of 5")
    person.check_accessibility()
    page.get_by_title("ticking: 5 starts, 10:00 to 14:00; the next is planned").click()
    expect(page.get_by_role("toolbar", name="Selected orders")).to_contain_text("5 orders selected")

    page.get_by_role("tab", name="Calendar").click()
    page.get_by_label("Filter the plan").fill("schedule:/plan/ticking")
    page.get_by_role("button", name="Compute anew").click()
    page.get_by_role("dialog").get_by_role("button", name="Compute the forecast").click()
    year = date[:4]
    expect(page.get_by_role("heading", name=year, level=2)).to_be_visible()
    day = page.get_by_role("link", name=re.compile("5 orders, planned")).first
    expect(day).to_be_visible()
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        person.check_accessibility(leave_out=MOST_MONTHS)
    page.get_by_role("link", name=re.compile("5 orders, forecast")).last.click()
    expect(page.get_by_role("tab", name="List")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("]")
    page.keyboard.press("[")
    expect(page).to_have_title(re.compile("Daily plan – Stellwerk$"))
