"""Calendars and schedules (ui.md S12): edited with the year and the coming starts beside them, saved, released."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import expect
from tests.browser.test_plan import MOST_MONTHS
from tests.browser.world import Installation, Person

YEAR = datetime.now(UTC).year + 1
#: All days of a week from a Monday on.
WEEK = [datetime.fromisocalendar(YEAR, 20, day).strftime("%a %-d %b %Y") for day in range(1, 8)]


def test_a_calendar_is_made_of_rules_and_says_why_a_day_counts(person: Person, installation: Installation) -> None:
    page = person.page
    days_off = {"includes": {"dates": [datetime.fromisocalendar(YEAR, 20, 3).strftime("%Y-%m-%d")]}}
    installation.release("/calendars/browser-off", "NONWORKINGDAYSCALENDAR", days_off)
    person.open("/resources/calendars/")
    page.get_by_role("button", name="New calendar").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Path").fill("/calendars/browser-work")
    dialog.get_by_role("button", name="Store calendar").click()
    expect(page.get_by_role("heading", name="/calendars/browser-work")).to_be_visible()
    page.get_by_role("button", name="The next year").click()

    def day(name: str, state: str) -> None:
        expect(page.get_by_role("button", name=f"{name}: {state}", exact=True)).to_be_visible()

    day(WEEK[0], "out")
    page.get_by_role("button", name="Add rule").click()  # Monday to Friday
    day(WEEK[0], "in")
    day(WEEK[6], "out")
    page.get_by_label("Kind of the rule").select_option("nonWorkingDayCalendars")
    page.get_by_label("Calendar of days off").select_option("browser-off")
    page.get_by_role("button", name="Add rule").click()
    page.get_by_role("button", name=f"{WEEK[2]}: taken out").click()
    why = page.get_by_role("status").filter(has_text=WEEK[2])
    expect(why).to_contain_text("put in by Monday to Friday, but taken out by days of calendar browser-off")
    expect(why.get_by_role("button", name="Put this day in")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name=f"{WEEK[6]}: out").click()
    page.get_by_role("button", name="Put this day in").click()
    day(WEEK[6], "in")
    person.check_accessibility(leave_out=MOST_MONTHS)
    expect(page.get_by_text("changed here, not saved")).to_be_visible()
    page.get_by_role("button", name="Release…").click()
    dialog.get_by_role("button", name="Save and release").click()
    expect(page.get_by_text("as released")).to_be_visible()
    released = installation.post("calendars", {"calendarPaths": ["/calendars/browser-work"]})["calendars"]
    [found] = released
    assert found["includes"]["weekdays"] == [{"days": [1, 2, 3, 4, 5]}]
    assert found["excludes"] == {"nonWorkingDayCalendars": ["browser-off"]}
    assert len(found["includes"]["dates"]) == 1


def test_a_schedule_shows_what_it_starts_and_warns_of_times_that_mean_something_else(
    person: Person, installation: Installation
) -> None:
    page = person.page
    every_day = {"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}
    installation.release("/calendars/browser-daily", "WORKINGDAYSCALENDAR", every_day)
    periods = [{"singleStart": "02:00:00"}]
    assignment = {"calendarName": "browser-daily", "timeZone": "Asia/Tokyo", "periods": periods}
    schedule = {"workflowNames": ["none-yet"], "calendars": [assignment]}
    installation.post(
        "inventory/store", {"path": "/calendars/shown", "objectType": "SCHEDULE", "configuration": schedule}
    )
    person.open("/resources/schedules/calendars/shown")
    starts = page.get_by_role("table")
    expect(starts.get_by_role("row")).to_have_count(15)
    expect(starts.get_by_role("row").nth(1)).to_contain_text("02:00")
    expect(page.get_by_text("times of Asia/Tokyo")).to_be_visible()
    page.get_by_label("at", exact=True).fill("03:30:00")
    expect(starts.get_by_role("row").nth(1)).to_contain_text("03:30")
    page.get_by_role("button", name="Repeated").click()
    page.get_by_label("every", exact=True).fill("00:15")
    expect(page.get_by_role("alert").filter(has_text="would be minutes and seconds")).to_be_visible()
    expect(page.get_by_role("button", name="Save draft")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("every", exact=True).fill("00:15:00")
    expect(starts.get_by_role("row").nth(1)).to_contain_text(re.compile("08:00–17:45 every 00:15:00"))
    person.check_accessibility()
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("dialog").get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("changed here, not saved")).to_be_hidden()
    read = {"path": "/calendars/shown", "objectType": "SCHEDULE"}
    stored = installation.post("inventory/read/configuration", read)["configuration"]
    assert [period.get("repeat") for period in stored["calendars"][0]["periods"]] == [None, "00:15:00"]
