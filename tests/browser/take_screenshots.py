"""Takes the pictures of docs/screens from an installation with the samples of `stellwerk demo`, in light and dark.

    python -m tests.browser.take_screenshots http://127.0.0.1:4446 PASSWORD [FOLDER]

With the address of an installation of `stellwerk up --cluster` it takes the pictures of clusters instead, and at the
end stops the passive Controller for the last of them.

No test: the waits are for the pictures' sake (fades, first patches of the stream).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect, sync_playwright
from tests.browser.world import Installation

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screens"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = {
    "orders": "/orders",
    "workflows": "/workflows",
    "workflow": "/workflow/samples/nightly-load",
    "workflow-node": "/workflow/samples/file-transfer?node=0/try:0",
    "workflow-left-to-right": "/workflow/samples/nightly-load?dir=lr",
    "add-order": "/workflow/samples/quality-gate?dialog=add",
    "history": "/history/orders",
    "inventory": "/inventory/samples/nightly-load?type=WORKFLOW&node=1",
    "deploy": "/inventory/samples/nightly-load?type=WORKFLOW&dialog=publish",
    "deployment": "/deployments/",
    "plan": "/plan/today",
    "plan-year": "/plan/today?view=calendar",
    "calendar": "/resources/calendars/samples/work-days?day={year}-12-25",
    "schedule": "/resources/schedules/samples/payments",
    "audit": "/audit",
    "role": "/access/roles?role=it_operator",
    "settings": "/settings/dailyplan",
    "alerts": "/alerts",
    "alert-rules": "/alerts?tab=rules",
}
#: What the samples start, and when; of the time zone UTC.
SCHEDULES = {
    "loads": ("nightly-load", [{"singleStart": "02:00:00"}, {"singleStart": "23:30:00"}]),
    "transfers": ("file-transfer", [{"begin": "06:00:00", "end": "22:00:00", "repeat": "00:30:00"}]),
    "payments": ("payment-run", [{"singleStart": "18:00:00", "whenHoliday": "NEXTNONWORKINGDAY"}]),
    "reports": ("month-end-report", [{"singleStart": "04:15:00"}, {"singleStart": "20:00:00"}]),
}
#: A draft that differs from what is deployed, so that there is something to see; the same each time.
WRITE_A_DRAFT = """async () => {
    const token = JSON.parse(sessionStorage.getItem("stellwerk.session")).token;
    const call = async (path, body) => (await fetch(`/joc/api/${path}`, {
        method: "POST",
        headers: {"X-Access-Token": token, "Content-Type": "application/json"},
        body: JSON.stringify(body),
    })).json();
    const object = {path: "/samples/nightly-load", objectType: "WORKFLOW"};
    const {configuration} = await call("inventory/read/configuration", object);
    Object.values(configuration.jobs)[0].timeout = 600;
    configuration.title = "Loads what came in over night";
    await call("inventory/store", {...object, configuration});
}"""


def main(url: str, password: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("STELLWERK_CHROMIUM") or shutil.which("chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        log_in(page, url, password)
        page.goto(f"{url}/ui/clusters")
        expect(page.get_by_role("heading", name="Clusters", level=1)).to_be_visible()
        page.wait_for_timeout(1500)
        if page.get_by_text("Nothing is clustered").count() == 0:
            for name in cluster_screens(page):
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    page.screenshot(path=folder / f"{name}-{theme}.png")
            browser.close()
            return
        page.close()
        plan_samples(Installation(url, "root", password))
        for theme in THEMES:
            context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
            page = context.new_page()
            for name in screens(page, url, password):
                page.screenshot(path=folder / f"{name}-{theme}.png")
            context.close()
        browser.close()


def log_in(page: Page, url: str, password: str) -> None:
    page.goto(f"{url}/ui/")
    page.get_by_label("Account").fill("root")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()


def plan_samples(installation: Installation) -> None:
    """Calendars and schedules for the samples, and a plan of today."""
    year = datetime.now(UTC).year
    holidays = {"includes": {"holidays": [{"nationalCalendar": "DE", "dates": [f"{year}-12-25", f"{year}-12-26"]}]}}
    installation.release("/samples/holidays", "NONWORKINGDAYSCALENDAR", holidays)
    work_days = {
        "title": "Monday to Friday",
        "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]},
        "excludes": {"nonWorkingDayCalendars": ["holidays"]},
    }
    installation.release("/samples/work-days", "WORKINGDAYSCALENDAR", work_days)
    every_day = {"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}
    installation.release("/samples/every-day", "WORKINGDAYSCALENDAR", every_day)
    for name, (workflow, periods) in SCHEDULES.items():
        assignment = {"calendarName": "every-day", "timeZone": "Etc/UTC", "periods": periods}
        schedule = {"workflowNames": [workflow], "planOrderAutomatically": True, "calendars": [assignment]}
        installation.release(f"/samples/{name}", "SCHEDULE", schedule)
    days = [str((datetime.now(UTC) + timedelta(days=number)).date()) for number in range(3)]
    request = {"controllerId": "controller", "dailyPlanDates": days, "includeLate": True}
    installation.post("daily_plan/orders/generate", request)
    started = {
        "controllerIds": ["controller"],
        "dailyPlanDateFrom": days[0],
        "workflowPaths": ["/samples/nightly-load"],
    }
    installation.post("daily_plan/orders/submit", started)
    installation.post("daily_plan/projections/recreate", {})


def cluster_screens(page: Page) -> Iterator[str]:
    """See `screens`. The page shows Clusters; the last picture is of a pair that has lost its passive node."""
    yield "clusters"
    page.get_by_role("button", name="Switch over…").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Show as command").click()
    page.wait_for_timeout(600)
    yield "switch-over"
    page.get_by_role("dialog").locator("footer").get_by_role("button", name="Close").click()
    passive = page.get_by_role("region", name="Node").filter(has_text="passive").first
    passive.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("does not answer").first).to_be_visible()
    page.wait_for_timeout(6000)
    yield "clusters-lost"


def screens(page: Page, url: str, password: str) -> Iterator[str]:
    """Walks through the screens, and yields each one's name when it is ready to be taken."""
    page.goto(f"{url}/ui/")
    expect(page.get_by_label("Account")).to_be_visible()
    yield "login"
    log_in(page, url, password)
    expect(page.get_by_text("Latest runs")).to_be_visible()
    page.wait_for_timeout(1500)
    yield "overview"
    page.evaluate(WRITE_A_DRAFT)
    for name, path in SCREENS.items():
        page.goto(f"{url}/ui{path.format(year=datetime.now(UTC).year)}")
        page.wait_for_timeout(2000)
        if name == "deployment":
            page.get_by_role("row").nth(1).get_by_role("link").first.click()
            page.wait_for_timeout(1500)
        yield name
    page.goto(f"{url}/ui/orders?q=state:failed")
    page.get_by_role("row").locator("a[href*='/order/']").first.click()
    page.wait_for_timeout(2500)
    yield "order"
    page.get_by_role("tab", name="Log").click()
    page.wait_for_timeout(1500)
    yield "log"
    page.get_by_role("tab", name="Story").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Show as command").click()
    page.wait_for_timeout(600)
    yield "resume"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else FOLDER)
