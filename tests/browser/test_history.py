"""History in the browser: from a figure to its runs, and from a text to the log that has it (ui.md S9, S22)."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from tests.browser import samples
from tests.browser.world import Installation, Person


def test_a_failure_is_found_by_figures_and_by_its_text(
    person: Person, installation: Installation, tmp_path: Path
) -> None:
    workflow = installation.deploy("/history/failing", samples.failing(tmp_path / "never"))
    order_id = installation.add_order(workflow, "counted")
    page = person.page
    person.open(f"/order/{order_id.replace('#', '%23')}")
    # The first jobs of an Agent on a busy machine.
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed", timeout=120_000)

    person.open("/history/orders")
    page.get_by_role("tab", name="Logs").click()
    page.get_by_label("Text in logs").fill("disk quota exc")
    page.get_by_label("Filter tasks").fill("workflow:/history/*")
    page.get_by_label("Text in logs").press("Enter")
    expect(page).to_have_url(re.compile(r"text=disk"))
    hits = page.get_by_role("region", name="Found lines")
    expect(hits.get_by_role("listitem").filter(has_text="write: Disk quota exceeded").first).to_be_visible()
    expect(hits.locator("mark").first).to_have_text("Disk quota exc")
    expect(hits).to_contain_text("These are all.")
    page.get_by_label("Text in logs").fill("nobody prints this")
    page.get_by_label("Text in logs").press("Enter")
    expect(hits).to_contain_text("No log has a line with this text.")

    page.get_by_role("tab", name="Statistics").click()
    page.get_by_label("Filter statistics").fill("workflow:/history/failing")
    figure = page.get_by_role("img", name=re.compile("^Starts of orders"))
    expect(figure).to_have_accessible_name(re.compile("1 failed"))
    page.get_by_role("combobox", name="Of").select_option("tasks")
    durations = page.get_by_role("region", name="Durations")
    expect(durations.get_by_role("row").filter(has_text="extract")).to_contain_text("1")
    failures = page.get_by_role("region", name="Failures")
    expect(failures.get_by_role("row").filter(has_text="Disk quota exceeded")).to_have_count(1)
    page.get_by_text("Figures", exact=True).click()
    expect(page.get_by_role("columnheader", name="not ended")).to_be_visible()
    failures.get_by_role("link", name="1", exact=True).click()
    expect(page).to_have_url(re.compile(r"/history/tasks.*state:failed"))
    expect(person.row(order_id)).to_have_count(1)
